"""The database's clock as this process knows it: between two bounds, from its monotonic clock.

Windows are of the database's clock. This process's wall clock is never read, so that a replica
whose clock is wrong does no harm.
"""

import math

# Two clocks that are being slewed may drift apart by so much; an hour makes 0.7 s of it.
_DRIFT = 2e-4


class DatabaseClock:
    """Bounds on the database's present time; moments are seconds since 1970."""

    __slots__ = ("_moment", "_received", "_sent")

    def __init__(self) -> None:
        self._moment: float | None = None
        self._sent = self._received = 0.0

    def heard(self, moment: float, sent: float, received: float) -> None:
        """The database told its time, between these two readings of the monotonic clock."""
        self._moment, self._sent, self._received = moment, sent, received

    def earliest(self, now: float) -> float:
        """The database's clock shows at least this."""
        if self._moment is None:
            return -math.inf
        return self._moment + (now - self._received) * (1 - _DRIFT)

    def latest(self, now: float) -> float:
        """The database's clock shows at most this."""
        if self._moment is None:
            return math.inf
        return self._moment + (now - self._sent) * (1 + _DRIFT)

    def until(self, moment: float) -> float:
        """Reading of the monotonic clock up to which `moment` surely hasn't come."""
        if self._moment is None:
            return -math.inf
        return self._sent + (moment - self._moment) / (1 + _DRIFT)
