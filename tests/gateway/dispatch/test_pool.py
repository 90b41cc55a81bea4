"""The pool gives back what it counted, respects every rule, and prefers what is faster."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.gateway.dispatch import (
    DispatchSettings,
    Endpoint,
    EngineMetrics,
    Job,
    Pool,
    Running,
    chain,
)

COLD = DispatchSettings(warmup_seconds=0.0)


def pool_of(count: int, **fields: int) -> Pool:
    return Pool([Endpoint(f"e{i}", **fields) for i in range(count)], COLD, random.Random(1))


def send(pool: Pool, job: Job, now: float = 0.0) -> Running:
    state = pool.choose(job, now)
    assert state is not None
    return pool.begin(state, job, now)


steps = st.tuples(
    st.sampled_from(
        ["begin", "begin", "begin", "first", "end", "metrics", "remote", "probe", "drain", "resume"]
    ),
    st.integers(0, 1_000),
)


@given(st.integers(1, 20), st.lists(steps, max_size=120))
@settings(max_examples=200, deadline=None)
def test_every_slot_and_token_is_given_back(count: int, actions: list[tuple[str, int]]) -> None:
    pool = Pool(
        [Endpoint(f"e{i}", clearance=i % 3, capacity=None if i % 2 else 3) for i in range(count)],
        DispatchSettings(),
        random.Random(2),
    )
    running: list[Running] = []
    drained: set[str] = set()
    for moment, (action, number) in enumerate(actions):
        now, name = float(moment), f"e{number % count}"
        if action == "begin":
            job = Job(
                "a",
                ("interactive", "normal", "batch")[number % 3],
                number + 1,
                number // 2,
                chain(bytes([number % 4]) * 3_000),
                clearance=number % 4 % 3,
                allowed=frozenset([name]) if number % 7 == 0 else None,
                streamed=number % 11 > 4,
            )
            exclude = frozenset([f"e{(number + 1) % count}"]) if number % 5 == 0 else frozenset()
            state = pool.choose(job, now, exclude)
            if state is not None:
                assert state.endpoint.clearance >= job.clearance
                assert job.allowed is None or state.id in job.allowed
                assert state.id not in exclude | drained
                assert state.health.state != "ejected"
                fixed = state.endpoint.capacity
                assert fixed is None or state.in_flight < fixed
                running.append(pool.begin(state, job, now))
        elif action == "first" and running:
            pool.first_token(running[number % len(running)], now)
        elif action == "end" and running:
            outcome = ("completed", "cancelled", "failed", "timed_out")[number % 4]
            pool.end(running.pop(number % len(running)), outcome, now, None, number)  # type: ignore[arg-type]
        elif action == "metrics":
            pool.observe_metrics(name, EngineMetrics(number % 9, number % 3, 0.3), now)
        elif action == "remote":
            pool.observe_remote(name, number % 5, now, number)
        elif action == "probe":
            pool.probe(name, number % 3 > 0, now)
        elif action == "drain":
            pool.drain(name)
            drained.add(name)
        elif action == "resume":
            pool.resume(name, now)
            drained.discard(name)
        assert sum(state.in_flight for state in pool) == len(running)
    for each in running:
        pool.end(each, "cancelled", 1e3)
    assert not pool.load()
    for state in pool:
        assert not state.reading
        assert state.in_flight == state.prefill_tokens == state.kv_tokens == 0
        assert state.batch_in_flight == state.batch_reading == state.trials == 0
    assert pool.in_flight == pool.batch_in_flight == pool.batch_reading == 0


def test_a_level_is_never_sent_below_its_clearance_even_when_all_else_is_full() -> None:
    pool = Pool([Endpoint(f"e{i}", 1, clearance=int(i == 17)) for i in range(40)], COLD)
    secret = Job("a", clearance=1)
    first = send(pool, secret)
    assert first.state.id == "e17"
    assert pool.choose(secret, 0.0) is None
    assert pool.reachable(secret)
    assert not pool.reachable(Job("a", clearance=2))
    assert not pool.reachable(secret, frozenset(["e17"]))


def test_the_last_free_place_is_found_among_two_thousand() -> None:
    pool = Pool([Endpoint(f"e{i}", 1) for i in range(2_000)], COLD, random.Random(3))
    for _ in range(2_000):
        send(pool, Job("a"))
    assert pool.choose(Job("a"), 0.0) is None


def test_work_is_spread_by_tokens_and_not_by_requests() -> None:
    pool = pool_of(2)
    long = send(pool, Job("a", "normal", 8_000, 100))
    places = {send(pool, Job("a", "normal", 300, 100), 0.01).state for _ in range(4)}
    assert long.state not in places


def test_a_faster_server_is_learned_and_gets_more() -> None:
    pool, now, served = pool_of(4), 0.0, Counter[str]()
    speeds = {"e0": 20_000, "e1": 2_000, "e2": 2_000, "e3": 2_000}
    for number in range(400):
        now += 0.2
        running = send(pool, Job("a", "normal", 1_000, 20), now)
        seconds = 0.02 + 1_000 / speeds[running.state.id]
        pool.first_token(running, now + seconds)
        pool.end(running, "completed", now + seconds + 0.2, 1_000, 20)
        if number > 100:
            served[running.state.id] += 1
    assert served["e0"] > 0.9 * sum(served.values())


def test_a_conversation_goes_back_to_its_server_unless_that_is_busy() -> None:
    pool = pool_of(30)
    talk = Job("a", "normal", 4_000, 100, chain(b"conversation " * 1_200))
    first = send(pool, talk)
    pool.first_token(first, 1.0)
    pool.end(first, "completed", 2.0, 4_000, 100)
    again = send(pool, talk, 3.0)
    assert again.state is first.state
    assert again.to_read < 1_000
    # A long prompt before it costs more than reading the conversation anew.
    pool.begin(first.state, Job("b", "normal", 20_000, 10), 3.1)
    assert send(pool, talk, 3.2).state is not first.state


def test_a_shared_system_prompt_makes_no_hot_server() -> None:
    pool = pool_of(20)
    shared = chain(b"You are the assistant of the prefecture. " * 100)
    places = Counter(
        send(pool, Job("a", "normal", 1_400, 200, shared), number * 0.001).state.id
        for number in range(60)
    )
    assert max(places.values()) <= 3 * 60 / 20
    assert len(places) >= 15


def test_a_silent_server_is_avoided_before_any_time_out() -> None:
    pool = pool_of(2)
    stuck = send(pool, Job("a", "normal", 500, 50))
    other = next(state for state in pool if state is not stuck.state)
    pool.begin(other, Job("a", "normal", 2_000, 50), 1.0)
    assert send(pool, Job("a", "normal", 500, 50), 1.1).state is other
    pool.begin(other, Job("a", "normal", 4_000, 50), 1.2)
    assert pool.choose(Job("a"), 20.0) is None, "both are long overdue: wait for a sign of life"
    assert pool.reachable(Job("a"))


def test_three_refusals_eject_and_a_trial_brings_back_gently() -> None:
    pool = Pool([Endpoint("a"), Endpoint("b")], DispatchSettings(), random.Random(1))
    bad = pool["a"]
    for _ in range(3):
        pool.end(pool.begin(bad, Job("o"), 0.0), "failed", 0.1)
    assert all(send(pool, Job("o"), 1.0).state.id == "b" for _ in range(5))
    trial = next(r for r in (send(pool, Job("o"), 6.0) for _ in range(30)) if r.state is bad)
    assert bad.health.state == "trial"
    assert pool.choose(Job("o", allowed=frozenset("a")), 6.0) is None, "one at a time"
    pool.first_token(trial, 6.1)
    pool.end(trial, "completed", 6.5, 1, 10)
    assert bad.health.state == "healthy"
    gentle = 0
    while pool.choose(Job("o", allowed=frozenset("a")), 7.0) is bad:
        pool.begin(bad, Job("o"), 7.0)
        gentle += 1
    assert 1 <= gentle < 10


def test_when_all_fail_clients_are_refused_at_once() -> None:
    pool = pool_of(1)
    for _ in range(3):
        pool.end(pool.begin(pool["e0"], Job("o"), 0.0), "failed", 0.0)
    assert pool.choose(Job("o"), 0.1) is None
    assert not pool.reachable(Job("o"))


def test_batch_work_leaves_room_for_people() -> None:
    pool = pool_of(8)
    batch = Job("b", "batch", 2_000, 300)
    taken = 0
    while pool.choose(batch, 0.0) is not None:
        send(pool, batch)
        taken += 1
    assert taken == 2, "a quarter of the servers read batch prompts at once"
    assert not send(pool, Job("a", "interactive", 500, 100)).state.batch_in_flight


def test_the_operators_order_decides_between_equals() -> None:
    pool = Pool([Endpoint("far", preference=1), Endpoint("near")], COLD)
    assert send(pool, Job("a")).state.id == "near"


def test_a_full_memory_is_avoided() -> None:
    pool = pool_of(2)
    pool.begin(pool["e0"], Job("a"), 0.0)
    pool.observe_metrics("e0", EngineMetrics(1, 0, 0.99, 100_000), 0.0)
    pool.begin(pool["e1"], Job("a", "normal", 600, 100), 0.0)
    assert send(pool, Job("a", "normal", 200, 200)).state.id == "e1"


def test_a_new_catalogue_keeps_what_was_learned() -> None:
    pool = pool_of(3)
    kept = send(pool, Job("a", "normal", 1_000, 100))
    pool.first_token(kept, 0.5)
    learned = kept.state.read.slope
    others = [f"e{i}" for i in range(3) if f"e{i}" != kept.state.id]
    removed = pool.begin(pool[others[0]], Job("a"), 1.0)
    pool.update([Endpoint(kept.state.id, 7), Endpoint("new"), Endpoint(others[1])], 2.0)
    assert pool[kept.state.id].read.slope == learned
    assert pool[kept.state.id].limit.value == 7
    assert pool[kept.state.id].in_flight == 1
    assert {state.id for state in pool} == {kept.state.id, "new", others[1]}
    pool.end(removed, "completed", 3.0, 1, 10)
    assert all(send(pool, Job("a"), 3.0).state.id != others[0] for _ in range(20))


def test_batch_work_fills_the_servers_when_nobody_waits_and_little_of_them_otherwise() -> None:
    def fill(pool: Pool) -> int:
        taken, now = 0, 0.0
        while pool.choose(Job("b", "batch", 100, 300), now) is not None:
            pool.first_token(send(pool, Job("b", "batch", 100, 300), now), now + 0.005)
            now += 0.01
            taken += 1
        return taken

    alone, beside = pool_of(2), pool_of(2)
    person = send(beside, Job("a", "interactive", 500, 300), 0.0)
    beside.first_token(person, 0.0)
    filled = fill(alone)
    assert filled > 2 * 0.5 * COLD.capacity_start
    assert 0 < fill(beside) < filled / 2


def test_answers_that_come_whole_are_learned_from_and_block_nothing() -> None:
    pool, now = pool_of(2), 0.0
    for number in range(200):
        now += 1.0
        running = send(pool, Job("a", "normal", 1_000, 100, streamed=False), now)
        seconds = 0.1 + 1_000 / 2_000 + 100 * 0.05
        if number > 100:
            # Both servers are long past reading what they were sent.
            assert pool.choose(Job("a"), now + 2.0) is not None
        pool.end(running, "completed", now + seconds, 1_000, 100)
        now += seconds
    for state in pool:
        whole = state.read.at(1_000, 0) + 99 * state.write.at(1)
        assert 0.8 < whole / 5.6 < 1.2


def test_what_nobody_speaks_of_any_more_is_forgotten() -> None:
    pool = pool_of(1, capacity=4)
    pool.observe_remote("e0", 4, 0.0, 1_000)
    assert pool.choose(Job("a"), 1.0) is None
    pool.probe("e0", True, 5.0)
    assert pool.choose(Job("a"), 5.0) is None
    pool.probe("e0", True, 60.0)
    assert pool.choose(Job("a"), 60.0) is not None


def test_a_server_that_comes_back_is_thought_to_have_an_empty_cache() -> None:
    pool = Pool([Endpoint("a"), Endpoint("b")], DispatchSettings(), random.Random(1))
    talk = Job("o", "normal", 4_000, 100, chain(b"conversation " * 1_200))
    first = pool.begin(pool["a"], talk, 0.0)
    pool.first_token(first, 0.5)
    pool.end(first, "completed", 1.0, 4_000, 100)
    again = pool.begin(pool["a"], talk, 2.0)
    assert again.to_read < 1_000
    pool.end(again, "cancelled", 2.1)
    for moment in (3.0, 4.0):
        pool.probe("a", False, moment)
    pool.probe("a", True, 10.0)
    trial = send(pool, Job("o", allowed=frozenset("a")), 10.0)
    pool.first_token(trial, 10.1)
    pool.end(trial, "completed", 10.2, 1, 1)
    assert pool["a"].health.state == "healthy"
    assert pool.begin(pool["a"], talk, 11.0).to_read == 4_000


def test_batch_work_is_never_kept_out_altogether() -> None:
    """Every server reads people's prompts all the time; one batch request a second gets through."""
    pool, now, placed = pool_of(3), 0.0, 0
    reading = [send(pool, Job("a", "interactive", 1_000, 10), now) for _ in range(3)]
    for _ in range(200):
        now += 0.1
        first = reading.pop(0)
        pool.first_token(first, now)
        pool.end(first, "completed", now, 1_000, 10)
        reading.append(pool.begin(first.state, Job("a", "interactive", 1_000, 10), now))
        if pool.choose(Job("b", "batch", 100, 10), now) is not None:
            batch = send(pool, Job("b", "batch", 100, 10), now)
            pool.first_token(batch, now)
            pool.end(batch, "completed", now, 100, 10)
            placed += 1
    assert 15 <= placed <= 21
