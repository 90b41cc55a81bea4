"""Transports whose writes of one turn of the loop are made together, at its end.

A write to a peer that sleeps wakes it, which may cost several times what the write does. Written
one after another, most find the peer awake; between one request's work and the next's, each finds
it asleep again (docs/benchmarks.md has the figures).
"""

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)


class Outbox:
    """The transports that have something to send at the end of this turn.

    Attributes:
        heard: messages that came and weren't answered or passed on yet, about: while there is but
            one, nothing is gained by waiting.
    """

    __slots__ = ("_full", "heard")

    def __init__(self) -> None:
        self._full: list[BatchedTransport] = []
        self.heard = 0

    def add(self, transport: "BatchedTransport") -> None:
        """It has something to send."""
        if not self._full:
            asyncio.get_running_loop().call_soon(self.flush)
        self._full.append(transport)

    def flush(self) -> None:
        """Send all of it."""
        full, self._full = self._full, []
        # Not everything that comes is answered: one write alone says that nothing is left.
        self.heard = max(0, self.heard - len(full)) if len(full) > 1 else 0
        for transport in full:
            transport.send()


class BatchedTransport:
    """A transport of asyncio whose writes go out with those of others, in order."""

    __slots__ = (
        "_outbox", "_pending", "_transport", "abort", "get_extra_info", "get_protocol",
        "is_closing", "is_reading", "pause_reading", "resume_reading", "set_protocol",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, outbox: Outbox) -> None:
        self._transport = transport
        self._outbox = outbox
        self._pending: list[bytes] = []
        self.abort = transport.abort
        self.get_extra_info: Any = transport.get_extra_info
        self.get_protocol = transport.get_protocol
        self.is_closing = transport.is_closing
        self.is_reading = transport.is_reading
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes) -> None:
        """Send: at once if this is all there is to do, else at the end of the turn."""
        pending = self._pending
        if pending:
            pending.append(data)
            return
        outbox = self._outbox
        if outbox.heard > 1:
            pending.append(data)
            outbox.add(self)
        else:
            outbox.heard = 0
            self._transport.write(data)

    def send(self) -> None:
        """Send now what was written."""
        pending = self._pending
        if not pending:
            return
        self._pending = []
        if self.is_closing():
            return
        try:
            self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
        except Exception as error:
            # The others of this turn get what is theirs all the same.
            log.error("write_failed", exc_info=error)
            self.abort()

    def close(self) -> None:
        """Close, once what was written is sent."""
        self.send()
        self._transport.close()
