"""How much may be tried again: a share of what is asked, so that an outage isn't made worse."""


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
