"""What this process holds of one limit. No question is asked here: `keeper` does that.

A lease is a part of a limit's present window that the database has granted to this process alone.
Taking from it asks nobody, and all leases together never exceed the limit. It ends here a little
before its window does in the database, never after.

While the database is away, a window that begins is served from this process's own share of the
limit. The shares, settled at each heartbeat, make 1 together, and the database keeps a replica's
share for it in every window that begins more than 3 s after that replica was last heard. A replica
grants itself its share under exactly that condition, so the sum holds on both sides of a
partition. Its next heartbeat reports, in the same transaction, what it used.
"""

import math
from dataclasses import dataclass

from chappe.gateway.quotas.clock import DatabaseClock
from chappe.gateway.quotas.limits import Limit, window_end, window_start

SILENT_SECONDS = 3.0
"""The same as in the database's function `quota_silent`."""
_MOST_IDLE = 0.1
_STALE_SECONDS = 5.0
# Half a request is of no use to anybody.
_WHOLE = ("requests", "concurrency")
_NEGLIGIBLE = 1e-3
_SMALLEST = 1e-9


@dataclass(frozen=True, slots=True)
class Pacing:
    """How far ahead a lease looks.

    Attributes:
        horizon: seconds of use that are held.
        memory: seconds over which the rate of use is averaged.
    """

    horizon: float
    memory: float


# Long windows are held further ahead: they must also outlast a database that is away.
_SHORT = Pacing(horizon=2.0, memory=1.0)
_LONG = Pacing(horizon=1800.0, memory=60.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of the database for a lease: the arguments of its function `quota_hold`."""

    known: float | None
    kept: float
    used: float
    debt: float
    need: float
    want: float
    given: float


class Lease:
    """This process's part of one limit.

    Attributes:
        start: beginning of the window that is held, in seconds since 1970; None: none yet.
        until: reading of the monotonic clock at which the lease ends.
        window: counts the windows, so that what is given back late isn't given to another one.
        held: granted to this process in this window.
        used: reserved or spent of it; more than is held when it is owed.
        late: spent since the window ended; the next one is charged with it.
        others: held by all the others, when last told.
        waiting: what each request that waits for the database needs.
        full: did the database grant all that was wanted.
        alone: held of our own share, while the database was away.
        periodic: has it windows; a limit on concurrency has none.
        prompt: is what comes back returned at once, because the limit is small.
        refill_at, warn_from: amounts used from which to ask for more, and to warn.
        denied_until, denied: until when, and from which charge on, asking again is useless.
    """

    __slots__ = (
        "_asked_at", "_boost", "_busy", "_pacing", "_rate", "_told", "alone", "amount", "denied",
        "denied_until", "full", "held", "late", "limit", "others", "periodic", "prompt", "rates",
        "refill_at", "refuses", "spent", "start", "turn", "until", "used", "waiting", "warn_from",
        "window",
    )  # fmt: skip

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.amount = limit.amount
        self.rates = limit.rates
        self.refuses = limit.action == "refuse"
        self.periodic = limit.period is not None
        self.start: float | None = None if limit.period else -math.inf
        self.until = -math.inf
        self.window = 0
        self.held = self.used = self.late = self.others = self.spent = 0.0
        self.refill_at = self.warn_from = math.inf
        self.denied_until, self.denied = -math.inf, 0.0
        self.turn = 0.0
        self.waiting: list[float] = []
        self.alone = self.prompt = self.full = False
        self._pacing = _SHORT if limit.period in (None, "minute") else _LONG
        self._rate = self._boost = 0.0
        self._asked_at = -math.inf
        self._told = 0.0
        self._busy = False

    # What requests do

    def take(self, charge: float, now: float) -> bool:
        """Take from what is held, if it is enough; limits that don't refuse always give."""
        if now < self.until:
            if self.used + charge > self.held and self.refuses:
                return False
            self.used += charge
        elif self.refuses:
            return False
        else:
            self.late += charge
        self.spent += charge
        return True

    def give(self, charge: float, used: float, window: int, now: float) -> None:
        """A reservation of `charge` ends, of which `used` was spent.

        What comes back belongs to the window that it was taken from; what was spent beyond the
        reservation is owed by the present one.
        """
        excess = charge if self.limit.period is None else charge - used
        if window == self.window and (excess > 0 or now < self.until):
            self.used -= excess
        elif excess < 0 or window > self.window:
            self.late -= excess

    def lacks(self, charge: float, now: float) -> bool:
        """Would it refuse this charge."""
        return self.refuses and (now >= self.until or self.used + charge > self.held)

    def change(self, limit: Limit) -> None:
        """The limit has another amount, other weights or another action.

        Of a smaller one, what is held unused isn't used any more.
        """
        if limit.amount < self.amount:
            self.held = min(self.held, self.used)
        self.limit = limit
        self.amount = limit.amount
        self.rates = limit.rates
        self.refuses = limit.action == "refuse"
        self.denied_until = self.refill_at = -math.inf
        self._set_warning()

    def untake(self, charge: float, window: int, now: float) -> None:
        """It wasn't taken after all."""
        self.give(charge, 0.0, window, now)
        self.spent -= charge

    @property
    def left(self) -> float:
        """What is left of the limit as far as is known: what others hold counts as used."""
        return self.amount - self.others - self.used - self.late

    def idle(self, now: float) -> bool:
        """Does it need no looking after."""
        if self.waiting or self.late or self.alone or self.spent or self._rate:
            return False
        owed = self.used - self.held
        if now >= self.until:
            return owed <= _SMALLEST
        return abs(owed) <= _SMALLEST and self.used == self._told

    # What the keeper does

    def target(self, replicas: int) -> float:
        """How much to hold beyond what is used.

        As much as is used within the horizon, at most a tenth of what is left divided among the
        replicas: so nine tenths of a limit can be used whatever the others hold, and the nearer its
        end, the smaller the leases.
        """
        if not self.refuses:
            return 0.0
        most = _MOST_IDLE * max(0.0, self.amount - self.others - self.used) / replicas
        wanted = min(most, max(self._rate * self._pacing.horizon, self._boost))
        return float(math.floor(wanted)) if self.limit.measure in _WHOLE else wanted

    def tick(self, seconds: float) -> None:
        """Measure the rate of use over the last `seconds`."""
        weight = 1 - math.exp(-seconds / self._pacing.memory)
        self._rate += weight * (self.spent / seconds - self._rate)
        self._boost *= 0.5
        if not self.spent:
            if self._rate * self._pacing.horizon < _NEGLIGIBLE * self.amount:
                self._rate = 0.0
            if self._boost < _NEGLIGIBLE * self.amount:
                self._boost = 0.0
        self.spent = 0.0

    def wants_exchange(self, replicas: int, now: float) -> bool:
        """Is there something owed, too much held, or old news."""
        if self.used > self.held + _SMALLEST or self.late > 0:
            return True
        if now >= self.until:
            return False
        unused = self.held - self.used
        if unused > 2 * self.target(replicas) + _SMALLEST:
            return True
        stale = now - self._asked_at > _STALE_SECONDS
        return stale and (unused > _SMALLEST or self.used != self._told)

    def begin(self, replicas: int, now: float, *, leaving: bool = False) -> Plan:
        """The database is about to be asked: what is given back isn't used from here on."""
        self._busy = True
        waiting = sum(self.waiting)
        if self.waiting:
            self._boost = min(max(2 * self._boost, waiting), _MOST_IDLE * self.amount)
        need = min(self.waiting, default=0.0)
        want = 0.0 if leaving else waiting + self.target(replicas)
        given = 0.0
        unused = self.held - self.used
        if now < self.until and unused > (0.0 if leaving or self.alone else 2 * want):
            given = unused if leaving or self.alone else unused - want
            self.held -= given
        debt = max(0.0, self.used - self.held) + self.late
        return Plan(self.start, self.held, self.used, debt, need, want, given)

    def undo(self, plan: Plan) -> None:
        """The database surely did nothing."""
        self._busy = False
        self.held += plan.given

    def lose(self) -> None:
        """The database may have done it or not: what was given back stays given back."""
        self._busy = False

    def apply(
        self, plan: Plan, answer: tuple[float, float, float, float], clock: DatabaseClock,
        replicas: int, valid: float, now: float,
    ) -> None:  # fmt: skip
        """The database did it.

        Args:
            plan: what it was asked.
            answer: what is held, what all hold, the limit's amount and the window's start.
            clock: its clock.
            replicas: how many share the limit.
            valid: end of what this replica may use without having been heard again.
            now: reading of the monotonic clock.
        """
        self._busy = False
        self._asked_at = now
        held, total, self.amount, start = answer
        self._told = plan.used if start == self.start else plan.debt
        self.full = held >= self._told + plan.want - _SMALLEST
        if start != self.start:
            self._open_window(start)
        self.alone = False
        self.held = held
        self.others = max(0.0, total - held)
        self.refresh(clock, valid)
        target = self.target(replicas)
        self.refill_at = held - target / 2 if target and self.full else math.inf
        self.prompt = self.limit.period is None and self.refuses and not target
        self._set_warning()

    def _open_window(self, start: float) -> None:
        self.used = max(0.0, self.used - self.held) + self.late
        self.late = 0.0
        self.start = start
        self.window += 1

    def _set_warning(self) -> None:
        warned = self.limit.warn_at * self.amount - self.others
        self.warn_from = warned if self.limit.period else math.inf

    def refresh(self, clock: DatabaseClock, valid: float) -> None:
        """Work the lease's end out anew from what is known of the database's clock."""
        period, start = self.limit.period, self.start
        if start is None:
            return
        end = math.inf if period is None else clock.until(window_end(period, start))
        self.until = min(end, valid)

    def vanish(self) -> None:
        """The limit is no more: nothing is refused by it until the catalogue says so too."""
        self._busy = False
        self.start = None
        self.held = self.until = math.inf
        self.late = 0.0

    def forget(self) -> None:
        """This replica was given up by the others, and what it held of windows counted as spent."""
        self.held = 0.0
        self.until = -math.inf
        self.alone = False
        if self.limit.period is not None:
            self.used = self.late = 0.0
            self.start = None
            self.window += 1

    def serve_alone(
        self, clock: DatabaseClock, share: float, heard: float, valid: float, now: float
    ) -> bool:
        """The database is away and another window begins: serve it from our own share.

        Args:
            clock: the database's clock.
            share: this replica's share of every limit.
            heard: latest moment, on the database's clock, at which it may have heard us.
            valid: end of what this replica may use without having been heard again.
            now: reading of the monotonic clock.

        Returns:
            Did a window of our own begin.
        """
        period = self.limit.period
        if period is None or self._busy or not math.isfinite(clock.earliest(now)):
            return False
        start = window_start(period, clock.earliest(now))
        until = min(clock.until(window_end(period, start)), valid)
        if now >= until or heard >= start - SILENT_SECONDS:
            return False
        if self.start is not None and start <= self.start:
            return False
        self._open_window(start)
        self.held = self.amount * share
        self.others = self.amount - self.held
        self.until = until
        self.alone = True
        self.refill_at = math.inf
        self._set_warning()
        return True
