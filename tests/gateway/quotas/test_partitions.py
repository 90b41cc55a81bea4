"""The sum never exceeds a limit: random cuts, lost confirmations, kills, drifting clocks."""

import asyncio
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chappe.core.errors import ChappeError
from chappe.gateway.quotas import Limit, Reservation, Work
from chappe.gateway.quotas.limits import Period, window_end, window_start
from gateway.quotas.virtual import Fault, Replica, World

AMOUNT = 120.0
PERMITS = 5
_MOST_REQUESTS = 40
_TOLERANCE = 1e-6
_FAULTS = st.sampled_from(["none", "none", "cut", "cut", "before_commit", "after_commit"])
_WHICH = st.integers(0, 3)


class Partitions(RuleBasedStateMachine):
    """Up to 4 replicas that each ask for as much as they get, under one limit."""

    world: World
    loop: asyncio.AbstractEventLoop
    seen: Counter[str]
    periods: tuple[Period | None, ...] = ("minute", "day", "month")

    def __init__(self) -> None:
        super().__init__()
        self.replicas: list[Replica] = []
        self.dead: list[Replica] = []
        self.limit: Limit
        # What each window really gave, by the database's true time at admission.
        self.given: dict[float, float] = {}
        self.running: list[tuple[Replica, Reservation, float, float]] = []

    def do(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def window(self) -> float:
        period = self.limit.period
        return window_start(period, self.world.moment) if period else 0.0

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        period = data.draw(st.sampled_from(self.periods))

        async def work() -> None:
            await self.world.reset()
            self.limit = await (
                self.world.add_limit("tokens", period, AMOUNT)
                if period
                else self.world.add_limit("concurrency", None, PERMITS)
            )
            for _ in range(3):
                await self._start()
            for replica in self.replicas:
                await replica.beat()

        self.do(work())

    async def _start(self) -> None:
        number = len(self.replicas) + len(self.dead)
        replica = Replica(self.world, 1000.0 * number, 1 + (number % 3 - 1) * 1e-4)
        replica.quotas.set_limits([self.limit])
        self.replicas.append(replica)
        await replica.beat()

    # Time

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 4.0, 20.0, 900.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.world.advance(seconds))

    @precondition(lambda self: self.limit.period)
    @rule(offset=st.sampled_from([-0.02, -0.001, 0.001, 0.2, 2.0, 4.0]))
    def a_window_ends(self, offset: float) -> None:
        period = self.limit.period
        assert period is not None
        end = window_end(period, window_start(period, self.world.moment))
        self.do(self.world.advance(max(0.0, end + offset - self.world.moment)))

    @rule(turns=st.sampled_from([0, 1, 4]))
    def seconds_of_life(self, turns: int) -> None:
        """Everybody beats, once a second, or once without any time passing."""

        async def work() -> None:
            for _ in range(max(1, turns)):
                if turns:
                    await self.world.advance(1.0)
                for replica in self.replicas:
                    await replica.beat()

        self.do(work())

    @precondition(lambda self: self.replicas)
    @rule(which=_WHICH)
    def one_beats(self, which: int) -> None:
        self.do(self.replicas[which % len(self.replicas)].beat())

    # Requests

    @rule(first=_WHICH, charge=st.sampled_from([3, 10, 25]))
    def all_take_all_they_get(self, first: int, charge: int) -> None:
        for replica in self.replicas[first:] + self.replicas[:first]:
            self._take_all(replica, charge, _MOST_REQUESTS)

    @precondition(lambda self: self.replicas)
    @rule(which=_WHICH, charge=st.sampled_from([3, 10, 25]), times=st.sampled_from([1, 3, 40]))
    def one_takes(self, which: int, charge: int, times: int) -> None:
        self._take_all(self.replicas[which % len(self.replicas)], charge, times)

    def _take_all(self, replica: Replica, charge: int, times: int) -> None:
        for _ in range(times):
            try:
                reservation = self.do(replica.request(Work(charge)))
            except ChappeError as error:
                self.seen[error.code] += 1
                return
            self.seen["admitted"] += 1
            self.seen["alone"] += any(lease.alone for lease in reservation.cover.leases)
            start = self.window()
            self.given[start] = self.given.get(start, 0.0) + charge
            self.running.append((replica, reservation, charge, start))

    @rule(part=st.sampled_from([0.2, 1.0]), share=st.sampled_from([0.0, 0.5, 1.0]))
    def requests_end(self, part: float, share: float) -> None:
        count = math.ceil(part * len(self.running))
        ending, self.running = self.running[:count], self.running[count:]
        for replica, reservation, charge, start in ending:
            used = int(charge * share)
            replica.quotas.settle(reservation, Work(used))
            replica.quotas.settle(reservation, Work(used))
            # What comes back can be used again only within its own window.
            if self.window() == start:
                self.given[start] -= charge - used

    # Misfortune

    @precondition(lambda self: self.replicas)
    @rule(which=_WHICH, fault=_FAULTS)
    def network_changes(self, which: int, fault: Fault) -> None:
        self.replicas[which % len(self.replicas)].link.fault = fault

    @rule(first=st.integers(0, 2), fault=_FAULTS)
    def database_changes(self, first: int, fault: Fault) -> None:
        for replica in self.replicas[first:]:
            replica.link.fault = fault

    @precondition(lambda self: self.limit.period and self.replicas)
    @rule(
        cut=st.integers(1, 3),
        before=st.sampled_from([0.5, 2.0, 3.5, 8.0]),
        after=st.sampled_from([-0.001, 0.001, 0.3, 5.0]),
        fault=st.sampled_from(["cut", "cut", "after_commit"]),
        heals=st.booleans(),
    )
    def a_partition_around_a_boundary(
        self, cut: int, before: float, after: float, fault: Fault, heals: bool
    ) -> None:
        self._take_all(self.replicas[0], 10, 3)
        self.a_window_ends(-before)
        self.seconds_of_life(0)
        for replica in self.replicas[:cut]:
            replica.link.fault = fault
        self.seconds_of_life(0)
        self.a_window_ends(after)
        self.all_take_all_they_get(0, 10)
        self.do(self.world.advance(0.5))
        if heals:
            for replica in self.replicas:
                replica.link.fault = "none"
            self.seconds_of_life(1)
            self.all_take_all_they_get(0, 10)

    @precondition(lambda self: self.replicas)
    @rule(share=st.sampled_from([0.0, 0.5]), fault=_FAULTS)
    def what_goes_back_is_not_confirmed(self, share: float, fault: Fault) -> None:
        first = self.replicas[0]
        self._take_all(first, 10, 8)
        self.requests_end(1.0, share)
        first.link.fault = fault
        first.keeper._tick()
        self.do(first.keeper._work())
        self.all_take_all_they_get(1, 10)

    @precondition(lambda self: self.replicas)
    @rule(which=_WHICH, latency=st.sampled_from([0.0, 0.02, 0.5]))
    def network_slows(self, which: int, latency: float) -> None:
        self.replicas[which % len(self.replicas)].link.latency = latency

    @precondition(lambda self: len(self.replicas) > 1)
    @rule(which=_WHICH)
    def kill(self, which: int) -> None:
        replica = self.replicas.pop(which % len(self.replicas))
        self.dead.append(replica)
        # Its requests ended with it, but the database learns that at its takeover only.
        self.running = [item for item in self.running if item[0] is not replica]

    @rule()
    def take_over_the_dead(self) -> None:
        async def work() -> None:
            for replica in self.dead:
                await self.world.connection.execute(
                    "delete from gateway_replica where id = %s", (replica.id,)
                )

        self.do(work())

    @precondition(lambda self: len(self.replicas) < 4)
    @rule()
    def another_starts(self) -> None:
        self.do(self._start())

    @precondition(lambda self: len(self.replicas) > 1)
    @rule(which=_WHICH)
    def leave(self, which: int) -> None:
        replica = self.replicas[which % len(self.replicas)]
        if any(item[0] is replica for item in self.running):
            return
        self.replicas.remove(replica)
        self.do(replica.leave())
        self.dead.append(replica)

    @invariant()
    def nothing_is_exceeded(self) -> None:
        if self.periods == (None,):
            assert len(self.running) <= PERMITS
            return
        for start, given in self.given.items():
            note(f"{start}: {given}")
            assert given <= AMOUNT + _TOLERANCE


class Permits(Partitions):
    """The same under a limit on requests at once."""

    periods = (None,)


def walk(machine: type[Partitions], database_url: str, examples: int) -> Counter[str]:
    """Walk at random so many times; gives what was met."""
    loop = asyncio.new_event_loop()
    try:
        machine.loop = loop
        machine.world = loop.run_until_complete(World.open(database_url))
        machine.seen = Counter()
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        loop.run_until_complete(machine.world.connection.close())
    finally:
        loop.close()
    return machine.seen


@pytest.mark.parametrize("machine", [Partitions, Permits])
def test_sum_never_exceeds(machine: type[Partitions], database_url: str) -> None:
    seen = walk(machine, database_url, 12)
    assert seen["admitted"] > 20


@pytest.mark.slow(reason="minutes of walking, where a few seconds find coarse mistakes")
@pytest.mark.parametrize("machine", [Partitions, Permits])
def test_sum_never_exceeds_in_long_walks(machine: type[Partitions], database_url: str) -> None:
    seen = walk(machine, database_url, 60)
    # The walk went through what it is about.
    assert seen["admitted"] > 100
    assert seen["quota_exceeded"] > 20
    assert seen["database_unreachable"] > 20
    assert seen["alone"] > 0 or machine is Permits
