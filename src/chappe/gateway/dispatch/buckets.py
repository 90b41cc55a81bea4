"""An index of endpoints by cost, in which moving one and finding the lowest are O(1)."""

import math

from chappe.gateway.dispatch.state import EndpointState

_COUNT = 256
_PER_DOUBLING = 6
_SMALLEST = 0.005


def bucket_of(cost: float) -> int:
    """The bucket of a cost in seconds: six for each doubling above 5 ms (a step is 12 %)."""
    if cost <= _SMALLEST:
        return 0
    return min(_COUNT - 1, int(_PER_DOUBLING * math.log2(cost / _SMALLEST)))


class Buckets:
    """Endpoints in buckets of nearly equal cost.

    Order inside a bucket is arbitrary, and differs between replicas of the gateway: they don't all
    run to the same endpoint.
    """

    def __init__(self) -> None:
        self._buckets: list[list[EndpointState]] = [[] for _ in range(_COUNT)]
        self._filled = 0

    @property
    def empty(self) -> bool:
        """Is no endpoint in it."""
        return not self._filled

    def place(self, state: EndpointState, bucket: int) -> None:
        """Put or move an endpoint; -1 takes it out."""
        old = state.bucket
        if old == bucket:
            return
        if old >= 0:
            members = self._buckets[old]
            last = members.pop()
            if last is not state:
                members[state.position] = last
                last.position = state.position
            if not members:
                self._filled &= ~(1 << old)
        state.bucket = bucket
        if bucket >= 0:
            members = self._buckets[bucket]
            state.position = len(members)
            members.append(state)
            self._filled |= 1 << bucket

    def lowest(self, count: int, draw: float) -> list[EndpointState]:
        """At most `count` endpoints of the lowest buckets; `draw` in [0, 1) says where to start."""
        found: list[EndpointState] = []
        filled = self._filled
        while filled and len(found) < count:
            lowest = filled & -filled
            members = self._buckets[lowest.bit_length() - 1]
            missing = count - len(found)
            if len(members) <= missing:
                found += members
            else:
                start = int(draw * len(members))
                found += members[start : start + missing]
                if start + missing > len(members):
                    found += members[: start + missing - len(members)]
            filled ^= lowest
        return found
