"""The dense half: a scan of signs over what may be seen, then int8 products of the best.

Of n unit vectors of d dimensions: ``codes`` (uint64, w x n) the signs of the first dimensions about
a ``centre`` (float32, d), one bit each, ``quantised`` (int8, n x d) and ``scales`` (float32, n): a
vector is its scale times its integers; ``residuals`` (int8, n x d) are what that leaves, 254 times
finer. Signs that differ from the query's, those of its larger
numbers counting twice, rank coarsely but at some nanoseconds a row; the integers' products of the
nearest choose, and residuals, read for the chosen ones only, decide among near copies. Where few
rows may be seen, all of them are multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index.best import ranked
from chappe.knowledge.index.lexical import Allocate, Array
from chappe.knowledge.index.rows import Mask, Rows
from chappe.knowledge.index.views import View

_CODED = 1024
_BLOCK = 16_384
_MULTIPLIED_AT_ONCE = 512
_COPIED_AT_ONCE = 16_384
# Rows whose products are computed: a share of those seen, within these bounds. Measured with the
# embedded encoder on near-copies: see docs/decisions/0014.
_SHARE = 16
_FEWEST = 16_384
# So many times the wanted number are multiplied again with their residuals.
_REFINED = 2
_FINER = 254
_MOST = 65_536
# Vectors whose mean is longer than this all point the same way: signs tell them apart about their
# mean only. Of the 200 nearest of 360,000, the first 2,000 by plain signs hold 86 % about zero and
# 69 % about the mean with the Universal Sentence Encoder (mean 0.44); with multilingual-e5-small
# (mean 0.91), 17 % and 66 % of 172,000.
_ONE_WAY = 0.6
# Codes of fewer rows than one in so many are picked out; else all are compared.
_GATHERED = 4

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]


class Vectors:
    """The vectors of n rows."""

    ARRAYS: Mapping[str, npt.DTypeLike] = {
        "codes": np.uint64,
        "quantised": np.int8,
        "residuals": np.int8,
        "scales": np.float32,
        "centre": np.float32,
    }

    def __init__(self, arrays: Mapping[str, Array], dimensions: int):
        self.arrays = dict(arrays)
        self.dimensions = dimensions
        rows = len(arrays["scales"])
        self.codes: Words = arrays["codes"].reshape(-1, rows)
        self.quantised: npt.NDArray[np.int8] = arrays["quantised"].reshape(rows, dimensions)
        self.residuals: npt.NDArray[np.int8] = arrays["residuals"].reshape(rows, dimensions)
        self.scales: Floats = arrays["scales"]
        self.centre: Floats = arrays["centre"]

    def floats(self, begin: int, end: int) -> Floats:
        """Vectors of a range of rows, as the products see them."""
        result: Floats = self.quantised[begin:end] * self.scales[begin:end, None]
        return result


def words(dimensions: int) -> int:
    """64-bit words of a vector's code."""
    return -(-min(dimensions, _CODED) // 64)


def encode(vectors: Floats) -> Words:
    """Signs of n vectors, (w, n)."""
    coded = vectors[:, :_CODED] > 0
    packed = np.packbits(coded, axis=1, bitorder="little")
    bytes_wide = 8 * words(vectors.shape[1])
    padded = np.zeros((len(vectors), bytes_wide), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return np.ascontiguousarray(padded.view("<u8").astype(np.uint64).T)


def centre_of(mean: Floats) -> Floats:
    """About what the signs of vectors with this mean are taken."""
    return mean if np.linalg.norm(mean) > _ONE_WAY else np.zeros_like(mean)


def build(vectors: Floats) -> Vectors:
    """The vectors of some thousands of rows, from (n, d) float32."""
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    scales = np.where(largest > 0, largest, 1.0).astype(np.float32) / np.float32(127)
    exact = vectors / scales[:, None]
    quantised = np.rint(exact).astype(np.int8)
    residuals = np.rint((exact - quantised) * _FINER).astype(np.int8)
    centre = centre_of(vectors.mean(axis=0))
    return Vectors(
        {
            "codes": encode(vectors - centre).reshape(-1),
            "quantised": quantised.reshape(-1),
            "residuals": residuals.reshape(-1),
            "scales": scales,
            "centre": centre,
        },
        vectors.shape[1],
    )


def merge(parts: Sequence[tuple[Vectors, Mask]], allocate: Allocate) -> Vectors:
    """The vectors of the rows that each mask keeps, one part after the other."""
    dimensions = parts[0][0].dimensions
    total = sum(int(kept.sum()) for _, kept in parts)
    arrays = {
        "codes": allocate("codes", total * words(dimensions), np.uint64),
        "quantised": allocate("quantised", total * dimensions, np.int8),
        "residuals": allocate("residuals", total * dimensions, np.int8),
        "scales": allocate("scales", total, np.float32),
        "centre": allocate("centre", dimensions, np.float32),
    }
    merged = Vectors(arrays, dimensions)
    at, summed = 0, np.zeros(dimensions, np.float64)
    for vectors, kept in parts:
        for begin in range(0, len(kept), _COPIED_AT_ONCE):
            some = np.flatnonzero(kept[begin : begin + _COPIED_AT_ONCE]) + begin
            end = at + len(some)
            merged.quantised[at:end] = vectors.quantised[some]
            merged.residuals[at:end] = vectors.residuals[some]
            merged.scales[at:end] = vectors.scales[some]
            summed += merged.floats(at, end).sum(axis=0, dtype=np.float64)
            at = end
    merged.centre[:] = centre_of((summed / max(total, 1)).astype(np.float32))
    for begin in range(0, total, _COPIED_AT_ONCE):
        end = min(begin + _COPIED_AT_ONCE, total)
        merged.codes[:, begin:end] = encode(merged.floats(begin, end) - merged.centre)
    return merged


@dataclass(frozen=True, slots=True)
class Code:
    """The signs of a query, (w,), and which of them count twice."""

    signs: Words
    heavy: Words

    @classmethod
    def of(cls, query: Floats, centre: Floats) -> Code:
        """The code of a query for vectors about this centre.

        What all vectors have in common doesn't tell them apart: it is taken out of the query.
        """
        length = float(np.linalg.norm(centre))
        if length:
            query = query - (query @ centre) / length**2 * centre
        sizes = np.abs(query[:_CODED])
        heavy = np.where(sizes > np.median(sizes), 1.0, -1.0).astype(np.float32)
        return cls(encode(query[None, :])[:, 0], encode(heavy[None, :])[:, 0])


def distances(codes: Words, query: Code) -> npt.NDArray[np.uint16]:
    """Weighted number of signs of each row that differ from the query's: (w, n) gives (n,)."""
    rows = codes.shape[1]
    result = np.zeros(rows, np.uint16)
    # In blocks that stay in the processor's cache.
    mixed, counted = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8)
    for begin in range(0, rows, _BLOCK):
        end = min(begin + _BLOCK, rows)
        differ, count, total = mixed[: end - begin], counted[: end - begin], result[begin:end]
        for word, signs, heavy in zip(codes, query.signs, query.heavy, strict=True):
            np.bitwise_xor(word[begin:end], signs, out=differ)
            np.bitwise_count(differ, out=count)
            total += count
            np.bitwise_and(differ, heavy, out=differ)
            np.bitwise_count(differ, out=count)
            total += count
    return result


def nearest(distances: npt.NDArray[np.uint16], count: int) -> npt.NDArray[np.intp]:
    """Positions of the `count` smallest distances, and all that are as small as the last."""
    if count >= len(distances):
        return np.arange(len(distances))
    histogram = np.bincount(distances)
    least = int(np.searchsorted(np.cumsum(histogram), count))
    return np.flatnonzero(distances <= least)


def products(vectors: Vectors, rows: npt.NDArray[np.intp], query: Floats) -> Floats:
    """Inner products of some rows with the query, (len(rows),)."""
    result = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), _MULTIPLIED_AT_ONCE):
        some = rows[begin : begin + _MULTIPLIED_AT_ONCE]
        result[begin : begin + len(some)] = vectors.quantised.take(some, axis=0) @ query
    return result * vectors.scales.take(rows)


def refined(vectors: Vectors, rows: npt.NDArray[np.intp], query: Floats) -> Floats:
    """Inner products of a few rows with the query, as precise as what the database holds."""
    finer = vectors.residuals.take(rows, axis=0).astype(np.float32) @ query
    coarse = vectors.quantised.take(rows, axis=0).astype(np.float32) @ query
    result: Floats = (coarse + finer / np.float32(_FINER)) * vectors.scales.take(rows)
    return result


def search(
    segments: Sequence[tuple[Rows, Vectors, View]], query: Floats, limit: int
) -> list[tuple[int, float]]:
    """The nearest passages: (passage, inner product), nearest first."""
    total = sum(view.visible for _, _, view in segments)
    wanted = min(max(total // _SHARE, _FEWEST), _MOST)
    passages, scores = [], []
    for rows, vectors, view in segments:
        if not view.visible:
            continue
        code = Code.of(query, vectors.centre)
        share = -(-wanted * view.visible // total)
        if view.visible <= max(share, _FEWEST // 16):
            some = view.positions
        elif view.mask is None:
            some = nearest(distances(vectors.codes, code), share)
        elif view.visible * _GATHERED < len(rows):
            codes = vectors.codes.take(view.positions, axis=1)
            some = view.positions[nearest(distances(codes, code), share)]
        else:
            far = distances(vectors.codes, code)
            far[~view.mask] = np.iinfo(far.dtype).max
            some = nearest(far, share)
        coarse = products(vectors, some, query)
        if len(some) > _REFINED * limit:
            some = some[np.argpartition(-coarse, _REFINED * limit)[: _REFINED * limit]]
        passages.append(rows.passage.take(some))
        scores.append(refined(vectors, some, query))
    if not passages:
        return []
    return ranked(np.concatenate(passages), np.concatenate(scores), limit)
