"""Finds the span of a passage that carries a claim, or says what is missing."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from chappe.assistant.facts import Fact
from chappe.assistant.lexicon import OPPOSITES
from chappe.assistant.matching import FoldedText, fold, plain_typography
from chappe.assistant.sentences import split_sentences
from chappe.assistant.terms import (
    Term,
    TextAnalysis,
    analyse,
    detect_language,
    figure_stretches,
)

_Polarity = tuple[bool, bool]
_CONDITION = re.compile(r"\b(?:si|s'(?=ils?\b)|lorsqu|quand|en cas)[^,;.:]*", re.IGNORECASE)
Failure = Literal["not_supported", "number_mismatch", "negation_mismatch"]

COVERAGE_NEEDED = 0.72
"""Share of a claim's weight that its window and headings must carry (tuned on hand-made cases)."""
TEXT_COVERAGE_NEEDED = 0.35
"""Share that the window's own text must carry, headings not counted."""
_MAX_UNITS = 9
_MAX_LENGTH = 700
_TRIED_WINDOWS = 12
_PREFIX = 6
_VERB_ENDING = re.compile(r"(?:[aeo]nt|[aeioû]t|ez|era|ons|er|ir)$")
_NOUN_LEAD = re.compile(
    r"(?:\b(?:l[ea]s?|une?|des?|du|aux?|vos|votre|nos|notre|ses|son|sa|leurs?|ces?|cette|cet|par"
    r"|sans|avec|en|pour|chaque|tou(?:te)?s|the|an?|your|of|by|to|for)\s|\b[ld]')$",
    re.IGNORECASE,
)
_SUBJECT = 3
_ANAPHOR = re.compile(
    r"(?:ils?|elles?|ce|cet|cette|ces|cela|celle-ci|celui-ci|leurs?|son|sa|ses|passé ce|"
    r"dans (?:le|ce) cas|à défaut|si elles?|s'ils?|it|they|this|these|its|their)\b",
    re.IGNORECASE,
)
_MODALS = frozenset({"OBLIGATION", "PERMISSION"})
_FIGURE_WEIGHT = 0.8


@dataclass(frozen=True, slots=True)
class Support:
    """Half-open span, in code points of the passage, that carries a claim; `coverage` in 0..1."""

    start: int
    end: int
    coverage: float


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    found: TextAnalysis

    @property
    def terms(self) -> tuple[Term, ...]:
        return self.found.terms

    @property
    def facts(self) -> tuple[Fact, ...]:
        return self.found.facts

    @property
    def has_negation(self) -> bool:
        return self.found.has_negation


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a sentence or line that says one thing of one figure."""

    start: int
    end: int
    keys: frozenset[str]
    weighty: frozenset[str]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    first: int
    last: int
    coverage: float
    facts_found: bool
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
        units: list[_Unit] = []
        self._stretches: list[_Stretch] = []
        for span in split_sentences(text):
            found = analyse(text[span.start : span.end], self._language)
            units.append(_Unit(span.start, span.end, found))
            self._stretches += _stretches(found, span.start)
        self.units = tuple(units)
        self._is_prose = [
            text[unit.start : unit.end].rstrip('»"”)* ').endswith((".", "!", "?", "…"))
            for unit in self.units
        ]
        self._is_anaphoric = [_ANAPHOR.match(text, unit.start) is not None for unit in self.units]
        self._by_key: dict[str, set[int]] = {}
        for index, unit in enumerate(self.units):
            for term in unit.terms:
                self._by_key.setdefault(term.key, set()).add(index)
        self._by_prefix: dict[str, set[str]] = {}
        for key in self._by_key:
            if len(key) >= _PREFIX and not key.isupper():
                self._by_prefix.setdefault(key[:_PREFIX], set()).add(key)
        self._context_keys = {term.key for term in self._context.terms}

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
        self, claim: TextAnalysis, rarity: TermRarity, must_hold: tuple[int, int] | None = None
    ) -> Support | Failure:
        """Find the best window that carries the claim, or what it fails on.

        `must_hold`: a span of the passage (the claim's quotations) that the window must contain.
        """
        terms = _distinct(claim.terms)
        if not self.units or not (terms or claim.facts):
            return "not_supported"
        keys = [self._equivalents(term) for term in terms]
        windows = self._windows(terms, keys, claim.facts, rarity, must_hold)
        failure: Failure = "not_supported"
        for window in windows[:_TRIED_WINDOWS]:
            verdict = self._judge(window, claim, terms, keys)
            if verdict is None:
                start, end = self.units[window.first].start, self.units[window.last].end
                return Support(start, end, window.coverage)
            if failure == "not_supported":
                failure = verdict
        return failure

    def _equivalents(self, term: Term) -> frozenset[str]:
        """Keys of the passage that say the same: equal, or of the same long root."""
        keys = {term.key}
        if not term.key.isupper() and len(term.key) >= _PREFIX:
            keys |= self._by_prefix.get(term.key[:_PREFIX], set())
        return frozenset(keys)

    def _windows(
        self,
        terms: list[Term],
        keys: list[frozenset[str]],
        facts: tuple[Fact, ...],
        rarity: TermRarity,
        must_hold: tuple[int, int] | None,
    ) -> list[_Window]:
        """Windows that carry enough of the claim's words, best first."""
        weights = [rarity.weight(term) for term in terms]
        in_context = [not self._context_keys.isdisjoint(options) for options in keys]
        masks = [0] * len(self.units)
        for bit, options in enumerate(keys):
            for key in options:
                for index in self._by_key.get(key, ()):
                    masks[index] |= 1 << bit
        facts_left = [f for f in facts if not f.is_in(self._context.facts)]
        for index, unit in enumerate(self.units):
            for bit, fact in enumerate(facts_left, len(terms)):
                if fact.is_in(unit.facts):
                    masks[index] |= 1 << bit
        all_facts = ((1 << len(facts_left)) - 1) << len(terms)
        reaches = self._antecedents(masks, keys, len(facts_left))
        windows: list[_Window] = []
        scores: dict[int, tuple[float, float]] = {}
        for first in range(len(self.units)):
            mask, sentence = 0, -1
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
                if last > first and length > _MAX_LENGTH and must_hold is None:
                    break
                mask |= masks[last]
                if must_hold is None and not (masks[first] and masks[last]):
                    continue
                if must_hold is not None and not (
                    self.units[first].start <= must_hold[0] and must_hold[1] <= self.units[last].end
                ):
                    continue
                if mask not in scores:
                    scores[mask] = _coverage(mask, weights, in_context, len(facts_left))
                coverage, in_text = scores[mask]
                if coverage < COVERAGE_NEEDED or in_text < TEXT_COVERAGE_NEEDED:
                    continue
                found = mask & all_facts == all_facts
                rank = coverage + 2 * found - 0.03 * (last - first) - 0.0001 * length
                windows.append(_Window(first, last, coverage, found, rank))
        windows.sort(key=lambda window: -window.rank)
        return windows

    def _antecedents(self, masks: list[int], keys: list[frozenset[str]], facts: int) -> list[int]:
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

    def _judge(
        self, window: _Window, claim: TextAnalysis, terms: list[Term], keys: list[frozenset[str]]
    ) -> Failure | None:
        units = self.units[window.first : window.last + 1]
        claimed = {term.key for term in terms}
        weighty = {
            key for t, options in zip(terms, keys, strict=True) if not t.light for key in options
        }
        closest = max(units, key=lambda unit: len({term.key for term in unit.terms} & weighty))
        closest_keys = {term.key for term in closest.terms}
        present = _polarities(term for unit in units for term in unit.terms)
        for term, options in zip(terms, keys, strict=True):
            here = term.key in present if term.key.isupper() else not options.isdisjoint(present)
            if term.required and not here and options.isdisjoint(self._context_keys):
                return "not_supported"
            if term.key not in closest_keys and _replaced_by_opposite(
                term.key, closest_keys, claimed
            ):
                return "not_supported"
        if not window.facts_found:
            return "number_mismatch"
        if not self._figures_belong(window, claim):
            return "number_mismatch"
        if _denied(units, closest, claim, keys, terms, present):
            return "negation_mismatch"
        if (
            _duty_made_of_a_choice(claim, present)
            or _substituted(terms, keys, claim, units, closest, self._context_keys)
            or _restriction_dropped(claim, closest)
            or _condition_swapped(claim, closest)
        ):
            return "not_supported"
        return None

    def _figures_belong(self, window: _Window, claim: TextAnalysis) -> bool:
        """Whether each figure is said of what the claim says it of, not of a neighbour."""
        start, end = self.units[window.first].start, self.units[window.last].end
        inside = [s for s in self._stretches if start <= s.start and s.end <= end]
        claimed = _stretches(claim, 0)
        for fact in claim.facts:
            holders = [stretch for stretch in inside if fact.is_in(stretch.facts)]
            if not holders:
                continue
            near = next(s.weighty for s in claimed if s.start <= fact.start < s.end)
            best = max(holders, key=lambda stretch: len(near & stretch.keys))
            said = near & best.keys
            for rival in self._stretches:
                if (
                    fact.unit is None
                    or fact.is_in(rival.facts)
                    or not any(_comparable(fact, other) for other in rival.facts)
                ):
                    continue
                if said < near & rival.keys:
                    return False
            if _under_opposite_heading(best, inside, near):
                return False
            if all(_contradicts(stretch, claim.facts) for stretch in holders):
                return False
        return True


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


def _distinct(terms: Iterable[Term]) -> list[Term]:
    kept: dict[str, Term] = {}
    for term in terms:
        known = kept.get(term.key)
        if known is None or (term.required and not known.required):
            kept[term.key] = term
    return list(kept.values())


def _comparable(fact: Fact, other: Fact) -> bool:
    return fact.kind == other.kind and fact.kind != "identifier" and fact.unit == other.unit


def _contradicts(stretch: _Stretch, claimed: tuple[Fact, ...]) -> bool:
    """Whether a line that holds one figure of a claim gives another value to a second one.

    « moins de 17 ans : 17 € » is not said by « moins de 15 ans : 17 € » next to « 17 ans : 42 € ».
    """
    return any(
        fact.unit is not None
        and not fact.is_in(stretch.facts)
        and any(
            _comparable(fact, other) and not any(mine.matches(other) for mine in claimed)
            for other in stretch.facts
        )
        for fact in claimed
    )


def _stretches(analysis: TextAnalysis, offset: int) -> list[_Stretch]:
    return [
        _Stretch(
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
    return not term.light or (term.key.isupper() and term.key not in _MODALS)


def _under_opposite_heading(holder: _Stretch, inside: list[_Stretch], near: frozenset[str]) -> bool:
    """Whether the nearest of two opposites before a figure is the one not claimed.

    « Majeur : 86 €. Mineur : 42 €. » does not say 42 € of an adult.
    """
    before = [stretch for stretch in inside if stretch.start <= holder.start]
    for group in OPPOSITES:
        wanted = near & group
        if not wanted:
            continue
        found = next((s.keys & group for s in reversed(before) if s.keys & group), wanted)
        if not found & wanted:
            return True
    return False


def _replaced_by_opposite(key: str, present: set[str], claimed: set[str]) -> bool:
    """Whether `present` holds an opposite of `key` that the claim does not name."""
    return any(key in group and (group & present) - claimed for group in OPPOSITES)


def _denied(
    units: tuple[_Unit, ...],
    closest: _Unit,
    claim: TextAnalysis,
    keys: list[frozenset[str]],
    terms: list[Term],
    present: dict[str, set[_Polarity]],
) -> bool:
    """Whether the claim denies what the window affirms, or the reverse."""
    if claim.has_negation and not any(unit.has_negation for unit in units):
        return True
    here = _polarities(closest.terms)
    polarity = _polarities(claim.terms)
    for term, options in zip(terms, keys, strict=True):
        modal = term.key in _MODALS
        if term.light and not modal:
            continue
        where = here if modal else present
        said = set[_Polarity]().union(*(where.get(key, set()) for key in options))
        if said and not any(
            mine[0] == theirs[0] or (not modal and mine[1] == theirs[1])
            for mine in polarity[term.key]
            for theirs in said
        ):
            return True
    return False


def _polarities(terms: Iterable[Term]) -> dict[str, set[_Polarity]]:
    found: dict[str, set[_Polarity]] = {}
    for term in terms:
        found.setdefault(term.key, set()).add((term.negated, term.clause_negated))
    return found


def _substituted(
    terms: list[Term],
    keys: list[frozenset[str]],
    claim: TextAnalysis,
    units: tuple[_Unit, ...],
    closest: _Unit,
    context: set[str],
) -> bool:
    """Whether a missing word stands where the source has another.

    « tribunal judiciaire » for « tribunal administratif », « pour les motos » for « pour les
    voitures ». Verbs are let through: paraphrase changes them most.
    """
    options = {term.key: alike for term, alike in zip(terms, keys, strict=True)}
    claimed = frozenset(key for alike in keys for key in alike)
    present = context.union(term.key for unit in units for term in unit.terms)
    followers: dict[str, set[str]] = {}
    for unit in units:
        for left, right in _adjacent(unit.found):
            followers.setdefault(left.key, set()).add(right.key)
    for left, right in zip(claim.terms, claim.terms[1:], strict=False):
        if right.light or not options[right.key].isdisjoint(present):
            continue
        if not claim.text[left.end : right.start].strip():
            if _VERB_ENDING.search(claim.text, right.start, right.end) is None and any(
                followers.get(key, set()) - claimed for key in options[left.key]
            ):
                return True
        elif _is_noun(claim, right) and _other_noun_after(options[left.key], closest, claimed):
            return True
    return False


def _is_noun(analysis: TextAnalysis, term: Term) -> bool:
    before = plain_typography(analysis.text[max(0, term.start - 12) : term.start])
    return _NOUN_LEAD.search(before) is not None


def _other_noun_after(left: frozenset[str], unit: _Unit, claimed: frozenset[str]) -> bool:
    return any(
        term.key in left
        and not following.light
        and following.key not in claimed
        and _is_noun(unit.found, following)
        for term, following in zip(unit.terms, unit.terms[1:], strict=False)
    )


def _adjacent(analysis: TextAnalysis) -> Iterable[tuple[Term, Term]]:
    for left, right in zip(analysis.terms, analysis.terms[1:], strict=False):
        if not analysis.text[left.end : right.start].strip():
            yield left, right


def _restriction_dropped(claim: TextAnalysis, closest: _Unit) -> bool:
    """Whether « ne … que » in the source is gone from the claim, along with what it spares."""
    position = closest.found.restricted
    claimed = {term.key for term in claim.terms}
    if position is None or claim.restricted is not None or "ONLY" in claimed:
        return False
    spared = {term.key for term in closest.terms if term.start > position and not term.light}
    return len(spared & claimed) * 2 < len(spared)


def _condition_swapped(claim: TextAnalysis, closest: _Unit) -> bool:
    """Whether claim and source both state a condition, without a word in common."""
    wanted = _CONDITION.search(claim.text)
    stated = _CONDITION.search(closest.found.text)
    if wanted is None or stated is None:
        return False
    mine = {t.key for t in claim.terms if wanted.start() <= t.start < wanted.end()}
    theirs = {t.key for t in closest.terms if stated.start() <= t.start < stated.end()}
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def _duty_made_of_a_choice(claim: TextAnalysis, present: dict[str, set[_Polarity]]) -> bool:
    """« vous devez » where the source only says « vous pouvez »."""
    duty = any(term.key == "OBLIGATION" and not term.negated for term in claim.terms)
    return (
        duty
        and "OBLIGATION" not in present
        and any(not negated for negated, _ in present.get("PERMISSION", set()))
    )
