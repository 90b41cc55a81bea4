"""How likely a window of a passage is to carry a claim that nothing in it contradicts."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

from chappe.assistant.contradictions import Claim, View, condition_dropped
from chappe.assistant.terms import Term, TextAnalysis
from chappe.assistant.units import Unit

_CLAUSE_BREAK = re.compile(r"[,;:()]|\s(?:et|ou|mais|puis|ainsi que|sauf|and|or|but)\s")
_FIGURE_WEIGHT = 0.8


@dataclass(frozen=True, slots=True)
class Features:
    """What a claim and a window share, and what the claim adds.

    Weights are those of `TermRarity`. coverage, in_text: shares of the claim's weight that the
    window carries with and without the headings. nouns, verbs, predicates, others: weight of the
    words that the claim adds. clause: the greatest share of added words in a clause. substituted:
    1 when one stands where the window has another noun. facts: figures shared (three at most).
    sentences: sentences of the window after the first. exact: share of the words found that are so
    without synonym. elsewhere: weight of the words added that the passage has outside the window:
    parts of two sentences may have been put together. unit: share of the claim's weight in the
    window's best sentence or line, with the headings. units: log of their number. condition: 1 when
    the sentence that holds most of the claim has a condition of which the claim says nothing.
    """

    coverage: float
    in_text: float
    nouns: float
    verbs: float
    predicates: float
    others: float
    clause: float
    substituted: float
    facts: float
    sentences: float
    exact: float
    elsewhere: float
    unit: float
    units: float
    condition: float


_INTERCEPT = -5.377
_COEFFICIENTS = (
    4.299,  # coverage
    1.461,  # in_text
    -0.826,  # nouns
    0.000,  # verbs
    -0.948,  # predicates
    -0.026,  # others
    0.000,  # clause
    -1.852,  # substituted
    0.000,  # facts
    -0.188,  # sentences
    0.864,  # exact
    0.000,  # elsewhere
    1.217,  # unit
    -0.641,  # units
    -0.156,  # condition
)


def probability(traits: Features) -> float:
    """Probability that the window carries the claim (logistic regression)."""
    score = _INTERCEPT + sum(
        weight * value for weight, value in zip(_COEFFICIENTS, astuple(traits), strict=True)
    )
    return 1 / (1 + math.exp(-score))


def features(
    view: View,
    claim: Claim,
    weigh: Callable[[Term], float],
    lacking: Sequence[Term],
    sentences: int,
) -> Features:
    """Compare a claim with a window that holds its figures; `lacking`: the words it adds."""
    own = frozenset(term.key for unit in view.units for term in unit.terms)
    weights = {term.key: weigh(term) for term in claim.terms}
    figures = _FIGURE_WEIGHT * len(claim.found.facts)
    total = sum(weights.values()) + figures or 1.0
    absent = {term.key for term in lacking}
    in_text = figures + sum(
        weights[term.key]
        for term, options in zip(claim.terms, claim.keys, strict=True)
        if not options.isdisjoint(own)
    )
    found = [term for term in claim.terms if term.key not in absent and not term.light]

    def carried(unit: Unit) -> float:
        keys = view.context.union(term.key for term in unit.terms)
        words = sum(
            weights[term.key]
            for term, options in zip(claim.terms, claim.keys, strict=True)
            if not options.isdisjoint(keys)
        )
        return words + _FIGURE_WEIGHT * sum(f.is_in(unit.facts) for f in claim.found.facts)

    def added(role: str) -> float:
        return sum(weights[t.key] for t in lacking if t.role == role and not t.light)

    return Features(
        coverage=1 - sum(weights[key] for key in absent) / total,
        in_text=in_text / total,
        nouns=added("noun"),
        verbs=added("verb"),
        predicates=added("predicate"),
        others=added("other"),
        clause=_worst_clause(claim.found, absent),
        substituted=float(_substituted(claim, view)),
        facts=min(len(claim.found.facts), 3),
        sentences=max(0, sentences - 1),
        exact=sum(t.key in own or t.key in view.context for t in found) / max(len(found), 1),
        elsewhere=sum(
            weights[t.key]
            for t, options in zip(claim.terms, claim.keys, strict=True)
            if t.key in absent and not t.light and any(key in view.passage for key in options)
        ),
        unit=max(map(carried, view.units)) / total,
        units=math.log(len(view.units)),
        condition=float(condition_dropped(claim, max(view.units, key=carried))),
    )


def _worst_clause(found: TextAnalysis, absent: set[str]) -> float:
    cuts = [match.end() for match in _CLAUSE_BREAK.finditer(found.text)]
    worst, start = 0.0, 0
    for cut in [*cuts, len(found.text)]:
        inside = [t for t in found.terms if start <= t.start < cut and not t.light]
        figures = sum(start <= fact.start < cut for fact in found.facts)
        if inside:
            share = sum(t.key in absent for t in inside) / (len(inside) + figures)
            worst = max(worst, share)
        start = cut
    return worst


def _substituted(claim: Claim, view: View) -> bool:
    """Whether a missing word stands where the source has another.

    « tribunal judiciaire » for « tribunal administratif », « pour les motos » for « pour les
    voitures ». Verbs are let through: paraphrase changes them most.
    """
    found = claim.found
    options = {term.key: alike for term, alike in zip(claim.terms, claim.keys, strict=True)}
    claimed = frozenset(key for alike in claim.keys for key in alike)
    present = view.context.union(term.key for unit in view.units for term in unit.terms)
    closest = view.ranked(claim)[0]
    followers: dict[str, set[str]] = {}
    for unit in view.units:
        for left, right in _adjacent(unit.found):
            followers.setdefault(left.key, set()).add(right.key)
    for left, right in zip(found.terms, found.terms[1:], strict=False):
        if right.light or not options[right.key].isdisjoint(present):
            continue
        if not found.text[left.end : right.start].strip():
            if right.role != "verb" and any(
                followers.get(key, set()) - claimed for key in options[left.key]
            ):
                return True
        elif right.role == "noun" and _other_noun_after(options[left.key], closest, claimed):
            return True
    return False


def _other_noun_after(left: frozenset[str], unit: Unit, claimed: frozenset[str]) -> bool:
    return any(
        term.key in left
        and not following.light
        and following.key not in claimed
        and following.role == "noun"
        for term, following in zip(unit.terms, unit.terms[1:], strict=False)
    )


def _adjacent(analysis: TextAnalysis) -> Iterable[tuple[Term, Term]]:
    for left, right in zip(analysis.terms, analysis.terms[1:], strict=False):
        if not analysis.text[left.end : right.start].strip():
            yield left, right
