"""The lexical half is the formula, whatever may be seen and however segments were made."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chappe.knowledge.index import bm25, lexical, segments
from chappe.knowledge.index.bm25 import Text
from chappe.knowledge.index.lexical import Postings
from chappe.knowledge.index.rows import RowKey, Scope
from chappe.knowledge.index.segments import Segment
from chappe.knowledge.index.terms import pack, unpack
from index_worlds import TODAY, parameters, passages, queries, scopes, to_index, visible, weighted

World = dict[int, tuple[RowKey, Text]]


def in_memory(name: str, length: int, dtype: object) -> np.ndarray:
    return np.empty(length, dtype)  # type: ignore[call-overload]


def numbered(found: list[tuple[RowKey, Text]]) -> World:
    return {n: (replace(key, passage=n), text) for n, (key, text) in enumerate(found, 1)}


def expected(
    world: World, query: list[str], scope: Scope, constants: bm25.Parameters
) -> dict[int, float]:
    seen = {n: text for n, (key, text) in world.items() if visible(key, scope)}
    return bm25.scores(weighted(query), seen, constants)


def answer(
    items: tuple[Segment[Postings], ...],
    query: list[str],
    scope: Scope,
    constants: bm25.Parameters,
    limit: int = 1000,
) -> list[tuple[int, float]]:
    seen = [segment.seen(scope) for segment in items]
    return lexical.search(seen, weighted(query), limit, constants)


@settings(max_examples=80, deadline=None)
@given(st.lists(passages, max_size=30), queries, scopes, parameters, st.integers(1, 30))
def test_same_as_the_formula_under_any_mask(
    found: list[tuple[RowKey, Text]],
    query: list[str],
    scope: Scope,
    constants: bm25.Parameters,
    cut: int,
) -> None:
    world = numbered(found)
    rows = [to_index(key, text) for key, text in world.values()]
    items = tuple(segments.lexical_segment(part) for part in (rows[:cut], rows[cut:]) if part)
    ranking = answer(items, query, scope, constants)
    assert dict(ranking) == pytest.approx(expected(world, query, scope, constants), rel=1e-5)
    assert ranking == sorted(ranking, key=lambda item: (-item[1], item[0]))
    # The best few are the best few of all.
    assert answer(items, query, scope, constants, 5) == ranking[:5]


def test_the_best_of_many() -> None:
    draw = np.random.default_rng(5)
    rows = [
        to_index(
            RowKey(n, n, n % 7, "fiche", ""),
            Text([f"w{draw.integers(40)}" for _ in range(draw.integers(1, 30))]),
        )
        for n in range(1, 20_001)
    ]
    items = (segments.lexical_segment(rows),)
    for collections in (frozenset({3}), frozenset(range(7))):
        scope = Scope(collections, TODAY)
        everything = answer(items, ["w1", "w2", "w3"], scope, bm25.DEFAULT, 20_000)
        assert answer(items, ["w1", "w2", "w3"], scope, bm25.DEFAULT, 200) == everything[:200]


class Following(RuleBasedStateMachine):
    """Segments that are added to, struck out of and merged answer as ones made at once."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World = {}
        self.items: tuple[Segment[Postings], ...] = ()
        self.next = 1

    @rule(found=st.lists(passages, min_size=1, max_size=5))
    def add(self, found: list[tuple[RowKey, Text]]) -> None:
        rows = []
        for key, text in found:
            self.world[self.next] = (replace(key, passage=self.next), text)
            rows.append(to_index(*self.world[self.next]))
            self.next += 1
        self.items = (*self.items, segments.lexical_segment(rows))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.integers(1, self.next), max_size=6))
        self.world = {n: item for n, item in self.world.items() if n not in gone}
        self.items = segments.without(self.items, np.array(sorted(gone), np.int64))

    @rule(data=st.data(), collection=st.integers(1, 3))
    def move(self, data: st.DataObject, collection: int) -> None:
        """A passage that changes is struck out and added again, under its number."""
        if not self.world:
            return
        number = data.draw(st.sampled_from(sorted(self.world)))
        key, text = self.world[number]
        self.world[number] = (replace(key, collection=collection), text)
        left = segments.without(self.items, np.array([number], np.int64))
        self.items = (*left, segments.lexical_segment([to_index(*self.world[number])]))

    @rule()
    def merge(self) -> None:
        if sources := segments.to_merge(self.items):
            merged = segments.merged(sources, in_memory, None)
            self.items = segments.replaced(self.items, sources, merged)

    @rule(data=st.data())
    def merge_while_removing(self, data: st.DataObject) -> None:
        if sources := segments.to_merge(self.items):
            merged = segments.merged(sources, in_memory, None)
            self.remove(data)
            self.items = segments.replaced(self.items, sources, merged)

    @invariant()
    def answers_as_if_made_anew(self) -> None:
        scope = Scope(frozenset({1, 2}), TODAY)
        for query in (["w1"], ["w2", "w3", "w3"]):
            assert dict(answer(self.items, query, scope, bm25.DEFAULT)) == pytest.approx(
                expected(self.world, query, scope, bm25.DEFAULT), rel=1e-5
            )
        assert sum(segment.size for segment in self.items) == len(self.world)


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_merge_in_small_steps_is_the_same() -> None:
    rows = [
        to_index(RowKey(n, 1, 1, "fiche", ""), Text([f"w{n % 5}", "w1"], [f"w{n % 3}"]))
        for n in range(1, 60)
    ]
    parts = [lexical.build(rows[:20]), lexical.build(rows[20:])]
    kept = [np.arange(20) % 3 > 0, np.arange(39) % 4 > 0]
    whole = lexical.merge(list(zip(parts, kept, strict=True)), in_memory)
    small = lexical.merge(list(zip(parts, kept, strict=True)), in_memory, most=3)
    for name in Postings.ARRAYS:
        assert np.array_equal(whole.arrays[name], small.arrays[name]), name


def test_what_one_may_not_read_does_not_weigh() -> None:
    open_ones = [
        to_index(RowKey(n, n, 1, "fiche", ""), Text(["carte", f"w{n}"])) for n in range(1, 4)
    ]
    secret = [to_index(RowKey(n, n, 2, "fiche", ""), Text(["carte"] * 9)) for n in range(100, 160)]
    scope = Scope(frozenset({1}), TODAY)
    alone = answer((segments.lexical_segment(open_ones),), ["carte"], scope, bm25.DEFAULT)
    beside = answer((segments.lexical_segment(open_ones + secret),), ["carte"], scope, bm25.DEFAULT)
    assert beside == alone


def test_terms_are_packed_and_unpacked() -> None:
    packed = pack(["a", "b", "a"] + ["c"] * 300, ["b"])
    digests, body, context = unpack(packed)
    assert list(digests) == sorted(digests)
    assert sorted(zip(body.tolist(), context.tolist(), strict=True)) == [(1, 1), (2, 0), (255, 0)]
    with pytest.raises(ValueError):
        unpack(packed[:-1])
    assert len(unpack(b"")[0]) == 0


def test_the_published_form() -> None:
    assert bm25.idf(10, 1) == pytest.approx(math.log(1 + 9.5 / 1.5))
    one = bm25.scores({"a": 1.0}, {1: Text(["a", "a", "a"])}, bm25.Parameters(1.2))
    assert one[1] == pytest.approx(bm25.idf(1, 1) * 3 * 2.2 / (3 + 1.2))
    # Two fields of one passage: tf = 2 · 1 / B_body + 1 · 1 / B_context, both of average length.
    two = bm25.scores(
        {"a": 1.0},
        {1: Text(["a"], ["a"])},
        bm25.Parameters(1.2, bm25.Field(2.0, 0.5), bm25.Field(1.0, 0.9)),
    )
    assert two[1] == pytest.approx(bm25.idf(1, 1) * 2.2 * 3 / (3 + 1.2))
