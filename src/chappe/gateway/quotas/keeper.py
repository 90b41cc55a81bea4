"""Keeps the leases of this process: heartbeats, refills, returns. The only one to ask the database.

One question is under way at a time, and everything that waits goes into the next one, so that many
requests that need the database share a round trip.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence

import psycopg

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas.clock import DatabaseClock
from chappe.gateway.quotas.lease import Lease, Plan
from chappe.gateway.quotas.limits import window_end
from chappe.gateway.quotas.replicas import HEARTBEAT_SECONDS, ReplicaSet

log = logging.getLogger(__name__)

_HOLD = """
    select h.held, h.total, h.amount, h.start, h.moment
    from unnest(%s::uuid[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
                %s::float8[]) with ordinality
        as a (id, known, kept, used, debt, need, want, place)
    left join lateral quota_hold(a.id, %s, known, kept, used, debt, need, want) h on true
    order by a.place
"""
_MOST_AT_ONCE = 500

Answer = tuple[float | None, float, float, float, float]


class Keeper:
    """Asks the database for leases, and gives them back.

    Args:
        connections: the database.
        replicas: this replica among the others.
        given_up: is called when the others had given this replica up.
        monotonic: a clock that never goes back.

    Attributes:
        away: did the last question to the database fail.
        clock: what is known of the database's clock.
        watch: has a lease looked after, at the next tick.
    """

    def __init__(
        self,
        connections: Connections,
        replicas: ReplicaSet,
        given_up: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._monotonic = monotonic
        self._given_up = given_up
        self.replicas = replicas
        self.clock = DatabaseClock()
        self.away = False
        self._heard_by = float("-inf")
        self._active: set[Lease] = set()
        self.watch = self._active.add
        self._dirty: set[Lease] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ticked_at = self._beat_at = monotonic()

    async def start(self) -> None:
        """Register this replica, if the database is there, and go on from there."""
        await self._beat()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Give everything back that isn't in use, and leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail_waiters(_unreachable())
        try:
            if self.away:
                raise _unreachable()
            if self.replicas.registered:
                await self._report_and_beat()
                for batch in _batches(self._active):
                    await self._exchange(batch, leaving=True)
                async with self._connections.transaction() as connection:
                    await self.replicas.leave(connection)
        except (ChappeError, psycopg.Error):
            log.warning("replica_left_unsaid", extra={"replica": self.replicas.replica})

    def kick(self, lease: Lease) -> None:
        """Something about this lease is worth a question."""
        self._active.add(lease)
        if lease not in self._dirty and not self.away:
            self._dirty.add(lease)
            self._wake.set()

    def ask(self, leases: Sequence[Lease]) -> asyncio.Future[None]:
        """Done when a question about these leases that begins after this call was answered.

        It fails with `database_unreachable`.
        """
        self._active.update(leases)
        self._dirty.update(leases)
        future = asyncio.get_running_loop().create_future()
        if self.away:
            future.set_exception(_unreachable())
            return future
        self._waiters.append(future)
        self._wake.set()
        return future

    def serve_alone(self, lease: Lease) -> bool:
        """While the database is away: begin a window from our own share, if that is safe."""
        self._active.add(lease)
        return self.away and lease.serve_alone(
            self.clock, self.replicas.share, self._heard_by, self.replicas.valid, self._monotonic()
        )

    def between(self, lease: Lease) -> bool:
        """Has a lease's window perhaps ended, but the next one not surely begun."""
        period, start = lease.limit.period, lease.start
        if period is None or start is None:
            return False
        now, end = self._monotonic(), window_end(period, start)
        return self.clock.earliest(now) < end <= self.clock.latest(now)

    def forget(self, lease: Lease) -> None:
        """The limit is no more."""
        self._active.discard(lease)
        self._dirty.discard(lease)

    # The one task

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                # Requests wait for this task: it must neither end nor leave them waiting.
                log.exception("quota_keeper_failed")
                self._fail_waiters(_unreachable())
                await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _turn(self) -> None:
        wait = self._beat_at + HEARTBEAT_SECONDS - self._monotonic()
        if wait > 0 and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
        if self._monotonic() >= self._beat_at + HEARTBEAT_SECONDS:
            self._tick()
            await self._beat()
        self._wake.clear()
        await self._work()

    def _tick(self) -> None:
        now = self._monotonic()
        seconds = max(1e-3, now - self._ticked_at)
        self._ticked_at = now
        replicas = self.replicas
        for lease in list(self._active):
            lease.tick(seconds)
            lease.refresh(self.clock, replicas.valid)
            if lease.wants_exchange(replicas.alive, now):
                self._dirty.add(lease)
            elif lease.idle(now):
                self._active.discard(lease)

    async def _work(self) -> None:
        dirty, self._dirty = self._dirty, set()
        waiters, self._waiters = self._waiters, []
        failure: ChappeError | None = None
        try:
            if self.away or not self.replicas.registered:
                failure = _unreachable()
            elif dirty:
                for batch in _batches(dirty):
                    await self._exchange(batch)
        except (ChappeError, psycopg.Error) as error:
            failure = _unreachable()
            self._lost(error)
        except BaseException:
            self._waiters = waiters + self._waiters
            raise
        for waiter in waiters:
            if not waiter.done():
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)

    def _fail_waiters(self, error: ChappeError) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def _lost(self, error: Exception) -> None:
        self.replicas.missed()
        if not self.away:
            log.warning("database_away", extra={"reason": str(error)[:200]})
        self.away = True

    async def _exchange(self, leases: Sequence[Lease], *, leaving: bool = False) -> None:
        question = _Question(self, leases, leaving)
        try:
            async with self._connections.transaction() as connection:
                await question.ask(connection)
                question.closing = True
        except BaseException:
            question.failed()
            raise
        question.committed()

    async def _beat(self) -> None:
        self._beat_at = self._monotonic()
        try:
            await self._report_and_beat()
        except (ChappeError, psycopg.Error) as error:
            self._lost(error)
            return
        if self.away:
            log.warning("database_back")
        self.away = False

    async def _report_and_beat(self) -> None:
        """In one transaction: what was used of our own share while away, and that we live."""
        known = self.replicas.registered
        question = _Question(self, [lease for lease in self._active if lease.alone], False)
        try:
            async with self._connections.transaction() as connection:
                if known:
                    await question.ask(connection)
                sent = self._monotonic()
                moment, fresh, loads = await self.replicas.beat(connection)
                self.clock.heard(moment, sent, self._monotonic())
                # From here on it may be committed, whether we are told so or not.
                self._heard_by = self.clock.latest(self._monotonic())
                question.closing = True
        except BaseException:
            question.failed()
            raise
        question.committed()
        self.replicas.heard(sent, loads)
        if fresh and known:
            log.warning("replica_was_given_up", extra={"replica": self.replicas.replica})
            self._given_up()


class _Question:
    """One question about several leases, whatever becomes of it.

    Attributes:
        closing: has the commit been asked for, so that only its confirmation is missing.
    """

    def __init__(self, keeper: Keeper, leases: Sequence[Lease], leaving: bool) -> None:
        # Always in the same order: two replicas that lock the same limits can't wait in a circle.
        self._leases = sorted(leases, key=lambda lease: lease.limit.id)
        self._keeper = keeper
        self._leaving = leaving
        self._plans: list[Plan] = []
        self._answers: list[Answer] = []
        self.closing = False

    async def ask(self, connection: Connection) -> None:
        """Ask, in a transaction that the caller commits."""
        if not self._leases:
            return
        keeper = self._keeper
        replicas = keeper.replicas
        sent = keeper._monotonic()
        self._plans = [
            lease.begin(replicas.alive, sent, leaving=self._leaving) for lease in self._leases
        ]
        plans = self._plans
        cursor = await connection.execute(
            _HOLD,
            (
                [lease.limit.id for lease in self._leases],
                [plan.known for plan in plans],
                [plan.kept for plan in plans],
                [plan.used for plan in plans],
                [plan.debt for plan in plans],
                [plan.need for plan in plans],
                [plan.want for plan in plans],
                replicas.replica,
            ),
        )
        answers: list[Answer] = await cursor.fetchall()
        if answers[-1][0] is not None:
            keeper.clock.heard(answers[-1][4], sent, keeper._monotonic())
        self._answers = answers

    def failed(self) -> None:
        """It wasn't committed or, once that was asked for, it isn't known whether it was."""
        for lease, plan in zip(self._leases, self._plans, strict=False):
            if self.closing:
                lease.lose()
            else:
                lease.undo(plan)

    def committed(self) -> None:
        """It is done: what was granted can be used."""
        keeper = self._keeper
        now = keeper._monotonic()
        for lease, plan, answer in zip(self._leases, self._plans, self._answers, strict=False):
            held, total, amount, start, _ = answer
            if held is None:
                lease.vanish()
                continue
            lease.apply(
                plan,
                (held, total, amount, start),
                keeper.clock,
                keeper.replicas.alive,
                keeper.replicas.valid,
                now,
            )


def _batches(leases: Iterable[Lease]) -> list[list[Lease]]:
    ordered = sorted(leases, key=lambda lease: lease.limit.id)
    return [
        ordered[first : first + _MOST_AT_ONCE] for first in range(0, len(ordered), _MOST_AT_ONCE)
    ]


def _unreachable() -> ChappeError:
    error = ChappeError("database_unreachable", 503, reason="")
    error.retry_after = 5.0
    return error
