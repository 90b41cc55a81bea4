"""How many requests an endpoint may hold at once, learned from the objectives.

Additive increase, multiplicative decrease (Chiu and Jain 1989), driven as in TCP Vegas (Brakmo and
Peterson 1995) by the delay that appears before anything is lost: a token interval above its
objective, or a queue inside the engine. The limit grows only while it is what holds work back.

Both objectives count: in a short burst, to keep the interval would cost whoever waits far more time
to the first token than it saves the others between two. While people wait, the interval may
therefore go beyond its objective (:func:`tolerance`); once their own objective is lost, as in a
lasting overload, it is kept again for those who are served.
"""

_DECREASE = 0.9
_NEAR = 0.8
_SMOOTHING = 0.1
# A wait is felt from this share of the objective for the first token on.
_FELT = 0.05
_MOST_TOLERANCE = 3.0


def tolerance(waited: float, objective: float) -> float:
    """How far the token interval may go beyond its objective, as a factor from 1 to 3.

    Args:
        waited: how long people wait for a place, in seconds.
        objective: time to first token, in seconds.
    """
    if waited > objective:
        return 1.0
    return min(_MOST_TOLERANCE, max(1.0, waited / (_FELT * objective)))


class Limit:
    """A concurrency limit that moves between a floor and a ceiling.

    Attributes:
        value: requests at once (real, so that it can grow by less than one).
        fixed: the operator's number wins; nothing is learned.
    """

    __slots__ = ("_ceiling", "_cut_at", "_floor", "_ratio", "_slow_start", "fixed", "value")

    def __init__(self, start: float, floor: int, ceiling: int, fixed: int | None = None) -> None:
        self.fixed = fixed is not None
        self.value = float(fixed if fixed is not None else min(max(start, floor), ceiling))
        self._floor = floor
        self._ceiling = ceiling
        self._slow_start = True
        self._ratio = 0.5
        self._cut_at = float("-inf")

    def served(
        self, in_flight: int, itl_ratio: float, now: float, seconds: float, tolerated: float = 1.0
    ) -> None:
        """A request ended well.

        Args:
            in_flight: requests that the endpoint held.
            itl_ratio: its mean time between tokens, divided by the objective.
            seconds: how long it lasted. Requests that began before the last decrease say nothing
                of what came after it.
            tolerated: how large the ratio may be (:func:`tolerance`).
        """
        if self.fixed:
            return
        self._ratio += _SMOOTHING * (itl_ratio - self._ratio)
        if self._ratio > tolerated:
            if in_flight > _NEAR * self.value and now - seconds > self._cut_at:
                self._decrease(self.value * _DECREASE, now)
        elif in_flight > _NEAR * self.value:
            quick = self._slow_start or tolerated > 1.0
            grown = self.value + (1.0 if quick else 1.0 / self.value)
            self.value = min(float(self._ceiling), grown)

    def queued(self, running: int, waiting: int, now: float) -> None:
        """The engine's own reading: it holds `waiting` requests that it can't run yet."""
        if not self.fixed and waiting > 0 and running > 0 and now > self._cut_at:
            # A queue of a request or two keeps its batch full; more is better kept here.
            self._decrease(min(self.value, max(running + 2, self.value * _DECREASE)), now)

    def _decrease(self, value: float, now: float) -> None:
        self.value = max(float(self._floor), value)
        self._slow_start = False
        self._cut_at = now
