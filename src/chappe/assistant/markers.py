"""Parts of a sentence of an answer: citation markers, quotations, groups and clauses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.assistant.lexicon import MODALS
from chappe.assistant.sentences import MARKER
from chappe.assistant.terms import analyse

_QUOTATION = re.compile(r"«([^»]*)»|“([^”]*)”|\"([^\"\n]*)\"")
_CLAUSE_BREAK = re.compile(
    r"\s*(?:[;,]\s+(?:et|ou|mais|puis|ainsi que|and|but)?|\s(?:et|mais|puis|and|but)\s)\s*"
)
_MAX_RANGE = 10


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open span in code points of the source's `text`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A citation marker such as [1, 2]: its numbers and its span in the answer."""

    numbers: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quotation:
    """Words between quotation marks: inner text and outer span (marks included) in the answer."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Group:
    """A stretch of a sentence and the markers that vouch for it."""

    start: int
    end: int
    markers: tuple[Marker, ...]

    def numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(n for marker in self.markers for n in marker.numbers))


def find_markers(text: str, start: int = 0, end: int | None = None) -> tuple[Marker, ...]:
    """Parse the citation markers of text[start:end]; spans are offsets in `text`."""
    stop = len(text) if end is None else end
    return tuple(
        Marker(_numbers(match.group("square") or match.group("wide")), match.start(), match.end())
        for match in MARKER.finditer(text, start, stop)
    )


def _numbers(written: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in re.split(r"[,;]", written):
        bounds = [int(bound) for bound in re.findall(r"\d+", part)]
        if len(bounds) == 2 and 0 < bounds[1] - bounds[0] < _MAX_RANGE:
            numbers.extend(range(bounds[0], bounds[1] + 1))
        else:
            numbers.extend(bounds)
    return tuple(dict.fromkeys(numbers))


def find_quotations(text: str, start: int = 0, end: int | None = None) -> tuple[Quotation, ...]:
    """Find the quotations of text[start:end]; spans are offsets in `text`."""
    stop = len(text) if end is None else end
    return tuple(
        Quotation(next(group for group in match.groups() if group is not None), *match.span())
        for match in _QUOTATION.finditer(text, start, stop)
    )


def cut_groups(claim: str, offset: int, markers: Sequence[Marker]) -> list[Group]:
    """Cut a sentence at its markers; each vouches for the stretch before it.

    A stretch without content words joins the next one, and what follows the last marker joins the
    last group.
    """
    groups: list[Group] = []
    start, pending = offset, list[Marker]()
    for position, marker in enumerate(markers):
        pending.append(marker)
        following = markers[position + 1].start if position + 1 < len(markers) else None
        if following is not None:
            between = claim[marker.end - offset : following - offset]
            stretch = claim[start - offset : marker.start - offset]
            if not _has_content(between) or not _has_content(stretch):
                continue
            groups.append(Group(start, marker.end, tuple(pending)))
            start, pending = marker.end, []
    groups.append(Group(start, offset + len(claim), tuple(pending)))
    return groups


def _has_content(text: str) -> bool:
    analysis = analyse(text, "fr")
    return bool(analysis.facts) or any(not term.light for term in analysis.terms)


def cut_clauses(
    text: str, quotations: Sequence[Quotation], *, verbless: bool
) -> list[tuple[int, int]]:
    """Cut at commas, semicolons and conjunctions, into clauses with some content.

    Each has a verb too unless `verbless`: « 2 ans de prison et 75 000 € d'amende » is one clause.
    """
    cuts = [
        match.end()
        for match in _CLAUSE_BREAK.finditer(text)
        if not any(q.start < match.end() and match.start() < q.end for q in quotations)
    ]
    clauses: list[tuple[int, int]] = []
    start = 0
    for cut in [*cuts, len(text)]:
        analysis = analyse(text[start:cut], "fr")
        weight = sum(not term.light for term in analysis.terms) + len(analysis.facts)
        if not verbless and not any(
            term.role in ("verb", "predicate") or term.key in MODALS for term in analysis.terms
        ):
            continue
        if weight >= 3 or (cut == len(text) and weight >= 2):
            clauses.append((start, cut))
            start = cut
    if start < len(text) and clauses:
        clauses[-1] = (clauses[-1][0], len(text))
    return clauses
