"""What one request holds of the limits that cover it, and what its headers tell of them."""

import math

import msgspec

from chappe.gateway.quotas.clock import DatabaseClock
from chappe.gateway.quotas.lease import Lease
from chappe.gateway.quotas.limits import Work, window_end

_KEPT_SECONDS = 0.25
_TOLD = ("requests", "tokens")


class Cover:
    """The limits that cover what an actor asks of a model.

    Attributes:
        leases: what this process holds of each.
        plain: do they count nothing but requests and tokens.
        rated: each lease with what it charges for a request, a token read and a token written.
        counts_tokens: must an answer's length be bounded, because tokens are limited.
    """

    __slots__ = ("_lines", "_lines_until", "counts_tokens", "leases", "plain", "rated")

    def __init__(self, leases: tuple[Lease, ...]) -> None:
        self.leases = leases
        self.counts_tokens = any(
            lease.refuses and lease.limit.measure == "tokens" for lease in leases
        )
        self.plain = all(
            lease.limit.measure in ("requests", "concurrency", "tokens") for lease in leases
        )
        self.rated = tuple(
            (lease, lease.rates.request, lease.rates.read, lease.rates.written) for lease in leases
        )
        self._lines = b""
        self._lines_until = 0.0

    def charges(self, work: Work) -> list[float]:
        """What each of the limits charges for a piece of work."""
        if not self.plain:
            return [lease.rates.charge(work) for lease in self.leases]
        read, written = work.tokens_in, work.tokens_out
        return [
            by_request + by_read * read + by_written * written
            for _, by_request, by_read, by_written in self.rated
        ]

    def header_lines(self, clock: DatabaseClock, now: float) -> bytes:
        """`x-ratelimit-*` lines for the tightest limits on requests and on tokens."""
        if now >= self._lines_until:
            self._lines_until = now + _KEPT_SECONDS
            self._lines = b"".join(_lines(self.leases, name, clock, now) for name in _TOLD)
        return self._lines


def _lines(leases: tuple[Lease, ...], measure: str, clock: DatabaseClock, now: float) -> bytes:
    limiting = [
        lease for lease in leases if lease.limit.measure == measure and lease.limit.action != "warn"
    ]
    if not limiting:
        return b""
    lease = min(limiting, key=lambda lease: lease.left)
    name = measure.encode()
    return (
        b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\n"
        b"x-ratelimit-reset-%b: %ds\r\n"
    ) % (
        name, lease.amount, name, max(0.0, lease.left),
        name, math.ceil(seconds_left(lease, clock, now)),
    )  # fmt: skip


def seconds_left(lease: Lease, clock: DatabaseClock, now: float) -> float:
    """Until a lease's window ends; 1 for a concurrency, which may be free at any moment."""
    period, start = lease.limit.period, lease.start
    if period is None or start is None:
        return 1.0
    return max(0.0, window_end(period, start) - clock.earliest(now))


class Reservation(msgspec.Struct, eq=False):
    """What a request holds of the limits that cover it, until it is settled.

    Attributes:
        cover: the limits.
        charges: what was taken of each.
        windows: from which window of each it was taken.
        delay: seconds to wait before it is sent, for limits that slow down.
        warnings: limits that are nearly or quite used up, in English.
        settled: was it given back.
    """

    cover: Cover
    charges: list[float]
    windows: list[int]
    delay: float = 0.0
    warnings: tuple[str, ...] = ()
    settled: bool = False

    @property
    def counts_tokens(self) -> bool:
        """Must the answer's length be bounded, because tokens are limited."""
        return self.cover.counts_tokens
