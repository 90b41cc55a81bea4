"""An endpoint that serves several models is one server: one capacity, one health, one breaker."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.gateway.catalogue import Endpoint as Server
from chappe.gateway.catalogue import Model
from chappe.gateway.dispatch import DispatchSettings, Endpoint, EngineMetrics, Job, Pool, Running
from chappe.gateway.dispatch.dispatcher import Dispatcher
from chappe.gateway.dispatch.state import share

SETTINGS = DispatchSettings(warmup_seconds=0.0)
JOB = Job("a", "normal", 100, 10)


def two_pools(count: int = 1, capacity: int | None = 2) -> tuple[Pool, Pool]:
    """Two models on the same endpoints."""
    one, two = (
        Pool([Endpoint(f"e{i}", capacity) for i in range(count)], SETTINGS, random.Random(1))
        for _ in range(2)
    )
    for i in range(count):
        share([one[f"e{i}"], two[f"e{i}"]], 0.0)
    return one, two


def send(pool: Pool, now: float = 0.0) -> Running:
    state = pool.choose(JOB, now)
    assert state is not None
    return pool.begin(state, JOB, now)


def test_one_capacity() -> None:
    one, two = two_pools()
    running = send(one)
    send(two)
    assert one.choose(JOB, 0.0) is None and two.choose(JOB, 0.0) is None
    assert one["e0"].load == two["e0"].load == 2
    one.end(running, "completed", 1.0)
    assert two.choose(JOB, 1.0) is not None


def test_a_busy_server_is_avoided_by_the_other_model() -> None:
    for count in (2, 40):
        one, two = two_pools(count, None)
        for i in range(1, count):
            for _ in range(3):
                one.begin(one[f"e{i}"], JOB, 0.0)
        assert two.choose(JOB, 0.0) is two["e0"]


def test_one_breaker_and_one_trial() -> None:
    one, two = two_pools()
    for _ in range(SETTINGS.failures_to_eject):
        one.end(send(one), "failed", 1.0)
    assert two.choose(JOB, 1.0) is None and not two.reachable(JOB)
    later = 1.0 + SETTINGS.ejection_seconds
    trial = send(two, later)
    assert trial.trial
    assert one.choose(JOB, later) is None
    two.end(trial, "completed", later + 1)
    assert one.choose(JOB, later + 1) is not None


def test_one_failed_probe_counts_once() -> None:
    dispatcher = Dispatcher()
    server = Server("e", "e", "http://localhost/v1")
    dispatcher.update([model("m", server), model("n", server)])
    dispatcher.probe("e", False)
    assert dispatcher.reachable("m", JOB, frozenset())
    dispatcher.probe("e", False)
    assert not dispatcher.reachable("m", JOB, frozenset())
    assert not dispatcher.reachable("n", JOB, frozenset())


def test_metrics_and_replicas_do_not_count_the_other_model_twice() -> None:
    one, two = two_pools(1, None)
    send(one)
    send(one)
    send(two)
    for pool in (one, two):
        pool.observe_metrics("e0", EngineMetrics(4, 0), 1.0)
        assert pool["e0"].load == 4
    dispatcher = Dispatcher()
    server = Server("e", "e", "http://localhost/v1")
    dispatcher.update([model("m", server), model("n", server)])
    dispatcher.observe_remote({"m e": (2, 50), "n e": (1, 7)})
    for queue in dispatcher.queues():
        assert queue["endpoints"][0]["elsewhere"] == 3


def test_a_model_that_leaves_takes_nothing_with_it() -> None:
    dispatcher = Dispatcher()
    server = Server("e", "e", "http://localhost/v1")
    dispatcher.update([model("m", server), model("n", server)])
    dispatcher.update([model("m", server), model("n")])
    assert dispatcher.reachable("m", JOB, frozenset())
    assert dispatcher.try_place("m", JOB) is not None


async def test_who_waits_for_one_model_gets_what_another_gives_back() -> None:
    dispatcher = Dispatcher()
    server = Server("e", "e", "http://localhost/v1", capacity=1)
    dispatcher.update([model("m", server), model("n", server)])
    running = dispatcher.try_place("m", JOB)
    assert running is not None
    waiting = [asyncio.create_task(dispatcher.place(name, JOB)) for name in ("m", "m", "n")]
    await asyncio.sleep(0)
    order = []
    placed: tuple[str, Running] = ("m", running)
    while len(order) < 3:
        dispatcher.end(placed[0], placed[1], "completed")
        done, _ = await asyncio.wait(
            [task for task in waiting if task not in order], return_when="FIRST_COMPLETED"
        )
        assert len(done) == 1
        task = done.pop()
        order.append(task)
        placed = ("n" if task is waiting[2] else "m", task.result())
    # The model that was never served isn't behind all those of the other.
    assert order[0] is waiting[2]
    dispatcher.close()


steps = st.tuples(st.sampled_from(["begin", "first", "end", "fail"]), st.integers(0, 100))


@given(st.integers(1, 20), st.lists(steps, max_size=80))
@settings(max_examples=100, deadline=None)
def test_both_always_see_the_same_server(count: int, actions: list[tuple[str, int]]) -> None:
    pools = two_pools(count, 3)
    running: list[tuple[Pool, Running]] = []
    for moment, (action, number) in enumerate(actions):
        now, pool = float(moment), pools[number % 2]
        if action == "begin":
            state = pool.choose(JOB, now)
            if state is not None:
                running.append((pool, pool.begin(state, JOB, now)))
        elif running:
            owner, one = running[number % len(running)]
            if action == "first":
                owner.first_token(one, now)
            else:
                running.remove((owner, one))
                owner.end(one, "completed" if action == "end" else "failed", now)
        for each in pools:
            each.has_room(now)
        for first, second in zip(*pools, strict=True):
            assert first.load == second.load == first.in_flight + second.in_flight <= 3
            assert first.backlog == second.backlog
            assert first.health is second.health and first.limit is second.limit
    for owner, one in running:
        owner.end(one, "cancelled", 1e3)
    for each in pools:
        each.has_room(1e3)
        assert all(state.load == 0 and state.backlog == 0 for state in each)


def model(name: str, *endpoints: Server) -> Model:
    return Model(name, "chat", endpoints=list(endpoints))
