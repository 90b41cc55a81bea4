"""The account of one request. No content is ever in it."""

import random
import time
import uuid
from datetime import UTC, datetime
from typing import Literal

import msgspec

Outcome = Literal[
    "completed", "cancelled", "refused", "failed", "timed_out", "interrupted", "continued"
]


# Version 7 (four bits at 76) and variant 2 (two bits at 62), and what is left for chance below 80.
_VERSION = 0x7 << 76 | 0x2 << 62
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)


def new_id() -> str:
    """A time-ordered identifier (RFC 9562, version 7), in 32 hexadecimal digits: rows written
    together lie together."""
    moment = time.time_ns() // 1_000_000
    return f"{moment << 80 | random.getrandbits(80) & _RANDOM | _VERSION:032x}"


class Account(msgspec.Struct, kw_only=True, array_like=True, eq=False, gc=False):
    """A request in progress, and what is known of it so far; then a row of `request_account`.

    The order of the fields is the layout of the journal's records (:mod:`.records`), the first ones
    being the columns of the table (:mod:`.rows`).

    Attributes:
        id, started_at: together the row's key; fixed at admission.
        tokens_in, tokens_cached, tokens_out: as the engine reported (`tokens_origin` "engine"),
            or content events that went by before the answer was cut ("counted", a lower bound).
        ttft_ms, duration_ms, queue_ms: milliseconds since admission; `overhead_ms` is our own time.
        outcome: empty until it is settled.
        continued: was the answer gone on with at another endpoint.
        began: moment of admission, by the monotonic clock.
        segment: number of the journal's segment that holds its first record; -1 without one.
    """

    id: str = msgspec.field(default_factory=new_id)
    started_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    actor: str
    key_id: uuid.UUID | None = None
    person_id: uuid.UUID | None = None
    organisation_id: uuid.UUID | None = None
    operation: str
    model: str
    requested_model: str
    endpoint: str | None = None
    site: str | None = None
    streamed: bool
    priority: str
    outcome: str = ""
    status: int | None = None
    error: str | None = None
    attempts: int = 1
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    tokens_origin: Literal["none", "engine", "counted"] = "none"
    audio_seconds: float | None = None
    energy_wh: float | None = None
    queue_ms: float | None = None
    ttft_ms: float | None = None
    duration_ms: float | None = None
    overhead_ms: float | None = None
    trace_id: str | None = None
    continued: bool = False
    began: float = msgspec.field(default_factory=time.perf_counter)
    segment: int = -1

    def first_token(self) -> None:
        """Note the time to first token, once."""
        if self.ttft_ms is None:
            self.ttft_ms = (time.perf_counter() - self.began) * 1000

    def usage(
        self, tokens_in: int | None, tokens_out: int | None, cached: int | None = None
    ) -> None:
        """Note the engine's own count."""
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.tokens_cached = cached
        self.tokens_origin = "engine"

    def content(self) -> None:
        """Note one event with content: the first token, and a count until the engine reports."""
        if self.ttft_ms is None:
            self.first_token()
        if self.tokens_origin != "engine":
            self.tokens_out = (self.tokens_out or 0) + 1
            self.tokens_origin = "counted"

    def sound(self, seconds: float) -> None:
        """Note the seconds of sound, as the engine counts them."""
        self.audio_seconds = seconds
