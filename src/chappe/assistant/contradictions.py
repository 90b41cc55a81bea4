"""Tells what in a passage contradicts a claim, whatever words they share."""

import re
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from typing import Literal

from chappe.assistant.facts import Fact
from chappe.assistant.lexicon import MODALS, OPPOSITES, PEOPLE
from chappe.assistant.synonyms import synonyms
from chappe.assistant.terms import Term, TextAnalysis
from chappe.assistant.units import Stretch, Unit, cut_stretches

Failure = Literal["not_supported", "number_mismatch", "negation_mismatch"]

_CONDITION = re.compile(r"\b(?:si|s'(?=ils?\b)|lorsqu|quand|en cas)[^,;.:]*", re.IGNORECASE)


_LEAST_SAID = re.compile(
    r"\b(?:moins|plus|minim|supérieur|partir|compter|dès|après|delà|dessus|davantage|least|more)",
    re.IGNORECASE,
)
_FEWER = re.compile(r"\bmoins (?:de |d['\u2019])(?=[^\W\d])", re.IGNORECASE)
_LESS_SAID = re.compile(r"\b(?:moins|infér|rédui|dimin|faible|limit)", re.IGNORECASE)
_ALL = re.compile(r"\b(?:tous|toutes?|toujours|chaque|l'ensemble|all|every)\b", re.IGNORECASE)
_SOME = re.compile(r"\b(?:certaine?s|parfois|quelques|selon|some)\b", re.IGNORECASE)
_NAMING = ("noun", "other")
_NEAR = 60
_MOST_SAID = re.compile(
    r"\b(?:plus|moins|maxim|inférieur|jusqu|limite|délai|dans les?|dépass|excéd|excèd|most|within)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim against one passage: its distinct terms, and for each the keys that say the same."""

    found: TextAnalysis
    terms: tuple[Term, ...]
    keys: tuple[frozenset[str], ...]

    @property
    def weighty(self) -> frozenset[str]:
        """Keys that say one of its weighty words."""
        return frozenset(
            key
            for t, options in zip(self.terms, self.keys, strict=True)
            if not t.light
            for key in options
        )


@dataclass(frozen=True, slots=True)
class View:
    """A window's units, the passage's stretches and keys, and the keys of its headings."""

    units: tuple[Unit, ...]
    stretches: tuple[Stretch, ...]
    context: frozenset[str]
    passage: Container[str]

    def ranked(self, claim: Claim) -> list[Unit]:
        """The units, those that share most weighty words with the claim first."""
        weighty = claim.weighty
        return sorted(self.units, key=lambda unit: -len({t.key for t in unit.terms} & weighty))


def find_contradiction(view: View, claim: Claim) -> Failure | None:
    """What the window contradicts in a claim all of whose figures it holds, if anything."""
    claimed = {term.key for term in claim.terms}
    closest = view.ranked(claim)[0]
    closest_keys = {term.key for term in closest.terms}
    present = {term.key for unit in view.units for term in unit.terms}
    for term, options in zip(claim.terms, claim.keys, strict=True):
        named = not (options.isdisjoint(present) and options.isdisjoint(view.context))
        lent = (
            term is next((t for t in claim.terms if t.key in PEOPLE), None)
            and not present & PEOPLE
            and any(key in view.passage for key in options)
        )
        if term.required and not named and not lent:
            return "not_supported"
        if options.isdisjoint(closest_keys) and _replaced_by_opposite(
            term.key, closest_keys, claimed
        ):
            return "not_supported"
    if not _figures_belong(view, claim):
        return "number_mismatch"
    if _bound_added(view, claim):
        return "number_mismatch"
    if _denied(view, claim):
        return "negation_mismatch"
    if (
        _modality_changed(view, claim, closest)
        or _restriction_dropped(view, claim)
        or _condition_swapped(claim, closest)
        or _order_swapped(view, claim)
        or _fewer(view, claim)
        or _all_for_some(view, claim)
    ):
        return "not_supported"
    return None


def _figures_belong(view: View, claim: Claim) -> bool:
    """Whether each figure is said of what the claim says it of, not of a neighbour."""
    start, end = view.units[0].start, view.units[-1].end
    inside = [s for s in view.stretches if start <= s.start and s.end <= end]
    claimed = cut_stretches(claim.found, 0)
    for fact in claim.found.facts:
        holders = [stretch for stretch in inside if fact.is_in(stretch.facts)]
        if not holders:
            continue
        near = next(s.weighty for s in claimed if s.start <= fact.start < s.end)
        best = max(holders, key=lambda stretch: len(near & stretch.keys))
        said = near & best.keys
        for rival in view.stretches:
            if (
                fact.unit is None
                or any(mine.is_in(rival.facts) for mine in claim.found.facts)
                or not any(_comparable(fact, other) for other in rival.facts)
            ):
                continue
            if said < near & rival.keys:
                return False
        if _under_opposite_heading(best, inside, near):
            return False
        if all(_contradicts(stretch, claim.found.facts) for stretch in holders):
            return False
    return True


def _contradicts(stretch: Stretch, claimed: tuple[Fact, ...]) -> bool:
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


def _comparable(fact: Fact, other: Fact) -> bool:
    return fact.kind == other.kind and fact.kind != "identifier" and fact.unit == other.unit


def _under_opposite_heading(holder: Stretch, inside: list[Stretch], near: frozenset[str]) -> bool:
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


def _denied(view: View, claim: Claim) -> bool:
    """Whether the claim denies what the window affirms, or the reverse.

    Verbs, adjectives and modals, and the first word after a negation, must agree one by one with
    the sentence that is closest for them; the nouns that a negation only passes over are asked
    when nothing else can be.
    """
    found = claim.found
    if found.has_negation and not any(unit.has_negation for unit in view.units):
        return True
    ranked = view.ranked(claim)
    events = _denials(found)
    if not all(_is_denied_too(event, claim, ranked) for event in events):
        return True
    if found.negations > len(events) and not ranked[0].has_negation:
        return True
    if not found.negations and _denial_untold(ranked[0], claim):
        return True
    nouns: list[bool] = []
    agreed = False
    for term, options in zip(claim.terms, claim.keys, strict=True):
        said = _said(ranked, options)
        if term.key in MODALS:
            said = _same_use(term, claim, ranked) or _said(ranked, {term.key}) or said
        if not said:
            if term.negated and (term.denied or term.role == "verb") and not term.light:
                return True
            continue
        mine = [own for own in found.terms if own.key == term.key]
        pointed = any(t.denied for t in (*mine, *said))
        if term.light and term.key not in MODALS and not pointed:
            continue
        if (
            term.required
            and all(t.negated for t in said)
            and not any(t.negated or t.clause_negated for t in mine)
        ):
            return True
        loose = term.key not in MODALS and (
            term.role in _NAMING or all(t.role == "noun" or t.participle for t in said)
        )
        agree = any(a.negated == b.negated for a in mine for b in said) or (
            loose and any(a.clause_negated == b.clause_negated for a in mine for b in said)
        )
        if loose and not pointed:
            nouns.append(not agree)
        elif agree:
            agreed = True
        else:
            return True
    return not agreed and 2 * sum(nouns) > len(nouns)


def _denial_untold(unit: Unit, claim: Claim) -> bool:
    """Whether a sentence denies a verb that the claim lacks, of things that the claim affirms."""
    alike = frozenset(key for options in claim.keys for key in options)
    own = (alike - MODALS) | {term.key for term in claim.terms}
    return any(
        event[0].key not in own
        and event[0].role in ("verb", "predicate")
        and any(term.key in alike and not term.light for term in event[1:])
        for event in _denials(unit.found)
    )


def _same_use(modal: Term, claim: Claim, ranked: Sequence[Unit]) -> list[Term]:
    """The modals of the window that bear on what the claim's modal bears on."""
    options = dict(zip((term.key for term in claim.terms), claim.keys, strict=True))
    wanted = frozenset(key for term in _next(claim.found.terms, modal) for key in options[term.key])
    return [
        term
        for unit in ranked
        for term in unit.terms
        if term.key == modal.key and any(t.key in wanted for t in _next(unit.terms, term))
    ]


def _next(terms: Sequence[Term], term: Term) -> Sequence[Term]:
    place = next(index for index, other in enumerate(terms) if other.start == term.start)
    return [other for other in terms[place + 1 : place + 4] if not other.light]


def _denials(found: TextAnalysis) -> list[list[Term]]:
    """The words that each negation of a text bears on."""
    events: list[list[Term]] = []
    for term in found.terms:
        if term.negated and (term.denied or not events):
            events.append([term])
        elif term.negated:
            events[-1].append(term)
    return events


def _is_denied_too(event: Sequence[Term], claim: Claim, ranked: Sequence[Unit]) -> bool:
    """Whether the window denies one of the words that a negation of the claim bears on."""
    options = dict(zip((term.key for term in claim.terms), claim.keys, strict=True))
    return any(
        other.negated or (other.clause_negated and term.clause_negated)
        for term in event
        for other in _said(ranked, options[term.key])
    )


def _said(ranked: Sequence[Unit], keys: Collection[str]) -> list[Term]:
    """The terms of `keys` in the first unit that has any."""
    for unit in ranked:
        same = [term for term in unit.terms if term.key in keys]
        if same:
            return same
    return []


def _restriction_dropped(view: View, claim: Claim) -> bool:
    """Whether « ne … que » in the source is gone from the claim, along with what it spares."""
    claimed = {key for options in claim.keys for key in options}
    if claim.found.restricted is not None or any(t.key == "ONLY" for t in claim.terms):
        return False
    closest = view.ranked(claim)[0]
    for unit in view.units:
        position = unit.found.restricted
        if position is None:
            continue
        ruled = {t.key for t in unit.terms if t.start < position and not t.light}
        others = {t.key for other in view.units if other is not unit for t in other.terms}
        spared = {t.key for t in unit.terms if t.start > position and not t.light}
        if (unit is closest or ruled & claimed - others) and 2 * len(spared & claimed) < len(
            spared
        ):
            return True
    return False


def _condition_swapped(claim: Claim, closest: Unit) -> bool:
    """Whether claim and source both state a condition, without a word in common."""
    found = claim.found
    wanted = _CONDITION.search(found.text)
    stated = _CONDITION.search(closest.found.text)
    if wanted is None or stated is None:
        return False
    inside = {t.key for t in found.terms if wanted.start() <= t.start < wanted.end()}
    mine = {
        key
        for term, options in zip(claim.terms, claim.keys, strict=True)
        if term.key in inside
        for key in options
    }
    theirs = {t.key for t in closest.terms if stated.start() <= t.start < stated.end()}
    return bool(mine) and bool(theirs) and mine.isdisjoint(theirs)


def condition_dropped(claim: Claim, unit: Unit) -> bool:
    """Whether a sentence states a condition of which the claim has no word."""
    stated = _CONDITION.search(unit.found.text)
    if stated is None or _CONDITION.search(claim.found.text) is not None:
        return False
    theirs = {t.key for t in unit.terms if stated.start() <= t.start < stated.end()}
    return bool(theirs) and theirs.isdisjoint(claim.weighty)


def _fewer(view: View, claim: Claim) -> bool:
    """Whether a claim says « moins de » things where nothing in the window says less."""
    return _FEWER.search(claim.found.text) is not None and not any(
        _LESS_SAID.search(unit.found.text) for unit in view.units
    )


def _all_for_some(view: View, claim: Claim) -> bool:
    """Whether a claim says « tous » where the window says « certains », « parfois »."""
    text = " ".join(unit.found.text for unit in view.units)
    return (
        _ALL.search(claim.found.text) is not None
        and _ALL.search(text) is None
        and _SOME.search(text) is not None
    )


def _order_swapped(view: View, claim: Claim) -> bool:
    """Whether « avant » stands before what the window says « après » of, or the reverse."""
    mine = _followed(claim.found)
    for unit in view.units:
        for order, following in _followed(unit.found):
            for own, what in mine:
                if own != order and following in synonyms(what):
                    return True
    return False


def _followed(found: TextAnalysis) -> list[tuple[str, str]]:
    """Each « avant » or « après », with the word that it bears on."""
    return [
        (term.key, following.key)
        for term, following in zip(found.terms, found.terms[1:], strict=False)
        if term.key in ("EARLIER", "LATER")
    ]


def _modality_changed(view: View, claim: Claim, closest: Unit) -> bool:
    """« vous devez » where the source only says « vous pouvez »."""
    if not _only(claim.found.terms, "OBLIGATION", "PERMISSION"):
        return False
    everywhere = [term for unit in view.units for term in unit.terms]
    return any(_only(terms, "PERMISSION", "OBLIGATION") for terms in (closest.terms, everywhere))


def _only(terms: Sequence[Term], said: str, unsaid: str) -> bool:
    keys = [term for term in terms if term.key in (said, unsaid)]
    return any(t.key == said and not t.negated for t in keys) and all(t.key == said for t in keys)


def _bound_added(view: View, claim: Claim) -> bool:
    """Whether a claim says « au moins » of a figure of which the window doesn't."""
    for fact in claim.found.facts:
        if fact.bound is None:
            continue
        words = _LEAST_SAID if fact.bound == "least" else _MOST_SAID
        same = [
            (other, _around(view, index, other))
            for index, unit in enumerate(view.units)
            for other in unit.facts
            if fact.matches(other)
        ]
        if same and not any(other.bound or words.search(text) for other, text in same):
            return True
    return False


def _around(view: View, index: int, fact: Fact) -> str:
    """The words around a figure, and the line above when it introduces it."""
    text = view.units[index].found.text
    above = view.units[index - 1].found.text if index else ""
    above = above[-_NEAR:] if above.rstrip().endswith(":") else ""
    return above + text[max(0, fact.start - _NEAR) : fact.end + _NEAR]
