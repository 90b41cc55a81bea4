"""Reserving and settling under every limit that covers a request, the tightest one winning."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas.lease import Lease
from chappe.gateway.quotas.limits import PERIOD_SECONDS, Limit, Work
from chappe.gateway.quotas.replicas import Load, ReplicaSet
from chappe.identity import Actor

log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_MOST_CACHED = 20_000
_LONGEST_DELAY_SECONDS = 30.0
_HEADER_SECONDS = 0.25

Counter = Callable[[], Awaitable[int | None]]


class Reservation:
    """What a request holds of the limits that cover it, until it is settled.

    Attributes:
        delay: seconds to wait before it is sent, for limits that slow down.
        warnings: limits that are nearly or quite used up.
        counts_tokens: is an answer's length bounded by a limit.
    """

    __slots__ = ("charges", "counts_tokens", "delay", "leases", "settled", "warnings", "windows")

    def __init__(self, leases: tuple[Lease, ...], charges: list[float]) -> None:
        self.leases = leases
        self.charges = charges
        self.windows = [lease.window for lease in leases]
        self.delay = 0.0
        self.warnings: tuple[str, ...] = ()
        self.settled = False
        self.counts_tokens = any(
            lease.limit.measure == "tokens" and lease.limit.action == "refuse" for lease in leases
        )


_FREE = Reservation((), [])
_FREE.settled = True


class Quotas:
    """The limits in force, as far as this process is concerned.

    Args:
        connections: the database.
        replica: this process's identifier.
        load: gives what it has in flight, for the other replicas.
        elsewhere: is told what the others have in flight.
    """

    def __init__(
        self,
        connections: Connections,
        replica: uuid.UUID,
        load: Callable[[], Load] = dict,
        elsewhere: Callable[[Load], None] = lambda _: None,
    ) -> None:
        self._connections = connections
        self._replica = replica
        self._leases: dict[uuid.UUID, Lease] = {}
        self._covering: dict[tuple[object, ...], tuple[Lease, ...]] = {}
        self._locks: dict[uuid.UUID, asyncio.Lock] = {}
        self._refills: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._lines: dict[tuple[Lease, ...], tuple[float, bytes]] = {}
        self.replicas = ReplicaSet(connections, replica, load, elsewhere)

    async def start(self) -> None:
        """Register this replica and begin to look after the leases."""
        await self.replicas.start()
        self._task = asyncio.create_task(self._tick_for_ever())

    async def stop(self) -> None:
        """Give back what is held for nothing, and leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._refills, return_exceptions=True)
        for lease in self._leases.values():
            if lease.available > 0 and time.monotonic() < lease.ends:
                await self._return(lease, lease.available)
        await self.replicas.stop()

    def set_limits(self, limits: Iterable[Limit]) -> None:
        """Limits come into force; what is held of those that stay is kept."""
        wanted = {limit.id: limit for limit in limits}
        for gone in self._leases.keys() - wanted.keys():
            del self._leases[gone]
        for identifier, limit in wanted.items():
            lease = self._leases.get(identifier)
            if lease is None or lease.limit.period != limit.period:
                self._leases[identifier] = Lease(limit, self._replica)
            else:
                lease.limit = limit
        self._covering.clear()
        self._lines.clear()

    def covering(self, actor: Actor, model: str) -> tuple[Lease, ...]:
        """The leases of the limits that cover what an actor asks of a model."""
        if not self._leases:
            return ()
        key = (actor.key_id, actor.person_id, actor.organisation_id, model)
        found = self._covering.get(key)
        if found is None:
            if len(self._covering) >= _MOST_CACHED:
                self._covering.clear()
            found = tuple(
                lease for lease in self._leases.values() if lease.limit.covers(actor, model)
            )
            self._covering[key] = found
        return found

    # Reserving

    def try_reserve(self, actor: Actor, model: str, work: Work) -> Reservation | None:
        """A reservation from what is held here; None when the database has to be asked."""
        leases = self.covering(actor, model)
        if not leases:
            return _FREE
        now = time.monotonic()
        charges = [lease.limit.charge(work) for lease in leases]
        for index, lease in enumerate(leases):
            if not lease.take(charges[index], now):
                for taken, charge in zip(leases[:index], charges, strict=False):
                    taken.give(charge, 0.0, taken.window)
                return None
            if lease.available < 0.5 * lease.target(self.replicas.alive):
                self._refill(lease, now)
        return self._reserved(leases, charges)

    async def reserve(
        self, actor: Actor, model: str, work: Work, count: Counter | None = None
    ) -> Reservation:
        """A reservation, asking the database where it must.

        Args:
            actor: who asks.
            model: of which model.
            work: what it may cost at most.
            count: counts the prompt's tokens; called only when the bound is too much.

        Raises:
            ChappeError: `quota_exceeded` (429).
        """
        leases = self.covering(actor, model)
        charges = [lease.limit.charge(work) for lease in leases]
        taken = 0
        delay = 0.0
        counted = False
        try:
            while taken < len(leases):
                lease, charge = leases[taken], charges[taken]
                if not await self._take(lease, charge):
                    if count is not None and not counted and lease.limit.measure == "tokens":
                        counted = True
                        real = await count()
                        if real is not None and real < work.tokens_in:
                            work = Work(real, work.tokens_out, work.audio_seconds, work.energy_wh)
                            charges[taken:] = [other.limit.charge(work) for other in leases[taken:]]
                            continue
                    delay = max(delay, self._beyond(lease, charge))
                taken += 1
        except BaseException:
            for lease, charge in zip(leases[:taken], charges, strict=False):
                lease.give(charge, 0.0, lease.window)
            raise
        reservation = self._reserved(leases, charges)
        reservation.delay = delay
        return reservation

    def _reserved(self, leases: tuple[Lease, ...], charges: list[float]) -> Reservation:
        reservation = Reservation(leases, charges)
        warnings = [
            lease.limit.description
            for lease in leases
            if lease.limit.period is not None
            and lease.total - lease.available >= lease.limit.warn_at * lease.limit.amount
        ]
        if warnings:
            reservation.warnings = tuple(warnings)
        return reservation

    async def _take(self, lease: Lease, charge: float) -> bool:
        if lease.take(charge, time.monotonic()):
            return True
        async with self._locks.setdefault(lease.limit.id, asyncio.Lock()):
            now = time.monotonic()
            if lease.take(charge, now):
                return True
            if now < lease.next_try and now < lease.ends:
                return False
            try:
                await lease.acquire(self._connections, charge, self.replicas.view, now)
            except ChappeError:
                lease.serve_alone(self.replicas.view, time.monotonic())
            return lease.take(charge, time.monotonic())

    def _beyond(self, lease: Lease, charge: float) -> float:
        """A limit is used up: refuse, or count and give the seconds to wait.

        Raises:
            ChappeError: `quota_exceeded`.
        """
        limit, now = lease.limit, time.monotonic()
        if limit.action == "warn":
            lease.overdraw(charge, now)
            return 0.0
        if limit.action == "slow" and limit.period is not None and limit.amount > 0:
            # Beyond the limit, requests go at the limit's own mean rate.
            start = max(now, lease.pace)
            if start - now <= _LONGEST_DELAY_SECONDS:
                lease.pace = start + charge / (limit.amount / PERIOD_SECONDS[limit.period])
                lease.overdraw(charge, now)
                return start - now
        after = lease.ends - now if 0 < lease.ends - now < 32 * 86_400 else 1.0
        error = ChappeError(
            "quota_exceeded", 429, limit=limit.description, seconds=max(1, round(after))
        )
        error.retry_after = after
        raise error

    # Settling

    def settle(self, reservation: Reservation, used: Work) -> None:
        """Give back what was reserved and not used; once, and without waiting."""
        if reservation.settled:
            return
        reservation.settled = True
        for lease, charge, window in zip(
            reservation.leases, reservation.charges, reservation.windows, strict=True
        ):
            lease.give(charge, lease.limit.charge(used), window)

    def release(self, reservation: Reservation) -> None:
        """Give back all of it: the request was never sent."""
        if reservation.settled:
            return
        reservation.settled = True
        for lease, charge, window in zip(
            reservation.leases, reservation.charges, reservation.windows, strict=True
        ):
            lease.give(charge, 0.0, window)

    # Looking after the leases

    def _refill(self, lease: Lease, now: float) -> None:
        if lease.busy or now < lease.next_try:
            return
        lease.busy = True
        task = asyncio.get_running_loop().create_task(self._refill_now(lease))
        self._refills.add(task)
        task.add_done_callback(self._refills.discard)

    async def _refill_now(self, lease: Lease) -> None:
        try:
            async with self._locks.setdefault(lease.limit.id, asyncio.Lock()):
                await lease.acquire(self._connections, 0.0, self.replicas.view, time.monotonic())
        except ChappeError:
            lease.next_try = time.monotonic() + 1.0  # held leases go on; see replicas' log line
        finally:
            lease.busy = False

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            for lease in list(self._leases.values()):
                idle = lease.tick(now)
                if self.replicas.database_away:
                    continue
                if idle:
                    await self._return(lease, idle)
                elif lease.available < 0 or lease.self_granted:
                    self._refill(lease, now)

    async def _return(self, lease: Lease, amount: float) -> None:
        lease.available -= amount
        window = lease.window
        try:
            async with self._connections.transaction() as connection:
                await connection.execute(
                    "select quota_return(%s, %s, %s, %s)",
                    (lease.limit.id, lease.start, self._replica, amount),
                )
            lease.total -= amount
        except ChappeError:
            # Whether it was returned isn't known: it isn't used here any more, either way.
            log.info("lease_not_returned", extra={"limit": lease.limit.id, "window": window})

    # Telling

    def header_lines(self, reservation: Reservation) -> bytes:
        """`x-ratelimit-*` lines for the tightest limits on requests and on tokens."""
        leases = reservation.leases
        if not leases:
            return b""
        now = time.monotonic()
        cached = self._lines.get(leases)
        if cached is None or now >= cached[0]:
            if len(self._lines) >= _MOST_CACHED:
                self._lines.clear()
            cached = (now + _HEADER_SECONDS, _lines(leases, now))
            self._lines[leases] = cached
        if not reservation.warnings:
            return cached[1]
        text = "; ".join(reservation.warnings).encode("ascii", "replace")
        return cached[1] + b"x-chappe-budget-warning: %b\r\n" % text

    def states(self) -> dict[uuid.UUID, tuple[float, float]]:
        """By limit: what this process holds unused, and what all hold, when last told."""
        return {i: (lease.available, lease.total) for i, lease in self._leases.items()}


def _lines(leases: tuple[Lease, ...], now: float) -> bytes:
    lines = b""
    for measure in ("requests", "tokens"):
        tightest: tuple[float, float, float] | None = None
        for lease in leases:
            limit = lease.limit
            if limit.measure != measure or limit.period is None:
                continue
            left = max(0.0, min(limit.amount, limit.amount - lease.total + lease.available))
            reset = max(0.0, min(lease.ends - now, 32 * 86_400.0))
            if tightest is None or left / max(1.0, limit.amount) < tightest[1] / max(
                1.0, tightest[0]
            ):
                tightest = (limit.amount, left, reset)
        if tightest is not None:
            name = measure.encode()
            lines += (
                b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\n"
                b"x-ratelimit-reset-%b: %ds\r\n"
                % (name, tightest[0], name, tightest[1], name, round(tightest[2]))
            )
    return lines
