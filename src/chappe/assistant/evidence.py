"""Finds the span of a passage that carries a claim, or says what is missing."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from chappe.assistant.contradictions import Claim, Failure, View, find_contradiction
from chappe.assistant.facts import Fact
from chappe.assistant.lexicon import MODALS
from chappe.assistant.matching import FoldedText, fold
from chappe.assistant.scoring import Features, features, probability
from chappe.assistant.synonyms import synonyms
from chappe.assistant.terms import Term, TextAnalysis, analyse, detect_language
from chappe.assistant.units import Stretch, cut_stretches, cut_units

PROBABILITY_NEEDED = 0.65
"""Of the window carrying the claim; chosen on the development half of benchmarks/citations."""
_COVERAGE_TRIED = 0.35
"""Share of a claim's weight that a window and the headings must carry to be looked at."""
_TEXT_COVERAGE_TRIED = 0.25
"""Share that the window's own text must carry, headings not counted."""
_MAX_UNITS = 9
_MAX_LENGTH = 700
_TRIED_WINDOWS = 16
_SLACK = 0.05
"""A window that covers less than one that denies the claim, by more than this, can't save it."""
_PREFIX = 6
_SUBJECT = 3
_ANAPHOR = re.compile(
    r"(?:ils?|elles?|ce|cet|cette|ces|cela|celle-ci|celui-ci|leurs?|son|sa|ses|passé ce|"
    r"dans (?:le|ce) cas|à défaut|si elles?|s'ils?|it|they|this|these|its|their)\b",
    re.IGNORECASE,
)
_FIGURE_WEIGHT = 0.8


@dataclass(frozen=True, slots=True)
class Support:
    """Half-open span, in code points of the passage, that carries a claim; `score` in 0..1."""

    start: int
    end: int
    score: float
    traits: Features


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why no window carries a claim.

    `missing`: half-open spans, in code points of the claim, of words or figures that the closest
    window lacks. `span`: that window in the passage, None when nothing is close. `score`: the
    probability that it carries the claim all the same, 0 when it contradicts it.
    """

    failure: Failure
    missing: tuple[tuple[int, int], ...] = ()
    span: tuple[int, int] | None = None
    score: float = 0.0
    traits: Features | None = None
    contradicted: bool = False


@dataclass(frozen=True, slots=True)
class _Window:
    first: int
    last: int
    in_text: float
    sentences: int
    rank: float


class TermRarity:
    """How rare terms are over the units of all passages; unseen terms weigh most."""

    def __init__(self, passages: Iterable["PassageIndex"]) -> None:
        self._frequency: Counter[str] = Counter()
        self._units = 0
        for passage in passages:
            for unit in passage.units:
                self._units += 1
                self._frequency.update({term.key for term in unit.terms})

    def weight(self, term: Term) -> float:
        """Weight of a term: small when light, more when long or rare."""
        if term.light:
            return 0.3
        length = 1.0 if term.key.isupper() else 0.8 + 0.07 * min(len(term.key), 9)
        common = math.log1p(self._frequency[term.key]) / math.log(max(self._units, 2) + 1)
        return length * (1.15 - 0.4 * common)


class PassageIndex:
    """A passage cut into sentences and lines, ready to be searched for support."""

    def __init__(self, text: str, context: str = "") -> None:
        self.text = text
        self._language = detect_language(text)
        self._context = analyse(context, self._language)
        self.units = cut_units(text, self._language)
        self._stretches: tuple[Stretch, ...] = tuple(
            stretch for unit in self.units for stretch in cut_stretches(unit.found, unit.start)
        )
        self._is_prose = [
            text[unit.start : unit.end].rstrip('»"”)* ').endswith((".", "!", "?", "…"))
            for unit in self.units
        ]
        self._is_anaphoric = [_ANAPHOR.match(text, unit.start) is not None for unit in self.units]
        self._by_key: dict[str, set[int]] = {}
        for index, unit in enumerate(self.units):
            for term in unit.terms:
                self._by_key.setdefault(term.key, set()).add(index)
        self._context_keys = (
            frozenset(term.key for term in self._context.terms if not term.negated) - MODALS
        )
        self._by_prefix: dict[str, set[str]] = {}
        for key in self._by_key.keys() | self._context_keys:
            if len(key) >= _PREFIX and not key.isupper():
                self._by_prefix.setdefault(key[:_PREFIX], set()).add(key)

    @cached_property
    def folded(self) -> FoldedText:
        """The passage folded for the search of quotations."""
        return fold(self.text)

    def is_denied_at(self, start: int, end: int) -> bool:
        """Whether a negation outside [start, end) reaches into it (a quotation cut short)."""
        inside = analyse(self.text[start:end], self._language)
        plain = {term.start + start: term.negated for term in inside.terms}
        return any(
            plain.get(unit.start + term.start, term.negated) != term.negated
            for unit in self.units
            if unit.start < end and start < unit.end
            for term in unit.terms
        )

    def support(
        self, found: TextAnalysis, rarity: TermRarity, must_hold: tuple[int, int] | None = None
    ) -> Support | Shortfall:
        """Find the best window that carries the claim, or what is missing.

        `must_hold`: a span of the passage (the claim's quotations) that the window must contain.
        """
        terms = _distinct(found.terms)
        if not self.units or not (terms or found.facts):
            return Shortfall("not_supported")
        claim = Claim(found, terms, tuple(self._equivalents(term) for term in terms))
        best: Support | Shortfall = Shortfall(
            "not_supported", _spans(terms, self._absent(found.facts))
        )
        denied, denial = 0.0, None
        for window in self._windows(claim, rarity, must_hold)[:_TRIED_WINDOWS]:
            verdict = self._judge(window, claim, rarity)
            if isinstance(verdict, Shortfall) and verdict.contradicted:
                if window.in_text > denied:
                    denied, denial = window.in_text, verdict
            elif denial is not None and window.in_text + _SLACK < denied:
                verdict = denial
            if isinstance(verdict, Support):
                if not isinstance(best, Support) or verdict.score > best.score:
                    best = verdict
            elif not isinstance(best, Support) and (
                best.span is None or verdict.score > best.score
            ):
                best = verdict
        return best

    def _absent(self, facts: Iterable[Fact]) -> list[Fact]:
        known = [*(f for unit in self.units for f in unit.facts), *self._context.facts]
        return [fact for fact in facts if not fact.is_in(known)]

    def _equivalents(self, term: Term) -> frozenset[str]:
        """Keys of the passage that say the same: equal, synonyms, or of the same long root."""
        keys = set(synonyms(term.key))
        if not term.key.isupper() and len(term.key) >= _PREFIX:
            keys |= self._by_prefix.get(term.key[:_PREFIX], set())
        return frozenset(keys)

    def _windows(
        self, claim: Claim, rarity: TermRarity, must_hold: tuple[int, int] | None
    ) -> list[_Window]:
        """Windows that carry enough of the claim's words to be looked at, best first."""
        weights = [rarity.weight(term) for term in claim.terms]
        in_context = [not self._context_keys.isdisjoint(options) for options in claim.keys]
        facts_left = [f for f in claim.found.facts if not f.is_in(self._context.facts)]
        masks = self._masks(claim, facts_left)
        all_facts = ((1 << len(facts_left)) - 1) << len(weights)
        reaches = self._antecedents(masks, claim.keys, len(facts_left))
        windows: list[_Window] = []
        for first in range(len(self.units)):
            mask, sentence, sentences = 0, -1, 0
            for last in range(first, min(first + _MAX_UNITS, len(self.units))):
                length = self.units[last].end - self.units[first].start
                if self._is_prose[last]:
                    if sentence != -1:
                        if self._is_anaphoric[last] and sentence == last - 1 == first:
                            mask &= reaches[sentence]
                        elif must_hold is None or not (
                            self.units[sentence].end > must_hold[0]
                            and self.units[last].start < must_hold[1]
                        ):
                            break
                    sentence = last
                    sentences += 1
                if last > first and length > _MAX_LENGTH and must_hold is None:
                    break
                mask |= masks[last]
                if must_hold is None and not (masks[first] and masks[last]):
                    continue
                if must_hold is not None and not (
                    self.units[first].start <= must_hold[0] and must_hold[1] <= self.units[last].end
                ):
                    continue
                coverage, in_text = _coverage(mask, weights, in_context, len(facts_left))
                if coverage < _COVERAGE_TRIED or in_text < _TEXT_COVERAGE_TRIED:
                    continue
                complete = mask & all_facts == all_facts
                rank = coverage + 2 * complete - 0.03 * (last - first) - 0.0001 * length
                windows.append(_Window(first, last, in_text, sentences, rank))
        windows.sort(key=lambda window: -window.rank)
        return windows

    def _masks(self, claim: Claim, facts: list[Fact]) -> list[int]:
        """For each unit, one bit for each term of the claim that it holds, then for each figure."""
        masks = [0] * len(self.units)
        for bit, options in enumerate(claim.keys):
            for key in options:
                for index in self._by_key.get(key, ()):
                    masks[index] |= 1 << bit
        for index, unit in enumerate(self.units):
            for bit, fact in enumerate(facts, len(claim.terms)):
                if fact.is_in(unit.facts):
                    masks[index] |= 1 << bit
        return masks

    def _antecedents(
        self, masks: list[int], keys: tuple[frozenset[str], ...], facts: int
    ) -> list[int]:
        """What each unit may lend to a following « il », « ce délai »: its subject and figures."""
        lent: list[int] = []
        for index, unit in enumerate(self.units):
            subject = {term.key for term in [t for t in unit.terms if not t.light][:_SUBJECT]}
            mask = ((1 << facts) - 1) << len(keys)
            for bit, options in enumerate(keys):
                if not options.isdisjoint(subject):
                    mask |= 1 << bit
            lent.append(mask & masks[index])
        return lent

    def _judge(self, window: _Window, claim: Claim, rarity: TermRarity) -> Support | Shortfall:
        units = self.units[window.first : window.last + 1]
        span = (units[0].start, units[-1].end)
        view = View(units, self._stretches, self._context_keys, self._by_key)
        present = view.context.union(term.key for unit in units for term in unit.terms)
        lacking = [
            term
            for term, options in zip(claim.terms, claim.keys, strict=True)
            if options.isdisjoint(present)
        ]
        known = [*(fact for unit in units for fact in unit.facts), *self._context.facts]
        absent = tuple(fact for fact in claim.found.facts if not fact.is_in(known))
        missing = _spans([term for term in lacking if not term.light], absent)
        if absent:
            return Shortfall("number_mismatch", missing, span)
        failure = find_contradiction(view, claim)
        if failure is not None:
            return Shortfall(failure, missing, span, contradicted=failure != "not_supported")
        traits = features(view, claim, rarity.weight, lacking, window.sentences)
        score = probability(traits)
        if score >= PROBABILITY_NEEDED:
            return Support(*span, score, traits)
        return Shortfall("not_supported", missing, span, score, traits)


def _spans(terms: Iterable[Term], facts: Iterable[Fact]) -> tuple[tuple[int, int], ...]:
    spans = {(term.start, term.end) for term in terms}
    return tuple(sorted(spans | {(fact.start, fact.end) for fact in facts}))


def _coverage(
    mask: int, weights: list[float], in_context: list[bool], facts: int
) -> tuple[float, float]:
    """Shares of the claim's weight found with and without the context.

    Figures that are found add weight; one that is missing is judged apart, not here.
    """
    figures = _FIGURE_WEIGHT * sum(mask >> (len(weights) + bit) & 1 for bit in range(facts))
    total = sum(weights) + figures
    if total == 0:
        return 1.0, 1.0
    in_text = figures
    in_headings = 0.0
    for bit, weight in enumerate(weights):
        if mask >> bit & 1:
            in_text += weight
        elif in_context[bit]:
            in_headings += weight
    return (in_text + in_headings) / total, in_text / total


def _distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    kept: dict[str, Term] = {}
    for term in terms:
        known = kept.get(term.key)
        if known is None or (term.required and not known.required):
            kept[term.key] = term
    return tuple(kept.values())
