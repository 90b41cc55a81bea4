"""Segments, as Lucene has them: never changed once made, few of each size, merged as they come.

A segment holds rows and what is searched of them (postings, or one generation's vectors). A row
that went away is struck out in ``alive``; a merge leaves it behind. Nothing is changed in place:
a search goes on with the segments that it began with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index import dense, lexical
from chappe.knowledge.index.dense import Vectors
from chappe.knowledge.index.lexical import Allocate, PassageTerms, Postings
from chappe.knowledge.index.rows import Ids, Mask, RowKey, Rows, Scope
from chappe.knowledge.index.views import View, Views

FAN_OUT = 4
"""So many segments of about one size are merged into one of the next size."""

P = TypeVar("P", Postings, Vectors)


@dataclass(frozen=True, slots=True, eq=False)
class Segment(Generic[P]):
    """Rows and their payload. ``folder``: where it lies on disk, None when it doesn't."""

    rows: Rows
    payload: P
    alive: Mask | None = None
    folder: str | None = None
    size: int = field(init=False)
    """Rows that aren't struck out."""
    _views: Views = field(init=False, default_factory=Views)

    def __post_init__(self) -> None:
        size = len(self.rows) if self.alive is None else int(np.count_nonzero(self.alive))
        object.__setattr__(self, "size", size)

    @property
    def kept(self) -> Mask:
        """Which rows aren't struck out."""
        return np.ones(len(self.rows), np.bool_) if self.alive is None else self.alive

    def seen(self, scope: Scope) -> tuple[Rows, P, View]:
        """The segment as a search with this scope sees it."""
        return self.rows, self.payload, self._views.get(self.rows, self.alive, scope)

    def without(self, passages: Ids) -> Segment[P]:
        """The segment with these passages struck out; itself when it has none of them."""
        struck = self.rows.find(passages)
        if self.alive is not None:
            struck = struck[self.alive[struck]]
        if not len(struck):
            return self
        alive = self.kept.copy()
        alive[struck] = False
        return replace(self, alive=alive)


def lexical_segment(passages: Sequence[PassageTerms]) -> Segment[Postings]:
    """A segment of a few thousand passages at most."""
    return Segment(Rows.of([item.key for item in passages]), lexical.build(passages))


def dense_segment(keys: Sequence[RowKey], vectors: npt.NDArray[np.float32]) -> Segment[Vectors]:
    """A segment of a few thousand vectors at most, (n, d)."""
    return Segment(Rows.of(keys), dense.build(vectors))


def without(segments: tuple[Segment[P], ...], passages: Ids) -> tuple[Segment[P], ...]:
    """The segments with these passages struck out; empty ones go."""
    struck = (segment.without(passages) for segment in segments)
    return tuple(segment for segment in struck if segment.size)


def _tier(size: int) -> int:
    tier = 0
    while size >= FAN_OUT:
        size //= FAN_OUT
        tier += 1
    return tier


def to_merge(segments: Sequence[Segment[P]]) -> list[Segment[P]]:
    """Which segments should become one: of the smallest size that has too many; none: [].

    One that is mostly struck out is written anew.
    """
    tiers: dict[int, list[Segment[P]]] = {}
    for segment in segments:
        tiers.setdefault(_tier(segment.size), []).append(segment)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= FAN_OUT:
            return [item for below in sorted(tiers) if below <= tier for item in tiers[below]]
    for segment in segments:
        if segment.size * 2 < len(segment.rows):
            return [segment]
    return []


def merged(segments: Sequence[Segment[P]], allocate: Allocate, folder: str | None) -> Segment[P]:
    """One segment of what isn't struck out in several."""
    rows = Rows.joined([(segment.rows, segment.kept) for segment in segments])
    columns = {}
    for name, values in rows.columns.items():
        columns[name] = allocate(name, len(values), values.dtype)
        columns[name][:] = values
    postings = [(s.payload, s.kept) for s in segments if isinstance(s.payload, Postings)]
    vectors = [(s.payload, s.kept) for s in segments if isinstance(s.payload, Vectors)]
    payload = lexical.merge(postings, allocate) if postings else dense.merge(vectors, allocate)
    return Segment(Rows(columns, rows.names), payload, None, folder)  # type: ignore[arg-type]


def replaced(
    segments: tuple[Segment[P], ...], sources: Sequence[Segment[P]], result: Segment[P]
) -> tuple[Segment[P], ...]:
    """`result` instead of the segments that it was merged from, in their place.

    What was struck out of them while they were being merged is struck out of it too.
    """
    by_rows = {id(source.rows): source for source in sources}
    gone: list[Ids] = []
    remaining: list[Segment[P]] = []
    seen = set()
    for segment in segments:
        source = by_rows.get(id(segment.rows))
        if source is None:
            remaining.append(segment)
            continue
        seen.add(id(segment.rows))
        if segment.alive is not source.alive:
            gone.append(segment.rows.passage[source.kept & ~segment.kept])
    # A source that is no longer there was struck out whole.
    gone += [s.rows.passage[s.kept] for s in sources if id(s.rows) not in seen]
    if gone:
        result = result.without(np.concatenate(gone))
    return (*remaining, *((result,) if result.size else ()))
