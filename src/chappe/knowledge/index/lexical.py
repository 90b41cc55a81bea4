"""The lexical half: postings in arrays, and BM25F over what a search may see.

Postings of a segment are sorted by term. ``terms`` (uint64, t) holds the digests, ``starts``
(int64, t + 1) where each term's postings begin, ``rows`` (uint32, p) and ``frequencies``
(uint16, p: 256 · body + context) the postings. ``body`` and ``context`` (uint16, n) are the
fields' lengths in terms, up to 65,535.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index.best import candidates, ranked
from chappe.knowledge.index.bm25 import Field, Parameters, idf
from chappe.knowledge.index.rows import Mask, RowKey, Rows
from chappe.knowledge.index.terms import digest, unpack
from chappe.knowledge.index.views import View

_LONGEST = 65_535
_MERGED_AT_ONCE = 2_000_000
_PICKED = 8

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PassageTerms:
    """A passage to index: its packed terms, and the length of each field, in terms."""

    key: RowKey
    terms: bytes
    body: int
    context: int


class Postings:
    """The postings of n rows."""

    ARRAYS: Mapping[str, npt.DTypeLike] = {
        "terms": np.uint64,
        "starts": np.int64,
        "rows": np.uint32,
        "frequencies": np.uint16,
        "body": np.uint16,
        "context": np.uint16,
    }

    def __init__(self, arrays: Mapping[str, Array]):
        self.arrays = dict(arrays)
        self.terms: npt.NDArray[np.uint64] = arrays["terms"]
        self.starts: npt.NDArray[np.int64] = arrays["starts"]
        self.rows: npt.NDArray[np.uint32] = arrays["rows"]
        self.frequencies: npt.NDArray[np.uint16] = arrays["frequencies"]
        self.body: npt.NDArray[np.uint16] = arrays["body"]
        self.context: npt.NDArray[np.uint16] = arrays["context"]
        self.longest_body = int(self.body.max(initial=0))
        self.longest_context = int(self.context.max(initial=0))

    def of(self, term: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
        """Rows and frequencies of a term's postings."""
        at = int(np.searchsorted(self.terms, np.uint64(term)))
        if at == len(self.terms) or int(self.terms[at]) != term:
            return self.rows[:0], self.frequencies[:0]
        begin, end = int(self.starts[at]), int(self.starts[at + 1])
        return self.rows[begin:end], self.frequencies[begin:end]


def build(passages: Sequence[PassageTerms]) -> Postings:
    """Postings of some thousands of passages; row i is the i-th one.

    Raises:
        ValueError: packed terms that aren't.
    """
    unpacked = [unpack(passage.terms) for passage in passages]
    sizes = np.array([len(digests) for digests, _, _ in unpacked], np.int64)
    rows = np.repeat(np.arange(len(passages), dtype=np.uint32), sizes)
    digests = np.concatenate([part[0] for part in unpacked] or [np.empty(0, np.uint64)])
    body = np.concatenate([part[1] for part in unpacked] or [np.empty(0, np.uint8)])
    context = np.concatenate([part[2] for part in unpacked] or [np.empty(0, np.uint8)])
    order = np.argsort(digests, kind="stable")
    terms, counts = np.unique(digests, return_counts=True)
    return Postings(
        {
            "terms": terms.astype(np.uint64),
            "starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            "rows": rows[order],
            "frequencies": (body.astype(np.uint16) << 8 | context)[order],
            "body": np.array([min(p.body, _LONGEST) for p in passages], np.uint16),
            "context": np.array([min(p.context, _LONGEST) for p in passages], np.uint16),
        }
    )


Allocate = Callable[[str, int, npt.DTypeLike], Array]
"""Makes the array of that name, with so many elements: in memory, or mapped from a file."""


def merge(
    parts: Sequence[tuple[Postings, Mask]], allocate: Allocate, most: int = _MERGED_AT_ONCE
) -> Postings:
    """The postings of the rows that each mask keeps, renumbered one part after the other.

    Works on about `most` postings at once, whatever the size of the parts.
    """
    renumbered, kept_before = [], 0
    for _, kept in parts:
        positions = np.cumsum(kept, dtype=np.int64) - 1 + kept_before
        renumbered.append(np.where(kept, positions, -1))
        kept_before += int(kept.sum())
    union = np.unique(np.concatenate([p.terms for p, _ in parts]))
    counts = np.zeros(len(union), np.int64)
    total = 0
    for term_of, rows, _ in _slices(parts, renumbered, union, most):
        counts += np.bincount(term_of, minlength=len(union))
        total += len(rows)
    rows_out = allocate("rows", total, np.uint32)
    frequencies_out = allocate("frequencies", total, np.uint16)
    at = 0
    for term_of, rows, frequencies in _slices(parts, renumbered, union, most):
        order = np.argsort(term_of, kind="stable")
        rows_out[at : at + len(rows)] = rows[order]
        frequencies_out[at : at + len(rows)] = frequencies[order]
        at += len(rows)
    used = counts > 0
    arrays: dict[str, Array] = {"rows": rows_out, "frequencies": frequencies_out}
    small: dict[str, Array] = {
        "terms": union[used],
        "starts": np.concatenate([[0], np.cumsum(counts[used])]),
        "body": np.concatenate([part.body[kept] for part, kept in parts]),
        "context": np.concatenate([part.context[kept] for part, kept in parts]),
    }
    for name, values in small.items():
        arrays[name] = allocate(name, len(values), Postings.ARRAYS[name])
        arrays[name][:] = values
    return Postings(arrays)


def _slices(
    parts: Sequence[tuple[Postings, Mask]],
    renumbered: Sequence[npt.NDArray[np.int64]],
    union: npt.NDArray[np.uint64],
    most: int,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.uint16]]]:
    """Kept postings by ranges of terms: position of the term in `union`, row, frequencies."""
    places = [np.searchsorted(union, part.terms) for part, _ in parts]
    sizes = np.zeros(len(union), np.int64)
    for (part, _), place in zip(parts, places, strict=True):
        sizes[place] += np.diff(part.starts)
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(union):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        terms, rows, frequencies = [], [], []
        for (part, _), place, new in zip(parts, places, renumbered, strict=True):
            low, high = np.searchsorted(place, [begin, end])
            first, last = int(part.starts[low]), int(part.starts[high])
            numbered = new[part.rows[first:last]]
            kept = numbered >= 0
            repeats = np.diff(part.starts[low : high + 1])
            terms.append(np.repeat(place[low:high], repeats)[kept])
            rows.append(numbered[kept].astype(np.uint32))
            frequencies.append(part.frequencies[first:last][kept])
        yield np.concatenate(terms), np.concatenate(rows), np.concatenate(frequencies)
        begin = end


@dataclass(frozen=True, slots=True)
class _Seen:
    """One segment as a search sees it.

    ``found``: the postings of each term of the query, others than the visible ones among them;
    ``containing``: how many are visible.
    """

    rows: Rows
    postings: Postings
    view: View
    found: tuple[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]], ...]
    containing: tuple[int, ...]


def _see(rows: Rows, postings: Postings, view: View, query: Sequence[int]) -> _Seen:
    found, containing = [], []
    for term in query:
        places, frequencies = postings.of(term)
        count = len(places)
        if view.mask is not None:
            kept = view.mask.take(places)
            count = int(np.count_nonzero(kept))
            # Picking few is cheaper than scoring all; scoring all, than picking many.
            if count < len(places) // _PICKED:
                some = np.flatnonzero(kept)
                places, frequencies = places.take(some), frequencies.take(some)
        found.append((places, frequencies))
        containing.append(count)
    return _Seen(rows, postings, view, tuple(found), tuple(containing))


def _divisors(field: Field, longest: int, average: float) -> Floats:
    """What frequencies are divided by, for each length up to the longest."""
    lengths = np.arange(longest + 1, dtype=np.float64)
    relative = lengths / average if average else np.ones_like(lengths)
    return (1 - field.b + field.b * relative).astype(np.float32)


def search(
    segments: Sequence[tuple[Rows, Postings, View]],
    query: Mapping[str, float],
    limit: int,
    parameters: Parameters,
) -> list[tuple[int, float]]:
    """The best passages: (passage, BM25F), best first; of equals, the smaller passage first.

    Counts and averages are those of what the views let see.
    """
    terms = [digest(term) for term in query]
    seen = [_see(*segment, terms) for segment in segments if segment[2].visible]
    if not seen:
        return []
    passages = sum(part.view.visible for part in seen)
    body = sum(part.view.sum("body", part.postings.body) for part in seen)
    context = sum(part.view.sum("context", part.postings.context) for part in seen)
    gains = []
    for place, weight in enumerate(query.values()):
        containing = sum(part.containing[place] for part in seen)
        gains.append(weight * idf(passages, containing) * (parameters.k1 + 1))
    everywhere: list[npt.NDArray[np.int64]] = []
    scores: list[Floats] = []
    for part in seen:
        by_row = _accumulate(part, gains, parameters, body / passages, context / passages)
        best = candidates(by_row, limit)
        everywhere.append(part.rows.passage[best])
        scores.append(by_row[best])
    return ranked(np.concatenate(everywhere), np.concatenate(scores), limit)


def holding(segments: Sequence[tuple[Rows, Postings, View]], term: str) -> list[int]:
    """Visible passages that hold a term, in increasing order."""
    found: list[int] = []
    for rows, postings, view in segments:
        places, _ = postings.of(digest(term))
        if view.mask is not None:
            places = places[view.mask.take(places)]
        found += rows.passage.take(places).tolist()
    return sorted(found)


def _accumulate(
    part: _Seen,
    gains: Sequence[float],
    parameters: Parameters,
    average_body: float,
    average_context: float,
) -> Floats:
    scores = np.zeros(len(part.rows), np.float32)
    postings = part.postings
    body = _divisors(parameters.body, postings.longest_body, average_body)
    context = _divisors(parameters.context, postings.longest_context, average_context)
    for (rows, frequencies), gain in zip(part.found, gains, strict=True):
        if not len(rows):
            continue
        tf = (frequencies >> 8).astype(np.float32)
        tf *= parameters.body.weight
        tf /= body.take(postings.body.take(rows))
        about = (frequencies & 255).astype(np.float32)
        about *= parameters.context.weight
        about /= context.take(postings.context.take(rows))
        tf += about
        # gain · tf / (k1 + tf)
        np.divide(tf, tf + np.float32(parameters.k1), out=tf)
        tf *= np.float32(gain)
        np.add.at(scores, rows, tf)
    if part.view.mask is not None:
        scores *= part.view.mask
    return scores
