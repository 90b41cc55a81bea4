"""What this process holds of one limit.

A lease is a part of a limit's present window that the database has granted to this process alone:
taking from it needs no question to anybody, and all leases together never exceed the limit. Windows
are of the database's clock; here only a monotonic clock is read, from before the question was sent,
so that a lease ends here a little before its window does there, never after.

While the database is away, a new window is served from this process's own share of the limit,
amount / replicas, provided that it lost the database at least 10 s before the window began: the
others then count its share as taken (they see it silent for 5 s), so the sum still holds.
"""

import math
import uuid
from dataclasses import dataclass
from datetime import datetime

from chappe.core.connections import Connections
from chappe.gateway.quotas.limits import PERIOD_SECONDS, Limit

_TARGET_SECONDS = 2.0
_LARGEST_SHARE = 0.1
_LOST_BEFORE_SECONDS = 10.0
_RETRY_SECONDS = 0.25
# A grant that would end within this time isn't used: the question itself took time.
_MARGIN_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Replicas:
    """What a lease knows of the others: how many replicas share, and since when none was heard.

    Attributes:
        count: replicas, this one included.
        heard_at: monotonic moment of the last heartbeat that the database took.
    """

    count: int
    heard_at: float


class Lease:
    """This process's part of one limit.

    Attributes:
        available: what may still be taken; negative when more was used than was reserved.
        window: counts the windows, so that what is given back late isn't given to another one.
        total: what all replicas hold of the window, when last told.
    """

    __slots__ = (
        "available", "busy", "ends", "in_use", "limit", "next_try", "pace", "rate", "replica",
        "self_granted", "start", "taken", "ticked_at", "total", "window",
    )  # fmt: skip

    def __init__(self, limit: Limit, replica: uuid.UUID) -> None:
        self.limit = limit
        self.replica = replica
        self.available = 0.0
        self.total = 0.0
        self.window = 0
        # A concurrency has no window that ends.
        self.ends = math.inf if limit.period is None else 0.0
        self.start: datetime | str | None = None
        self.in_use = 0.0
        self.taken = 0.0
        self.rate = 0.0
        self.ticked_at = 0.0
        self.busy = False
        self.next_try = 0.0
        self.pace = 0.0
        self.self_granted = 0.0

    def take(self, charge: float, now: float) -> bool:
        """Take from what is held, if it is enough."""
        if now >= self.ends or self.available < charge:
            return False
        self.available -= charge
        self.taken += charge
        self.in_use += charge
        return True

    def overdraw(self, charge: float, now: float) -> None:
        """Take whatever is held: limits that warn or slow down count, and don't refuse."""
        self._roll(now)
        self.available -= charge
        self.taken += charge
        self.in_use += charge

    def give(self, charge: float, used: float, window: int) -> None:
        """A reservation of `charge` ends, of which `used` was spent."""
        self.in_use -= charge
        if self.limit.period is None:
            self.available += charge
        elif window == self.window:
            self.available += charge - used
        elif used > charge:
            # The window it was reserved in is over; what was spent beyond it counts now.
            self.available -= used - charge

    def _roll(self, now: float) -> None:
        if now >= self.ends:
            # What was held of the old window is gone with it; a debt isn't.
            self.available = min(0.0, self.available)
            self.self_granted = 0.0
            self.start = None
            self.total = 0.0
            self.window += 1
            self.ends = math.inf

    def target(self, replicas: int) -> float:
        """How much to hold: two seconds of use, at most a tenth of the limit among all."""
        largest = _LARGEST_SHARE * self.limit.amount / max(1, replicas)
        if self.limit.period is None:
            return max(1.0, largest)
        return max(min(largest, _TARGET_SECONDS * self.rate), 0.1 * largest)

    async def acquire(
        self, connections: Connections, need: float, replicas: Replicas, now: float
    ) -> None:
        """Ask the database for at least `need`, and for what is worth holding.

        Raises:
            ChappeError: `database_unreachable`.
        """
        self._roll(now)
        held = max(0.0, self.available)
        owed = max(0.0, -self.available)
        want = max(0.0, max(need, self.target(replicas.count)) - held)
        window, self_granted = self.window, self.self_granted
        available = self.available
        async with connections.transaction() as connection:
            cursor = await connection.execute(
                "select granted, total, seconds, start::text"
                " from quota_acquire(%s, %s, %s, %s, %s, %s, %s)",
                (
                    self.limit.id, self.limit.period, self.limit.amount,
                    min(want, max(0.0, need - held)), want, owed + self_granted, self.replica,
                ),
            )  # fmt: skip
            row = await cursor.fetchone()
        assert row is not None
        granted, self.total, seconds, start = row
        if window != self.window or (self.start is not None and start != self.start):
            # Another window began meanwhile: nothing that was held is valid in it.
            if window == self.window:
                self.window += 1
            self.available = granted + min(0.0, self.available - available)
        else:
            self.available += granted + owed
        self.start = start
        self.self_granted = 0.0
        self.ends = now + seconds - _MARGIN_SECONDS if math.isfinite(seconds) else math.inf
        if not granted and want > 0:
            self.next_try = now + _RETRY_SECONDS

    def serve_alone(self, replicas: Replicas, now: float) -> None:
        """The database is away: begin the next window from our own share, if that is safe."""
        period = PERIOD_SECONDS[self.limit.period]
        if self.limit.period is None or now < self.ends or not self.ends:
            return
        # Windows follow one another; a month is taken for 31 days, which can only be too long.
        length = 31 * 86_400.0 if self.limit.period == "month" else period
        began = self.ends + math.floor((now - self.ends) / length) * length
        if began - replicas.heard_at < _LOST_BEFORE_SECONDS:
            return
        share = self.limit.amount / max(1, replicas.count)
        self.window += 1
        self.available = min(0.0, self.available) + share
        self.self_granted = share
        self.start = None
        self.ends = began + length

    def tick(self, now: float) -> float:
        """Once a second: measure the rate; gives what is held for nothing and can go back."""
        elapsed = now - self.ticked_at
        if self.ticked_at and elapsed > 0:
            self.rate += 0.4 * (self.taken / elapsed - self.rate)
        idle = not self.taken
        self.ticked_at, self.taken = now, 0.0
        if now >= self.ends or self.self_granted or self.start is None:
            return 0.0
        if idle and self.rate < 0.01 * self.limit.amount:
            return max(0.0, self.available)
        return 0.0
