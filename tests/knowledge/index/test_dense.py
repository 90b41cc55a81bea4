"""The dense half: exact where little may be seen, close to it where much may be."""

import datetime as dt

import numpy as np
import pytest

from chappe.knowledge.index import dense, segments
from chappe.knowledge.index.changes import halves, to_halves
from chappe.knowledge.index.dense import Vectors
from chappe.knowledge.index.rows import RowKey, Scope
from chappe.knowledge.index.segments import Segment

TODAY = dt.date(2026, 11, 24)


def in_memory(name: str, length: int, dtype: object) -> np.ndarray:
    return np.empty(length, dtype)  # type: ignore[call-overload]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made(count: int, dimensions: int, *, one_way: bool = False) -> np.ndarray:
    """Clustered unit vectors; `one_way`: most of each is common to all, as with some encoders."""
    draw = np.random.default_rng(count + dimensions)
    centres = draw.standard_normal((60, dimensions))
    vectors = centres[draw.integers(60, size=count)] + draw.standard_normal((count, dimensions))
    if one_way:
        vectors += 3 * draw.standard_normal(dimensions)
    return unit(vectors)


def segment(vectors: np.ndarray, first: int = 1) -> Segment[Vectors]:
    keys = [RowKey(first + n, 1, n % 10, "fiche", "") for n in range(len(vectors))]
    return segments.dense_segment(keys, vectors)


def answer(
    items: list[Segment[Vectors]], query: np.ndarray, scope: Scope, limit: int
) -> list[tuple[int, float]]:
    return dense.search([item.seen(scope) for item in items], query, limit)


ALL = Scope(frozenset(range(10)), TODAY)


@pytest.mark.parametrize("dimensions", [256, 384, 1000, 4096])
def test_products_are_those_of_the_vectors(dimensions: int) -> None:
    vectors = made(300, dimensions)
    ranking = answer([segment(vectors)], vectors[7], ALL, 300)
    assert ranking[0] == (8, pytest.approx(1.0, abs=0.0002))
    exact = vectors @ vectors[7]
    for passage, score in ranking:
        assert score == pytest.approx(float(exact[passage - 1]), abs=0.0002)
    assert len(ranking) == 300


@pytest.mark.parametrize("one_way", [False, True])
@pytest.mark.parametrize("collections", [{3}, set(range(10))])
def test_little_is_lost_at_any_selectivity(one_way: bool, collections: set[int]) -> None:
    vectors = made(60_000, 128, one_way=one_way)
    item = segment(vectors)
    scope = Scope(frozenset(collections), TODAY)
    seen = np.flatnonzero(np.isin(np.arange(60_000) % 10, list(collections)))
    kept = []
    for query in vectors[:20] + 0.3 * made(20, 128):
        exact = seen[np.argsort(-(vectors[seen] @ query))[:50]] + 1
        found = {passage for passage, _ in answer([item], query, scope, 50)}
        kept.append(len(found & set(exact.tolist())) / 50)
    assert np.mean(kept) > 0.95


def test_merged_segments_answer_as_one_made_at_once() -> None:
    vectors = made(9_000, 64, one_way=True)
    parts = [segment(vectors[:4_000]), segment(vectors[4_000:], 4_001)]
    struck = np.arange(1, 9_001, 7)
    left = segments.without(tuple(parts), struck)
    merged = segments.merged(left, in_memory, None)
    rows = merged.rows.passage
    assert set(rows.tolist()) == set(range(1, 9_001)) - set(struck.tolist())
    anew = dense.build(vectors[rows - 1])
    assert np.array_equal(merged.payload.quantised, anew.quantised)
    # Centres are of the vectors as they are kept, to a hundredth.
    assert np.allclose(merged.payload.centre, anew.centre, atol=0.01)
    query = vectors[5]
    assert answer([merged], query, ALL, 30) == answer(list(left), query, ALL, 30)


def test_halves_as_pgvector_sends_them() -> None:
    vector = np.array([0.5, -0.25, 0.125], "<f4")
    assert halves(to_halves(vector.tobytes())).tolist() == vector.tolist()
