"""How much may be tried again: a share of what is asked, so that an outage isn't made worse."""

import time
from email.utils import parsedate_to_datetime


def seconds_of(retry_after: bytes, now: float | None = None) -> float | None:
    """The seconds that a `Retry-After` header asks for: a number or a date (RFC 9110, 10.2.3).

    None when it is absent or can't be read; `now` is in seconds since 1970.
    """
    text = retry_after.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at - (time.time() if now is None else now))


class RetryBudget:
    """Tokens that requests earn and retries spend (after Finagle's retry budgets).

    Args:
        share: retries allowed for each request.
        reserve: retries that are always possible after a quiet time; also the most that is kept.
    """

    __slots__ = ("_most", "_share", "_tokens")

    def __init__(self, share: float = 0.2, reserve: float = 20.0) -> None:
        self._share = share
        self._most = reserve
        self._tokens = reserve

    def earn(self) -> None:
        """A request was sent."""
        self._tokens = min(self._most, self._tokens + self._share)

    def spend(self) -> bool:
        """May one more be tried again; spends it."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
