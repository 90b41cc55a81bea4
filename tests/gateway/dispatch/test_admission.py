"""The waiting room loses nothing, keeps order, shares fairly and lets nobody wait for ever."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.gateway.dispatch import Priority, RoomFullError, Ticket, WaitingRoom

PRIORITIES: list[Priority] = ["interactive", "normal", "batch"]

tickets = st.tuples(st.sampled_from("abc"), st.sampled_from(PRIORITIES), st.integers(1, 5_000))


def ticket(organisation: str, priority: Priority = "normal", work: int = 100) -> Ticket[int]:
    return Ticket(organisation, priority, work, 0)


def drain(room: WaitingRoom[int], now: float) -> list[Ticket[int]]:
    found = []
    while (next_one := room.pop(now)) is not None:
        found.append(next_one)
    return found


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), tickets),
            st.tuples(st.just("pop"), st.none()),
            st.tuples(st.just("remove"), st.integers(0, 30)),
            st.tuples(st.just("expire"), st.none()),
        ),
        max_size=80,
    ),
    st.integers(1, 12),
)
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost_or_duplicated(actions: list[tuple[str, object]], limit: int) -> None:
    room: WaitingRoom[int] = WaitingRoom(limit, 7.0, {"a": 3.0})
    waiting: set[Ticket[int]] = set()
    everyone: list[Ticket[int]] = []
    for now, (action, value) in enumerate(actions):
        if action == "push":
            organisation, priority, work = value  # type: ignore[misc]
            new = Ticket(organisation, priority, work, 0, now + work % 20)
            everyone.append(new)
            try:
                displaced = room.push(new, now)
            except RoomFullError as error:
                assert len(waiting) == limit == error.length
                assert 1 <= error.position <= limit + 1
            else:
                waiting.add(new)
                if displaced is not None:
                    waiting.remove(displaced)
        elif action == "pop":
            found = room.pop(now)
            assert (found is None) == (not waiting)
            if found is not None:
                waiting.remove(found)
        elif action == "remove" and everyone:
            some = everyone[value % len(everyone)]  # type: ignore[operator]
            assert room.remove(some) == (some in waiting)
            waiting.discard(some)
        elif action == "expire":
            late = room.expire(now)
            assert {t for t in waiting if t.deadline <= now} == set(late)  # type: ignore[operator]
            waiting -= set(late)
        assert len(room) == len(waiting) == len(list(room))
        assert set(room) == waiting
    assert set(drain(room, 1e9)) == waiting


@given(st.lists(tickets, max_size=60))
def test_order_within_an_organisation_and_class(given_tickets: list[tuple[str, Priority, int]]):
    room: WaitingRoom[int] = WaitingRoom(100, 1e9)
    for number, (organisation, priority, work) in enumerate(given_tickets):
        room.push(Ticket(organisation, priority, work, number), 0.0)
    served = drain(room, 0.0)
    for organisation in "abc":
        for priority in PRIORITIES:
            numbers = [
                t.payload
                for t in served
                if t.organisation == organisation and t.priority == priority
            ]
            assert numbers == sorted(numbers)
    levels = [PRIORITIES.index(t.priority) for t in served]
    assert levels == sorted(levels)


@given(st.integers(0, 2**32), st.dictionaries(st.sampled_from("abcd"), st.integers(1, 8)))
@settings(max_examples=60, deadline=None)
def test_shares_follow_the_weights(seed: int, weights: dict[str, int]) -> None:
    """While all are backlogged, normalised service differs by no more than the bound of Goyal,
    Vin and Cheng (1996, theorem 1): largest work of one over its weight, plus the other's."""
    draw = random.Random(seed)
    room: WaitingRoom[int] = WaitingRoom(10_000, 1e9, weights)
    for _ in range(400):
        for organisation in "abcd":
            room.push(ticket(organisation, "normal", draw.randint(1, 2_000)), 0.0)
    served = dict.fromkeys("abcd", 0.0)
    for _ in range(400):
        found = room.pop(0.0)
        assert found is not None
        served[found.organisation] += found.work / room.weight(found.organisation)
        values = served.values()
        bound = 2 * 2_000 / min(room.weight(o) for o in "abcd")
        assert max(values) - min(values) <= bound


def test_actual_work_corrects_the_shares() -> None:
    """An organisation whose requests cost four times their estimate gets the same tokens."""
    room: WaitingRoom[int] = WaitingRoom(10_000, 1e9)
    for _ in range(2_000):
        room.push(ticket("honest", "normal", 100), 0.0)
        room.push(ticket("heavy", "normal", 100), 0.0)
    served = {"honest": 0, "heavy": 0}
    for _ in range(1_500):
        found = room.pop(0.0)
        assert found is not None
        actual = 400 if found.organisation == "heavy" else 100
        room.settle("normal", found.organisation, found.work, actual)
        served[found.organisation] += actual
    assert served["heavy"] == pytest.approx(served["honest"], rel=0.01)


def test_who_comes_back_after_a_pause_has_saved_nothing() -> None:
    room: WaitingRoom[int] = WaitingRoom(1_000, 1e9)
    for _ in range(300):
        room.push(ticket("busy"), 0.0)
    for _ in range(200):
        room.pop(0.0)
    for _ in range(50):
        room.push(ticket("late"), 0.0)
    order = [t.organisation for t in drain(room, 0.0)][:60]
    assert order.count("late") == pytest.approx(30, abs=1)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_batch_never_starves(seed: int) -> None:
    """Interactive work arrives as fast as it is served; batch still gets through."""
    draw = random.Random(seed)
    room: WaitingRoom[int] = WaitingRoom(1_000, 30.0)
    room.push(batch := ticket("slow", "batch"), 0.0)
    now = 0.0
    for _ in range(500):
        now += 1.0
        room.push(ticket(draw.choice("abc"), "interactive"), now)
        found = room.pop(now)
        if found is batch:
            break
    # Two steps of ageing, then its turn among four organisations.
    assert 60.0 <= now <= 66.0


def test_a_higher_class_displaces_the_newest_of_the_lowest() -> None:
    room: WaitingRoom[int] = WaitingRoom(3, 1e9)
    old, new = ticket("a", "batch"), ticket("b", "batch")
    for each in (old, new, ticket("c", "normal")):
        room.push(each, 0.0)
    assert room.push(ticket("d", "interactive"), 1.0) is new
    assert room.push(ticket("d", "interactive"), 1.0) is old
    with pytest.raises(RoomFullError) as refused:
        room.push(ticket("d", "batch"), 1.0)
    assert (refused.value.length, refused.value.position) == (3, 4)
    assert refused.value.work == 300


def test_a_flood_does_not_close_the_door_to_others() -> None:
    room: WaitingRoom[int] = WaitingRoom(10, 1e9)
    flood = [ticket("flood") for _ in range(10)]
    for each in flood:
        room.push(each, 0.0)
    assert room.push(ticket("quiet"), 1.0) is flood[-1]
    with pytest.raises(RoomFullError):
        room.push(ticket("flood"), 1.0)


def test_a_ticket_that_does_not_fit_does_not_block_the_others() -> None:
    room: WaitingRoom[int] = WaitingRoom(10, 1e9)
    room.push(stuck := ticket("a", "interactive"), 0.0)
    room.push(second := ticket("b", "interactive"), 0.0)
    room.push(third := ticket("c", "batch"), 0.0)
    assert room.pop(0.0, lambda t: t is not stuck) is second
    assert room.pop(0.0, lambda t: t is not stuck) is third
    assert room.pop(0.0, lambda t: t is not stuck) is None
    assert room.pop(0.0) is stuck


def test_position_and_estimate() -> None:
    room: WaitingRoom[int] = WaitingRoom(100, 1e9, {"b": 2.0})
    pushed = []
    for _ in range(10):
        for organisation in "ab":
            room.push(each := ticket(organisation, "normal", 100), 0.0)
            pushed.append(each)
    places = {each: place for place, each in enumerate(drain(room, 0.0), 1)}
    for each in pushed:
        room.push(each, 0.0)
    for each in pushed:
        assert abs(room.position(each) - places[each]) <= 2
        assert room.estimate(each, 50.0) == pytest.approx((places[each] - 1) * 2, abs=5)


def test_how_long_people_have_waited() -> None:
    room: WaitingRoom[int] = WaitingRoom(100, 30.0)
    assert room.waited(5.0) == 0.0
    room.push(ticket("a", "batch"), 1.0)
    assert room.waited(5.0) == 0.0, "batch work may wait"
    first = ticket("a", "normal")
    room.push(first, 2.0)
    room.push(ticket("b", "interactive"), 3.0)
    assert room.waited(5.0) == 3.0
    room.remove(first)
    assert room.waited(5.0) == 2.0
    risen: WaitingRoom[int] = WaitingRoom(100, 30.0)
    risen.push(ticket("a", "batch"), 1.0)
    assert risen.pop(40.0, lambda _: False) is None, "it has risen, and still is batch work"
    assert risen.waited(40.0) == 0.0
