"""What dispatch knows of one request, of one endpoint's description and of an engine's readings."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Priority = Literal["interactive", "normal", "batch"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "normal", "batch")

Outcome = Literal["completed", "cancelled", "failed", "timed_out"]
"""How a request ended at its endpoint. A request that its client left is `cancelled`; an error, a
refused connection or a cut stream is `failed`; silence is `timed_out`."""


class Job(msgspec.Struct, frozen=True, gc=False):
    """A request that waits for an endpoint.

    Attributes:
        organisation: whose share it is taken from.
        priority: its class.
        prompt_tokens, output_tokens: estimates.
        prefix: the hash chain of the prompt's first blocks (:func:`prefix.chain`).
        deadline: moment (seconds, monotonic) after which nobody waits for it any more.
        allowed: ids of the endpoints that may serve it; None for all of the pool.
        clearance: the sensitivity level (0 open, 1 internal, 2 restricted) that its endpoint needs.
        streamed: does its first token show; of an answer that comes whole only the end does.
    """

    organisation: str
    priority: Priority = "normal"
    prompt_tokens: int = 1
    output_tokens: int = 1
    prefix: tuple[int, ...] = ()
    deadline: float | None = None
    allowed: frozenset[str] | None = None
    clearance: int = 0
    streamed: bool = True

    @property
    def work(self) -> int:
        """Tokens of work, estimated."""
        return self.prompt_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the catalogue describes it.

    Attributes:
        id: its name, unique in the pool.
        capacity: requests at once, fixed by the operator; None to learn it.
        clearance: the highest sensitivity level (0–2) that it may see.
        preference: rank of its site or labels in the operator's order; 0 is preferred.
        cache_tokens: size of its KV memory in tokens, where it is known.
    """

    id: str
    capacity: int | None = None
    clearance: int = 0
    preference: int = 0
    cache_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """One reading of an engine's own metrics; None where it doesn't tell.

    Attributes:
        running, waiting: requests in its batch, and in its queue.
        kv_usage: share of its KV memory in use, 0 to 1.
        cache_tokens: size of that memory in tokens.
    """

    running: int
    waiting: int
    kv_usage: float | None = None
    cache_tokens: int | None = None
