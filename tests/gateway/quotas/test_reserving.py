"""Reserving and settling, step by step, on a real database whose clock the test moves."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator

import pytest

from chappe.core.errors import ChappeError
from chappe.gateway.quotas import Limit, Reservation, Work
from chappe.gateway.quotas.store import limit_states, sweep_windows
from gateway.quotas.virtual import ACTOR, Replica, World


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    opened = await World.open(database_url)
    yield opened
    await opened.connection.close()


ONE = Work()


async def replicas(world: World, limits: list[Limit], count: int = 1) -> list[Replica]:
    """Replicas that know each other."""
    made = [Replica(world, 500.0 * number) for number in range(count)]
    for _ in range(2):
        for replica in made:
            replica.quotas.set_limits(limits)
            await replica.beat()
    return made


async def seconds(world: World, made: list[Replica], count: int) -> None:
    for _ in range(count):
        await world.advance(1.0)
        for replica in made:
            await replica.beat()


async def spent(world: World, limit: Limit, made: list[Replica]) -> float:
    """What the database counts as held, less what is held unused."""
    unused = sum(r.quotas.states().get(limit.id, (0.0, 0.0))[0] for r in made)
    return await world.leased(limit) - unused


async def refused(replica: Replica, work: Work = ONE) -> ChappeError:
    with pytest.raises(ChappeError) as caught:
        await replica.request(work)
    return caught.value


async def test_no_limit_costs_nothing(world: World) -> None:
    (replica,) = await replicas(world, [])
    reservation = replica.quotas.try_reserve(replica.quotas.cover(ACTOR, "m"), Work(5))
    assert reservation is not None
    replica.quotas.settle(reservation, Work(5))
    assert replica.quotas.header_lines(reservation) == b""


async def test_the_tightest_limit_wins_and_the_others_get_all_back(world: World) -> None:
    wide = await world.add_limit("tokens", "day", 1000)
    narrow = await world.add_limit("tokens", "minute", 100)
    (replica,) = await replicas(world, [wide, narrow])
    await replica.request(Work(90))
    error = await refused(replica, Work(20))
    assert error.code == "quota_exceeded" and error.status == 429
    assert error.retry_after == pytest.approx(20, abs=1)  # the minute ends in 20 s
    await seconds(world, [replica], 1)
    assert await spent(world, wide, [replica]) == 90
    assert (await refused(replica, Work(101))).code == "quota_too_small"


async def test_what_was_not_used_can_be_used_by_others(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 1000)
    first, second = await replicas(world, [limit], 2)
    reservation = await first.request(Work(900))
    await refused(second, Work(200))
    first.quotas.settle(reservation, Work(10, 20))
    first.quotas.settle(reservation, Work(999))  # once
    await seconds(world, [first, second], 2)
    await second.request(Work(900))
    assert await spent(world, limit, [first, second]) == 930


async def test_an_overrun_is_charged_and_never_lost(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 1000)
    first, second = await replicas(world, [limit], 2)
    reservation = await first.request(Work(100))
    first.quotas.settle(reservation, Work(100, 1500))
    await seconds(world, [first, second], 2)
    assert await world.leased(limit) == 1600
    await refused(second, Work(1))


async def test_an_overrun_after_the_window_is_charged_to_the_next(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 1000)
    (replica,) = await replicas(world, [limit])
    reservation = await replica.request(Work(100))
    await world.advance(20.5)
    replica.quotas.settle(reservation, Work(700))
    await seconds(world, [replica], 2)
    assert await spent(world, limit, [replica]) == 600
    await refused(replica, Work(500))
    await replica.request(Work(400))


async def test_what_comes_back_late_is_not_given_to_another_window(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 1000)
    (replica,) = await replicas(world, [limit])
    reservation = await replica.request(Work(800))
    await world.advance(20.5)
    await replica.request(Work(900))
    replica.quotas.settle(reservation, Work(0))
    await refused(replica, Work(200))


async def test_a_released_request_costs_nothing(world: World) -> None:
    limit = await world.add_limit("requests", "minute", 1)
    (replica,) = await replicas(world, [limit])
    replica.quotas.release(await replica.request(Work()))
    replica.quotas.settle(await replica.request(Work()), Work())
    await refused(replica)


async def test_permits_come_back_and_go_to_whoever_asks(world: World) -> None:
    limit = await world.add_limit("concurrency", None, 2)
    first, second = await replicas(world, [limit], 2)
    held = [await first.request(Work()), await first.request(Work())]
    error = await refused(second)
    assert error.retry_after == 1.0
    first.quotas.settle(held[0], Work(1))
    await first.keeper._work()  # what `settle` woke up
    await world.advance(0.2)
    await second.request(Work())
    await refused(first)


async def test_a_killed_replica_s_permits_are_free_after_its_takeover(world: World) -> None:
    limit = await world.add_limit("concurrency", None, 2)
    first, second = await replicas(world, [limit], 2)
    await first.request(Work())
    await first.request(Work())
    await seconds(world, [second], 30)
    await refused(second)
    await world.connection.execute("delete from gateway_replica where id = %s", (first.id,))
    await world.advance(0.2)
    await second.request(Work())


async def test_the_silent_are_given_up_after_an_hour_by_one_long_in_contact(world: World) -> None:
    limit = await world.add_limit("concurrency", None, 1)
    first, second = await replicas(world, [limit], 2)
    await first.request(Work())
    await world.advance(3500)
    await seconds(world, [second], 60)
    assert second.quotas.replicas.alive == 1
    await refused(second)
    await seconds(world, [second], 120)
    await second.request(Work())


async def test_a_replica_that_was_given_up_begins_anew(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 100)
    permits = await world.add_limit("concurrency", None, 3)
    (replica,) = await replicas(world, [limit, permits])
    running = await replica.request(Work(30))
    await world.connection.execute("delete from gateway_replica")
    await seconds(world, [replica], 2)
    # What it held of the day stays counted, a tenth of what was left at most; what it is doing is
    # counted again.
    assert 30 <= await world.leased(limit) <= 40
    assert await world.leased(permits) == 1
    await replica.request(Work(60))
    await refused(replica, Work(11))
    replica.quotas.settle(running, Work(30))
    await seconds(world, [replica], 2)
    assert 90 <= await world.leased(limit) <= 100
    assert await world.leased(permits) == 1


async def test_a_limit_that_warns_never_refuses_and_counts(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 100, action="warn")
    first, second = await replicas(world, [limit], 2)
    assert (await first.request(Work(70))).warnings == ()
    await first.request(Work(80))
    await seconds(world, [first, second], 1)
    assert await world.leased(limit) == 150
    await second.request(Work(1))
    await seconds(world, [first, second], 1)
    reservation = await second.request(Work(1))
    assert reservation.warnings == ("100 tokens per day for everybody",)
    assert b"x-chappe-budget-warning: 100 tokens" in second.quotas.header_lines(reservation)


async def test_a_limit_that_slows_paces_what_is_left(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 100, action="slow", warn_at=0.5)
    (replica,) = await replicas(world, [limit])
    assert (await replica.request(Work(40))).delay == 0
    await seconds(world, [replica], 1)
    delays = [(await replica.request(Work(10))).delay for _ in range(3)]
    # About 19 s are left for 40 tokens: one request of 10 in 5 s or so.
    assert delays[0] == 0 and delays[1] < 8 and delays[1] < delays[2] <= 30
    delays = [(await replica.request(Work(100))).delay for _ in range(2)]
    assert delays[-1] == 30


async def test_a_real_count_is_asked_for_only_when_the_bound_does_not_fit(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 1000)
    (replica,) = await replicas(world, [limit])
    asked = 0

    async def count() -> int | None:
        nonlocal asked
        asked += 1
        return 100

    async def reserve(work: Work) -> Reservation:
        task = asyncio.create_task(
            replica.quotas.reserve(replica.quotas.cover(ACTOR, "m"), work, count)
        )
        while not task.done():
            await asyncio.sleep(0.001)
            await replica.keeper._work()
        return task.result()

    await reserve(Work(600))
    assert asked == 0
    reservation = await reserve(Work(5000, 40))
    assert asked == 1 and reservation.charges[0] < 400
    with pytest.raises(ChappeError):
        await reserve(Work(5000, 40))


async def test_use_refills_in_the_background_and_idle_leases_go_back(world: World) -> None:
    limit = await world.add_limit("requests", "minute", 10_000)
    (replica,) = await replicas(world, [limit])
    await world.advance(21)
    asked = 0
    for _ in range(10):
        for _ in range(100):
            reservation = replica.quotas.try_reserve(replica.quotas.cover(ACTOR, "m"), Work())
            if reservation is None:
                asked += 1
                reservation = await replica.request(Work())
            replica.quotas.settle(reservation, Work())
            await replica.keeper._work()
        await seconds(world, [replica], 1)
    assert asked < 20  # of 1000
    assert 1000 < await world.leased(limit) <= 2000
    await seconds(world, [replica], 10)
    assert await world.leased(limit) == pytest.approx(1000)


async def test_nine_tenths_are_usable_whatever_the_others_hold(world: World) -> None:
    limit = await world.add_limit("requests", "minute", 1000)
    made = await replicas(world, [limit], 3)
    await world.advance(21)
    draw = random.Random(5)
    admitted = 0
    while True:
        replica = draw.choice(made)
        try:
            replica.quotas.settle(await replica.request(Work()), Work())
        except ChappeError:
            break
        admitted += 1
        await replica.keeper._work()
        if admitted % 100 == 0:
            await seconds(world, made, 1)
    assert 900 <= admitted <= 1000
    # What the others held for nothing comes back, to the last request.
    for _ in range(8):
        await seconds(world, made, 1)
        for replica in made:
            try:
                while True:
                    replica.quotas.settle(await replica.request(Work()), Work())
                    admitted += 1
            except ChappeError:
                pass
    assert 990 <= admitted <= 1000


async def test_a_clean_stop_gives_everything_back(world: World) -> None:
    tokens = await world.add_limit("tokens", "day", 1000)
    permits = await world.add_limit("concurrency", None, 100)
    (replica,) = await replicas(world, [tokens, permits])
    for _ in range(20):
        reservation = await replica.request(Work(20))
        replica.quotas.settle(reservation, Work(7))
    await replica.leave()
    assert await world.leased(tokens) == 140
    assert await world.leased(permits) == 0
    cursor = await world.connection.execute("select count(*) from gateway_replica")
    assert await cursor.fetchone() == (0,)


async def test_limits_change_while_leases_are_held(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 1000)
    (replica,) = await replicas(world, [limit])
    running = await replica.request(Work(600))
    await world.connection.execute("update quota_limit set amount = 500")
    replica.quotas.set_limits([_with_amount(limit, 500)])
    await world.advance(1)
    await refused(replica, Work(1))
    replica.quotas.settle(running, Work(400))
    await seconds(world, [replica], 1)
    await replica.request(Work(100))
    await refused(replica, Work(1))
    await world.connection.execute("delete from quota_limit")
    await world.advance(1)
    await replica.request(Work(1))  # the database says so before the catalogue does
    replica.quotas.set_limits([])
    assert replica.quotas.try_reserve(replica.quotas.cover(ACTOR, "m"), Work(10**9)) is not None


def _with_amount(limit: Limit, amount: float) -> Limit:
    return Limit(
        limit.id, limit.subject_kind, limit.subject_id, limit.model, limit.measure, limit.period,
        amount,
    )  # fmt: skip


async def test_a_request_that_is_cancelled_while_it_asks_leaves_nothing(world: World) -> None:
    permits = await world.add_limit("concurrency", None, 5)
    tokens = await world.add_limit("tokens", "minute", 500)
    (replica,) = await replicas(world, [permits, tokens])
    draw = random.Random(3)
    for _ in range(60):
        tasks = [
            asyncio.create_task(
                replica.quotas.reserve(
                    replica.quotas.cover(ACTOR, "m"), Work(draw.randrange(1, 200))
                )
            )
            for _ in range(6)
        ]
        work = asyncio.create_task(replica.keeper._work())
        for _ in range(draw.randrange(40)):
            await asyncio.sleep(0)
        for task in tasks:
            if draw.random() < 0.6:
                task.cancel()
        await work
        for _ in range(60):
            await asyncio.sleep(0.001)
            if all(task.done() for task in tasks):
                break
            await replica.keeper._work()
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is None:
                replica.quotas.settle(task.result(), Work(0))
    await seconds(world, [replica], 14)
    for lease in replica.quotas._leases.values():
        assert lease.used == 0 and lease.waiting == []
    assert await world.leased(permits) == 0
    assert await world.leased(tokens) == 0


async def test_the_state_of_limits_is_what_all_replicas_used(world: World) -> None:
    day = await world.add_limit("tokens", "day", 1000)
    minute = await world.add_limit("requests", "minute", 100)
    permits = await world.add_limit("concurrency", None, 10)
    first, second = await replicas(world, [day, minute, permits], 2)
    await first.request(Work(100))
    ended = await second.request(Work(300))
    second.quotas.settle(ended, Work(50))
    await seconds(world, [first, second], 6)
    states = await limit_states(world.connection)
    assert states[day.id].used == 150 and states[day.id].remaining == 850
    assert 150 <= states[day.id].leased <= 250
    assert states[minute.id].used == 2
    assert states[permits.id].used == 1 and states[permits.id].resets_at is None
    resets_at = states[minute.id].resets_at
    assert resets_at is not None and 0 < resets_at.timestamp() - world.moment < 60
    await world.advance(3 * 86_400)
    states = await limit_states(world.connection)
    assert states[day.id].used == 0 and states[minute.id].leased == 0
    assert await sweep_windows(world.connection) == 2
    assert (await limit_states(world.connection, permits.id))[permits.id].used == 1


async def test_headers_tell_the_tightest_limits(world: World) -> None:
    limits = [
        await world.add_limit("requests", "minute", 60),
        await world.add_limit("requests", "day", 1000),
        await world.add_limit("tokens", "day", 5000),
    ]
    (replica,) = await replicas(world, limits)
    lines = replica.quotas.header_lines(await replica.request(Work(1000))).decode().split("\r\n")
    assert "x-ratelimit-limit-requests: 60" in lines
    assert "x-ratelimit-remaining-requests: 59" in lines
    assert "x-ratelimit-reset-requests: 20s" in lines
    assert "x-ratelimit-limit-tokens: 5000" in lines
    assert "x-ratelimit-remaining-tokens: 4000" in lines


async def test_the_database_away_leases_and_then_shares_are_used(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 900)
    made = await replicas(world, [limit], 3)
    await seconds(world, made, 5)
    for replica in made:
        assert replica.quotas.replicas.share == pytest.approx(1 / 3)
        replica.link.fault = "cut"
    await seconds(world, made, 6)
    error = await refused(made[0], Work(10))
    assert error.code == "database_unreachable" and error.retry_after
    await world.advance(15)
    for replica in made:
        assert replica.quotas.database_away
        for _ in range(3):
            await replica.request(Work(100))
        assert (await refused(replica, Work(100))).code == "database_unreachable"
        replica.link.fault = "none"
    await seconds(world, made, 2)
    assert await world.leased(limit) == pytest.approx(900)


async def test_a_replica_that_joins_cannot_add_to_the_shares(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 900)
    (first,) = await replicas(world, [limit])
    assert first.quotas.replicas.share == 1
    second = Replica(world)
    second.quotas.set_limits([limit])
    await second.beat()
    assert second.quotas.replicas.share == 0
    await first.beat()
    await second.beat()
    assert first.quotas.replicas.share == second.quotas.replicas.share == 0.5


async def test_a_share_given_up_is_not_used_though_nobody_confirmed(world: World) -> None:
    (first,) = await replicas(world, [])
    second = Replica(world)
    await second.beat()
    first.link.fault = "after_commit"
    await first.beat()
    await second.beat()
    assert first.quotas.replicas.share == second.quotas.replicas.share == 0.5


async def test_what_goes_back_is_not_used_though_nobody_confirmed(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 100)
    first, second = await replicas(world, [limit], 2)
    first.quotas.settle(await first.request(Work(90)), Work(0))
    first.link.fault = "after_commit"
    first.keeper._tick()
    await first.keeper._work()
    await second.request(Work(90))
    first.link.fault = "cut"
    assert (await refused(first, Work(50))).code == "database_unreachable"


async def test_what_surely_did_not_go_back_is_still_used(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 100)
    first, second = await replicas(world, [limit], 2)
    first.quotas.settle(await first.request(Work(90)), Work(0))
    first.link.fault = "cut"
    await seconds(world, [first], 3)
    await first.request(Work(50))
    await refused(second, Work(50))


async def test_the_share_of_a_replica_that_is_given_up_stays_counted(world: World) -> None:
    limit = await world.add_limit("tokens", "minute", 100)
    first, second = await replicas(world, [limit], 2)
    first.link.fault = "cut"
    await seconds(world, [first, second], 6)
    await world.advance(60 - world.moment % 60 + 1)
    await seconds(world, [first, second], 1)
    await first.request(Work(45))
    assert (await refused(second, Work(60))).code == "quota_exceeded"
    await world.connection.execute("delete from gateway_replica where id = %s", (first.id,))
    await seconds(world, [second], 1)
    assert (await refused(second, Work(60))).code == "quota_exceeded"
    await second.request(Work(45))


async def test_a_window_that_begins_just_after_the_outage_is_not_served_alone(
    world: World,
) -> None:
    limit = await world.add_limit("tokens", "minute", 100)
    first, second = await replicas(world, [limit], 2)
    await seconds(world, [first, second], 18)
    first.link.fault = "cut"
    await seconds(world, [first], 3)
    await second.request(Work(100))
    assert (await refused(first, Work(1))).code == "database_unreachable"


async def test_what_may_be_used_meanwhile_is_kept(world: World) -> None:
    """The database may grant less than was wanted, never less than the replica said it keeps."""
    limit = await world.add_limit("tokens", "day", 100)
    (replica,) = await replicas(world, [limit])
    await replica.request(Work(10))

    async def hold(kept: float, used: float, need: float, want: float) -> float:
        cursor = await world.connection.execute(
            "select held from quota_hold(%s, %s, %s, %s, %s, 0, %s, %s)",
            (limit.id, replica.id, world.moment // 86_400 * 86_400, kept, used, need, want),
        )
        row = await cursor.fetchone()
        assert row is not None
        return float(row[0])

    assert await hold(50, 10, 0, 5) == 50
    assert await hold(50, 10, 60, 80) == 90
    assert await hold(50, 10, 95, 95) == 50
    assert await hold(50, 130, 0, 10) == 130
    assert await hold(0, 0, 0, 0) == 0


async def test_the_load_of_the_others_is_told(world: World) -> None:
    made = await replicas(world, [], 3)
    told: list[object] = []
    for number, replica in enumerate(made):
        replica.quotas.replicas._load = lambda number=number: {"m e": (number, 10 * number)}
    made[0].quotas.replicas._elsewhere = told.append
    await seconds(world, made, 2)
    assert told[-1] == {"m e": (3, 30)}
    await seconds(world, made[:1], 12)
    assert told[-1] == {}


async def test_nobody_is_covered_by_the_limits_of_another(world: World) -> None:
    limit = await world.add_limit("tokens", "day", 10)
    other = Limit(
        limit.id, "key", uuid.uuid4(), None, limit.measure, limit.period, limit.amount
    )  # fmt: skip
    (replica,) = await replicas(world, [other])
    await replica.request(Work(10**6))
