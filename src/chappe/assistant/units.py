"""A passage cut into sentences and lines, and these into stretches that say one thing each."""

from dataclasses import dataclass

from chappe.assistant.facts import Fact
from chappe.assistant.lexicon import MODALS
from chappe.assistant.sentences import split_sentences
from chappe.assistant.terms import Term, TextAnalysis, analyse, figure_stretches


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence or line of a passage: half-open span in its code points, and what it says."""

    start: int
    end: int
    found: TextAnalysis

    @property
    def terms(self) -> tuple[Term, ...]:
        """Its content words."""
        return self.found.terms

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its figures."""
        return self.found.facts

    @property
    def has_negation(self) -> bool:
        """Whether it denies anything."""
        return self.found.has_negation


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a sentence or line that says one thing of one figure."""

    start: int
    end: int
    keys: frozenset[str]
    weighty: frozenset[str]
    facts: tuple[Fact, ...]


def cut_units(text: str, language: str) -> tuple[Unit, ...]:
    """Cut a passage into its sentences and lines."""
    return tuple(
        Unit(span.start, span.end, analyse(text[span.start : span.end], language))
        for span in split_sentences(text)
    )


def cut_stretches(analysis: TextAnalysis, offset: int) -> list[Stretch]:
    """Cut an analysed text at its figures; spans are moved by `offset`."""
    return [
        Stretch(
            offset + start,
            offset + end,
            frozenset(term.key for term in terms),
            frozenset(term.key for term in terms if _is_topical(term)),
            tuple(fact for fact in analysis.facts if start <= fact.start < end),
        )
        for start, end in figure_stretches(analysis)
        for terms in ([term for term in analysis.terms if start <= term.start < end],)
    ]


def _is_topical(term: Term) -> bool:
    return not term.light or (term.key.isupper() and term.key not in MODALS)
