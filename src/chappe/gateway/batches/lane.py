"""How many requests of one batch may be under way in this process.

As TCP does it (RFC 5681): doubled by each round of answers until something is refused, then halved,
and grown by one a round.
"""

import math

_FIRST = 2.0
_DEFAULT_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 300.0


class Lane:
    """The requests of one batch.

    Args:
        most: largest number at once.

    Attributes:
        running: how many are under way.
        resumes_at: nothing begins before, on the caller's clock.
    """

    __slots__ = ("_most", "_threshold", "_window", "resumes_at", "running")

    def __init__(self, most: int) -> None:
        self.running = 0
        self.resumes_at = 0.0
        self._most = float(most)
        self._window = min(_FIRST, self._most)
        self._threshold = math.inf

    def free(self, now: float) -> int:
        """How many more may begin."""
        if now < self.resumes_at:
            return 0
        return max(0, int(self._window) - self.running)

    def answered(self) -> None:
        """A request was answered, well or not."""
        grown = 1.0 if self._window < self._threshold else 1.0 / self._window
        self._window = min(self._most, self._window + grown)

    def refused(self, now: float, retry_after: float | None) -> float:
        """A request found no room; gives the seconds that it should wait.

        Args:
            now: seconds, of a clock that doesn't go back.
            retry_after: seconds that the refusal asks for.
        """
        if now >= self.resumes_at:
            # The others of a burst are refused for the same reason: it is halved once for all.
            self._window = self._threshold = max(1.0, self._window / 2)
        wait = min(_LONGEST_WAIT_SECONDS, max(1.0, retry_after or _DEFAULT_WAIT_SECONDS))
        self.resumes_at = max(self.resumes_at, now + wait)
        return wait
