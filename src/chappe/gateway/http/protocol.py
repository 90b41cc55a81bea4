"""Requests for inference straight from the connection; everything else by ASGI.

uvicorn's own protocol serves the connection. A request for one of :data:`OPERATIONS` takes a
shorter way: no scope, no event, no message; its body and its answer are bytes. That is what most of
a gateway's time depends on (docs/decisions/0007). Limits on headers, bodies and slow senders hold
for both ways.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from chappe.gateway.http.heads import Head, learn
from chappe.gateway.http.outbox import BatchedTransport, Outbox
from chappe.gateway.http.request import OPERATIONS, Operation

_MAX_HEADER_BYTES = 65_536
_SLOW_SENDER_SECONDS = 30.0
_SLOW_READER_SECONDS = 120.0
_SWEEP_SECONDS = 5.0
_IDLE_SECONDS = 75.0
# A client whose every head differs (it may carry a trace) is given up on.
_LESSONS = 4
_FAST = {path.encode(): operation for path, operation in OPERATIONS.items()}


class ClientGoneError(Exception):
    """The client reads nothing any more."""


class Call:
    """One request for inference, and the way back to its client.

    Attributes:
        operation: what is asked.
        headers: names in lower case; the last of several wins.
        disconnected: the client has left.
    """

    __slots__ = (
        "_body", "_protocol", "_ready", "_size", "_task", "_turn", "chunked",
        "disconnected", "headers", "keep_alive", "operation", "response_complete", "started",
        "too_large",
    )  # fmt: skip

    def __init__(
        self, protocol: "GatewayProtocol", operation: Operation, headers: dict[bytes, bytes],
        keep_alive: bool, chunked: bool,
    ) -> None:  # fmt: skip
        self.operation = operation
        self.headers = headers
        self.keep_alive = keep_alive
        self.chunked = chunked
        self.disconnected = False
        self.response_complete = False
        self.started = False
        self.too_large = False
        self._protocol = protocol
        self._body: list[bytes] = []
        self._size = 0
        self._ready = False
        self._turn = False
        self._task: asyncio.Task[None] | None = None

    # What uvicorn's protocol expects of a request in progress

    @property
    def message_event(self) -> "Call":
        """Where the protocol says that the connection ended."""
        return self

    def set(self) -> None:
        """The connection ended: nobody waits for the answer, so the work for it stops."""
        if self.disconnected and self._task is not None:
            self._task.cancel()
            self.ended()  # one that was cancelled before its first step doesn't say so itself

    # The request

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def add(self, data: bytes, limit: int) -> None:
        """More of the body; what goes over `limit` is read and thrown away."""
        self._size += len(data)
        if self._size > limit:
            self.too_large = True
            self._body.clear()
        else:
            self._body.append(data)

    @property
    def waits_for_body(self) -> bool:
        """Is the body still on its way."""
        return not self._ready

    def body_complete(self) -> None:
        """The body is all there."""
        self._protocol.outbox.heard += 1
        self._ready = True
        if self._turn:
            self._begin()

    def turn(self) -> None:
        """The answers before it on this connection are done."""
        self._turn = True
        if self._ready:
            self._begin()

    def _begin(self) -> None:
        protocol = self._protocol
        self._task = task = protocol.loop.create_task(protocol.answer(self))
        protocol.tasks.add(task)

    def ended(self) -> None:
        """Its task is over, with an answer or without."""
        if not self.response_complete:
            self.abort()
        self._protocol.tasks.discard(self._task)

    # The answer

    def head(self, status: int, headers: bytes, length: int | None) -> bytes:
        """Status line and headers; of unknown length where `length` is None."""
        protocol = self._protocol
        self.started = True
        if length is not None:
            framing = b"content-length: %d\r\n" % length
        elif self.chunked:
            framing = b"transfer-encoding: chunked\r\n"
        else:
            framing = b""
            self.keep_alive = False
        if self.too_large:
            self.keep_alive = False
        connection = b"" if self.keep_alive else b"connection: close\r\n"
        return b"%b%b%b%b%b\r\n" % (
            STATUS_LINE[status], protocol.common_headers(), headers, framing, connection,
        )  # fmt: skip

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """A whole answer."""
        if not self.disconnected:
            self._protocol.transport.write(self.head(status, headers, len(body)) + body)
        self.done()

    def start(self, status: int, headers: bytes, first: bytes) -> None:
        """Begin an answer of unknown length with its first piece."""
        head = self.head(status, headers, None)
        if not self.disconnected:
            self._protocol.transport.write(head + self._framed(first))

    def write(self, data: bytes) -> None:
        """One more piece."""
        if not self.disconnected:
            self._protocol.transport.write(self._framed(data))

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data

    @property
    def congested(self) -> bool:
        """Does the client read more slowly than we write: then `await drained()`."""
        return self._protocol.flow.write_paused

    async def drained(self) -> None:
        """Until the client has read what it was sent.

        Raises:
            ClientGoneError: it read nothing for two minutes; its slot is somebody else's.
        """
        try:
            async with asyncio.timeout(_SLOW_READER_SECONDS):
                await self._protocol.flow.drain()
        except TimeoutError:
            self.abort()
            raise ClientGoneError from None

    def finish(self) -> None:
        """The end of an answer of unknown length."""
        if self.chunked and not self.disconnected:
            self._protocol.transport.write(b"0\r\n\r\n")
        self.done()

    def done(self) -> None:
        """The answer is complete."""
        if self.response_complete:
            return
        self.response_complete = True
        protocol = self._protocol
        if not self.keep_alive and not self.disconnected:
            protocol.transport.close()
        protocol.answered()

    def abort(self) -> None:
        """End the connection: the client must not take what it got for a whole answer."""
        self.response_complete = True
        self._protocol.transport.abort()


Answer = Callable[[Call], Awaitable[None]]


class GatewayProtocol(HttpToolsProtocol):
    """A connection. What is declared here is set by :func:`protocol_for`."""

    answer: Any
    body_limit: int
    outbox: Outbox
    _swept: set[int]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # The size of the piece that came last; is a head on its way; what came of it, but for the
        # pieces in which it began and ended.
        self._piece = 0
        self._in_head = False
        self._head_bytes = 0
        # Is the parser between two requests; how many began in the piece that came last; the head
        # that may come again, and how often one may still be taken for such.
        self._between = True
        self._begun = 0
        self._head: Head | None = None
        self._lessons = _LESSONS
        # Since when a request is on its way here, 0 when none is.
        self._receiving_since = 0.0
        self._heard_at = 0.0
        self._idle_since = 0.0
        self._date: list[tuple[bytes, bytes]] | None = None
        self._common = b""
        self._sweep()

    def _sweep(self) -> None:
        """One timer for all the connections of a server."""
        state = self.server_state
        if id(state) in self._swept:
            return
        self._swept.add(id(state))
        loop = self.loop

        def sweep() -> None:
            now = loop.time()
            for connection in list(state.connections):
                if isinstance(connection, GatewayProtocol):
                    connection.end_if_slow(now)
            loop.call_later(_SWEEP_SECONDS, sweep)

        loop.call_later(_SWEEP_SECONDS, sweep)

    def end_if_slow(self, now: float) -> None:
        """Close the connection of a client that doesn't finish what it began to send."""
        if not self._receiving_since:
            idle = self._idle_since
            if idle and now - idle > _IDLE_SECONDS and self.transport is not None:
                self.transport.close()
            return
        # Headers come in one go; a body may be large, but must keep coming.
        since = self._heard_at if isinstance(self.cycle, Call) else self._receiving_since
        if now - since > _SLOW_SENDER_SECONDS and self.transport is not None:
            self.transport.abort()

    def common_headers(self) -> bytes:
        """Headers of every answer, made anew when uvicorn's date changes."""
        given = self.server_state.default_headers
        if given is not self._date:
            self._date = given
            self._common = (
                b"".join(b"%b: %b\r\n" % (name, value) for name, value in given)
                + b"x-content-type-options: nosniff\r\n"
            )
        return self._common

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        batched = BatchedTransport(cast(asyncio.Transport, transport), self.outbox)
        super().connection_made(cast(asyncio.Transport, batched))

    # httptools

    def data_received(self, data: bytes) -> None:
        between = self._between
        if between and self._head is not None and self._is_known(self._head, data):
            return
        if self._receiving_since:
            self._heard_at = self.loop.time()
        in_head, self._piece = self._in_head, len(data)
        self._begun = 0
        super().data_received(data)
        if between and self._between and self._begun == 1 and self._lessons:
            self._learn(data)
        if in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEADER_BYTES:
                self.transport.abort()  # of one that doesn't end, nothing is told to us before

    def _is_known(self, head: Head, data: bytes) -> bool:
        """Begin a request whose head is known, if it is one."""
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        body = head.body(data)
        if body is None:
            return False
        self._lessons = _LESSONS
        self._idle_since = 0.0
        self._unset_keepalive_if_required()
        call = Call(self, head.operation, head.headers, head.keep_alive, head.chunked)
        self.cycle = call  # type: ignore[assignment]
        call.add(body, self.body_limit)
        call.turn()
        call.body_complete()
        return True

    def _learn(self, data: bytes) -> None:
        """A piece was one whole request: the next may have the same head."""
        call = self.cycle
        if isinstance(call, Call) and not call.too_large:
            self._lessons -= 1
            self._head = learn(data, call.operation, call.headers, call.keep_alive, call.chunked)

    def on_message_begin(self) -> None:
        self._between = False
        self._begun += 1
        self.url = b""
        self.headers = []
        self._receiving_since = self._heard_at = self.loop.time()
        self._idle_since = 0.0
        self._in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._piece > _MAX_HEADER_BYTES or self._head_bytes:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > _MAX_HEADER_BYTES:
                self.transport.abort()
                raise ValueError("headers too large")
        operation = _FAST.get(self.url) if self.parser.get_method() == b"POST" else None
        if operation is None or self.parser.should_upgrade():
            self._receiving_since = 0.0
            url, given = self.url, self.headers
            super().on_message_begin()
            self.url = url
            self.headers.extend(given)
            self.expect_100_continue = _expects_continue(dict(given))
            super().on_headers_complete()
            return
        before = self.cycle
        headers = dict(self.headers)
        keep_alive = self.parser.should_keep_alive()
        # HTTP/1.0 is kept alive only where it asks for it; else it is the version that tells.
        modern = (
            keep_alive and b"connection" not in headers
        ) or self.parser.get_http_version() != "1.0"
        call = Call(self, operation, headers, modern and keep_alive, modern)
        self.cycle = call  # type: ignore[assignment]
        if b"expect" in headers and _expects_continue(headers):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if before is None or before.response_complete:
            call.turn()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((call, self.app))  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if isinstance(cycle, Call):
            cycle.add(body, self.body_limit)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._between = True
        self._receiving_since = 0.0
        if isinstance(self.cycle, Call):
            self.cycle.body_complete()
        else:
            super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, Call):
            cycle.turn()
        else:
            super()._start_asgi_task(cycle, app)

    def answered(self) -> None:
        """As uvicorn's `on_response_complete`, without a timer for each answer: the sweep closes
        connections that stay idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    def shutdown(self) -> None:
        """Called when the server stops: a connection on which nothing runs is closed."""
        if isinstance(self.cycle, Call) and self.cycle.waits_for_body:
            self.transport.close()
        else:
            super().shutdown()


def _expects_continue(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"expect", b"").lower() == b"100-continue"


def protocol_for(answer: Answer, body_limit: int, outbox: Outbox) -> type[GatewayProtocol]:
    """A protocol class for `uvicorn.Config(http=…)`.

    Args:
        answer: answers a call; cancelled when its client leaves. Says when it is over, by
            :meth:`Call.ended`.
        body_limit: largest body in bytes; `Call.too_large` tells of a larger one.
    """

    return type(
        "BoundGatewayProtocol",
        (GatewayProtocol,),
        {
            "answer": staticmethod(answer),
            "body_limit": body_limit,
            "outbox": outbox,
            "_swept": set(),
        },
    )
