"""Transports whose writes of one turn of the loop are made together, at its end.

A write to a peer that sleeps wakes it, which may cost several times what the write does. Written
one after another, most find the peer awake; between one request's work and the next's, each finds
it asleep again (docs/benchmarks.md has the figures).
"""

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)

# In a turn with more than these, the first needn't wait for the last. Measured with 64 connections:
# a smaller number breaks the turns into short ones, and 32 cost 15 % of the throughput.
_MOST = 128
# While more comes than is to be sent, a turn is followed by so many others first.
_MORE_TURNS = 3


class Outbox:
    """What is to be sent at the end of this turn.

    Attributes:
        heard: messages that came and weren't answered or passed on yet, about: while there is but
            one, nothing is gained by waiting.
        waiting: what is to be sent, and by which transports.
    """

    __slots__ = ("_turns", "heard", "waiting")

    def __init__(self) -> None:
        self._turns = 0
        self.heard = 0
        self.waiting: list[tuple[asyncio.Transport, bytes]] = []

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send at the end of the turn, or as soon as there is enough."""
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self.waiting.append((transport, data))
        if len(self.waiting) >= _MOST:
            self.flush()

    def _end_turn(self) -> None:
        if self.heard > len(self.waiting) > 0 and self._turns < _MORE_TURNS:
            self._turns += 1
            asyncio.get_running_loop().call_soon(self._end_turn)
        else:
            self._turns = 0
            self.flush()

    def flush(self) -> None:
        """Send all of it now."""
        waiting, self.waiting = self.waiting, []
        # Not everything that comes is answered: one write alone says that nothing is left.
        self.heard = max(0, self.heard - len(waiting)) if len(waiting) > 1 else 0
        for transport, data in waiting:
            if not transport.is_closing():
                try:
                    transport.write(data)
                except Exception as error:
                    # The others of this turn get what is theirs all the same.
                    log.error("write_failed", exc_info=error)
                    transport.abort()


class BatchedTransport:
    """A transport of asyncio whose writes go out with those of others, in order."""

    __slots__ = (
        "_inner", "_outbox", "abort", "get_extra_info", "get_protocol", "is_closing", "is_reading",
        "pause_reading", "resume_reading", "set_protocol",
    )  # fmt: skip

    def __init__(self, inner: asyncio.Transport, outbox: Outbox) -> None:
        self._inner = inner
        self._outbox = outbox
        self.abort = inner.abort
        self.get_extra_info: Any = inner.get_extra_info
        self.get_protocol = inner.get_protocol
        self.is_closing = inner.is_closing
        self.is_reading = inner.is_reading
        self.pause_reading = inner.pause_reading
        self.resume_reading = inner.resume_reading
        self.set_protocol = inner.set_protocol

    def write(self, data: bytes) -> None:
        """Send: at once if this is all there is to do, else at the end of the turn."""
        outbox = self._outbox
        if outbox.heard > 1 or outbox.waiting:
            outbox.put(self._inner, data)
        else:
            outbox.heard = 0
            self._inner.write(data)

    def close(self) -> None:
        """Close, once what was written is sent."""
        self._outbox.flush()
        self._inner.close()
