"""Reserving and settling under every limit that covers a request, the tightest one winning."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas.estimate import TEMPLATE_TOKENS
from chappe.gateway.quotas.keeper import Keeper
from chappe.gateway.quotas.lease import Lease
from chappe.gateway.quotas.limits import Limit, Work, pace
from chappe.gateway.quotas.refusal import QuotaError, describe
from chappe.gateway.quotas.replicas import Load, ReplicaSet
from chappe.gateway.quotas.reservation import Cover, Reservation, seconds_left
from chappe.identity import Actor

_LONGEST_DELAY_SECONDS = 30.0
_DENIED_SECONDS = 0.1
_BETWEEN_SECONDS = 0.01
_TRIES = 20

Counter = Callable[[], Awaitable[int | None]]

_FREE = Reservation(Cover(()), [], [])
_FREE.settled = True


class Quotas:
    """The limits in force, as far as this process is concerned.

    Args:
        connections: the database.
        replica_id: this process's identifier.
        load: gives what it has in flight, for the other replicas.
        elsewhere: is told what the others have in flight, once a second.
        monotonic: a clock that never goes back.

    Attributes:
        refused: requests refused, by measure and period.
    """

    def __init__(
        self,
        connections: Connections,
        replica_id: uuid.UUID,
        load: Callable[[], Load] = dict,
        elsewhere: Callable[[Load], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.replicas = ReplicaSet(replica_id, load, elsewhere)
        self._keeper = Keeper(connections, self.replicas, self._given_up, monotonic)
        self._monotonic = monotonic
        self._limits: dict[uuid.UUID, Limit] = {}
        self._leases: dict[uuid.UUID, Lease] = {}
        self.refused: dict[tuple[str, str], int] = {}

    async def start(self) -> None:
        """Register this replica and begin to look after the leases."""
        await self._keeper.start()

    async def stop(self) -> None:
        """Give back what isn't in use, and leave."""
        await self._keeper.stop()

    @property
    def database_away(self) -> bool:
        """Are requests admitted from what is held, because the database doesn't answer."""
        return self._keeper.away

    def set_limits(self, limits: Iterable[Limit]) -> None:
        """Limits come into force; what is held of those that stay is kept."""
        self._limits = {limit.id: limit for limit in limits}
        for identifier, lease in list(self._leases.items()):
            limit = self._limits.get(identifier)
            if limit is None or (limit.period, limit.measure) != (
                lease.limit.period,
                lease.limit.measure,
            ):
                self._keeper.forget(self._leases.pop(identifier))
            elif limit != lease.limit:
                lease.change(limit)
                self._keeper.watch(lease)

    def _given_up(self) -> None:
        for lease in self._leases.values():
            lease.forget()

    def cover(self, actor: Actor, model: str) -> Cover:
        """The limits that cover what an actor asks of a model, until they change."""
        leases = []
        for limit in self._limits.values():
            if limit.covers(actor, model):
                lease = self._leases.get(limit.id)
                if lease is None:
                    lease = self._leases[limit.id] = Lease(limit)
                leases.append(lease)
        return Cover(tuple(leases))

    # Reserving

    def try_reserve(self, cover: Cover, work: Work) -> Reservation | None:
        """A reservation from what is held here; None when :meth:`reserve` has to ask.

        The sums of :meth:`Rates.charge` and :meth:`Lease.take` are written out for the case in
        which every lease holds enough: each request pays for them.
        """
        if not cover.leases:
            return _FREE
        if not cover.plain:
            return self._take(cover, cover.charges(work))
        now = self._monotonic()
        read, written = work.tokens_in, work.tokens_out
        charges: list[float] = []
        windows: list[int] = []
        beyond = False
        for lease, by_request, by_read, by_written in cover.rated:
            charge = by_request + by_read * read + by_written * written
            used = lease.used + charge
            if now >= lease.until or used > lease.held or not lease.refuses:
                for taken, amount in zip(cover.leases, charges, strict=False):
                    taken.used -= amount
                    taken.spent -= amount
                return self._take(cover, cover.charges(work))
            lease.used = used
            lease.spent += charge
            charges.append(charge)
            windows.append(lease.window)
            if used > lease.refill_at:
                lease.refill_at = float("inf")
                self._keeper.kick(lease)
            if used > lease.warn_from:
                beyond = True
        reservation = Reservation(cover, charges, windows)
        if beyond:
            self._note_beyond(reservation, now)
        return reservation

    def _take(self, cover: Cover, charges: list[float]) -> Reservation | None:
        """Take of every lease, or of none."""
        now = self._monotonic()
        windows: list[int] = []
        beyond = False
        for lease, charge in zip(cover.leases, charges, strict=True):
            windows.append(lease.window if now < lease.until else lease.window + 1)
            if not lease.take(charge, now):
                for taken, amount, window in zip(cover.leases, charges, windows[:-1], strict=False):
                    taken.untake(amount, window, now)
                return None
            if lease.used > lease.refill_at:
                lease.refill_at = float("inf")
                self._keeper.kick(lease)
            if lease.used > lease.warn_from or not lease.refuses:
                beyond = True
        reservation = Reservation(cover, charges, windows)
        if beyond:
            self._note_beyond(reservation, now)
        return reservation

    def _note_beyond(self, reservation: Reservation, now: float) -> None:
        """Warn, slow down, and have what limits that don't refuse let through counted."""
        warnings = []
        for lease, charge in zip(reservation.cover.leases, reservation.charges, strict=True):
            if not lease.refuses:
                self._keeper.watch(lease)
            if lease.used <= lease.warn_from:
                continue
            warnings.append(describe(lease.limit, "en"))
            if lease.limit.action == "slow":
                delay, lease.turn = pace(
                    charge, lease.left, seconds_left(lease, self._keeper.clock, now),
                    self.replicas.alive, lease.turn, now, _LONGEST_DELAY_SECONDS,
                )  # fmt: skip
                reservation.delay = max(reservation.delay, delay)
        reservation.warnings = tuple(warnings)

    async def reserve(self, cover: Cover, work: Work, count: Counter | None = None) -> Reservation:
        """A reservation, asking the database where it must.

        Args:
            cover: the limits, as :meth:`cover` gives them.
            work: what it may cost at most.
            count: counts the prompt's tokens; called only when the bound is too much.

        Raises:
            ChappeError: `quota_exceeded` or `quota_too_small` (429); `database_unreachable` (503)
                when the database is away and what is held of a limit is used up.
        """
        charges = cover.charges(work)
        tries = 0
        while (reservation := self._take(cover, charges)) is None:
            refused = self._denied(cover, charges)
            if refused is None:
                tries += 1
                refused = await self._obtain(cover, charges, last=tries == _TRIES)
            if refused is None:
                continue
            if count is not None and refused[0].limit.measure == "tokens":
                real, count = await count(), None
                if real is not None and real + TEMPLATE_TOKENS < work.tokens_in:
                    work = msgspec.structs.replace(work, tokens_in=real + TEMPLATE_TOKENS)
                    charges = cover.charges(work)
                    continue
            raise self._refusal(*refused)
        return reservation

    def _denied(self, cover: Cover, charges: list[float]) -> tuple[Lease, float] | None:
        """A lease of which the database had too little left a moment ago."""
        now = self._monotonic()
        for lease, charge in zip(cover.leases, charges, strict=True):
            if lease.refuses and charge > lease.amount:
                return lease, charge
            denied = now < lease.denied_until and charge >= lease.denied
            if denied and now < lease.until and lease.lacks(charge, now):
                return lease, charge
        return None

    async def _obtain(
        self, cover: Cover, charges: list[float], last: bool
    ) -> tuple[Lease, float] | None:
        """Ask the database for what the leases lack; gives one that still lacks it, if any."""
        now = self._monotonic()
        short = [
            (lease, charge)
            for lease, charge in zip(cover.leases, charges, strict=True)
            if lease.lacks(charge, now)
        ]
        for lease, charge in short:
            lease.waiting.append(charge)
        try:
            await self._keeper.ask([lease for lease, _ in short])
        except ChappeError:
            if not await self._serve_alone([lease for lease, _ in short], last):
                raise
            return None
        finally:
            for lease, charge in short:
                lease.waiting.remove(charge)
        now = self._monotonic()
        for lease, charge in short:
            if not lease.lacks(charge, now):
                continue
            if now >= lease.until and not last:
                await asyncio.sleep(_BETWEEN_SECONDS)  # its window ends in this instant
            elif not lease.full or last:
                lease.denied_until, lease.denied = now + _DENIED_SECONDS, charge
                return lease, charge
        return None

    async def _serve_alone(self, leases: list[Lease], last: bool) -> bool:
        """Begin windows of our own while the database is away; is it worth going on."""
        if any([self._keeper.serve_alone(lease) for lease in leases]):
            return True
        if last or not any(self._keeper.between(lease) for lease in leases):
            return False
        await asyncio.sleep(10 * _BETWEEN_SECONDS)
        return True

    def _refusal(self, lease: Lease, charge: float) -> QuotaError:
        limit = lease.limit
        name = (limit.measure, limit.period or "")
        self.refused[name] = self.refused.get(name, 0) + 1
        after = (
            None
            if charge > lease.amount
            else seconds_left(lease, self._keeper.clock, self._monotonic())
        )
        return QuotaError(limit, charge, lease.left, after)

    # Settling

    def settle(self, reservation: Reservation, used: Work) -> None:
        """Charge what a request did cost; once, whatever became of it, and without waiting."""
        if not reservation.settled:
            self._end(reservation, reservation.cover.charges(used))

    def release(self, reservation: Reservation) -> None:
        """Give back all of it, the request included: it was never sent."""
        if not reservation.settled:
            self._end(reservation, [0.0] * len(reservation.charges))

    def _end(self, reservation: Reservation, spent: list[float]) -> None:
        reservation.settled = True
        now = self._monotonic()
        watch = self._keeper.watch
        for lease, charge, window, cost in zip(  # noqa: B905 (a hot path)
            reservation.cover.leases, reservation.charges, reservation.windows, spent
        ):
            if window == lease.window and now < lease.until and lease.periodic:
                lease.used -= charge - cost  # as Lease.give would
            else:
                lease.give(charge, cost, window, now)
            watch(lease)
            if lease.prompt:
                self._keeper.kick(lease)

    # Telling

    def header_lines(self, reservation: Reservation) -> bytes:
        """`x-ratelimit-*` lines for the tightest limits, and which are nearly used up."""
        if not reservation.cover.leases:
            return b""
        lines = reservation.cover.header_lines(self._keeper.clock, self._monotonic())
        if reservation.warnings:
            text = "; ".join(reservation.warnings).encode("ascii", "replace")
            lines += b"x-chappe-budget-warning: %b\r\n" % text
        return lines

    def states(self) -> dict[uuid.UUID, tuple[float, float]]:
        """By limit: what this process holds unused, and what all hold, when last told."""
        return {
            identifier: (lease.held - lease.used, lease.others + lease.held)
            for identifier, lease in self._leases.items()
        }
