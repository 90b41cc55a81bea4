"""HTTP/1.1 to inference servers: connections over httptools, kept and reused.

General HTTP clients spend most of a gateway's time in their pools; this one does only what
forwarding needs: a request, a streamed answer, silence limits, back-pressure, and a connection that
is closed at once when the caller leaves, which is what makes the server stop generating. There is
no limit on their number: how many requests a server may have is dispatch's decision.
"""

import asyncio
import contextlib
import ssl
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from chappe.gateway.http.outbox import BatchedTransport, Outbox

_MAX_HEADER_BYTES = 65_536
_CONNECT_SECONDS = 5.0
_END_SECONDS = 0.05
_HIGH_WATER = 262_144
_WATCH_SECONDS = 0.25
_IDLE_SECONDS = 30.0


Sink = Callable[[bytes], bool]
"""Takes a piece of a body; False when it wants no more for now."""


class UpstreamError(Exception):
    """The endpoint can't be reached, or doesn't speak HTTP.

    Attributes:
        shown: what came whole of a stream just before, in the same piece.
    """

    shown: bytes = b""


class UpstreamTimeoutError(UpstreamError):
    """The endpoint stayed silent for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"silent for {seconds:g} s")
        self.seconds = seconds


class UpstreamCutError(UpstreamError):
    """The endpoint closed the connection in the middle of its answer, or spoiled it."""


class Origin(NamedTuple):
    """Scheme, host and port of an endpoint."""

    secure: bool
    host: str
    port: int


@lru_cache(maxsize=4096)
def split_url(url: str) -> tuple[Origin, bytes, bytes]:
    """Origin, request target and `host` header of an address."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    origin = Origin(secure, parts.hostname or "", parts.port or (443 if secure else 80))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return origin, target.encode("latin-1"), parts.netloc.rpartition("@")[2].encode("latin-1")


class _Connection(asyncio.Protocol):
    """One connection: a parser, what it has read and nobody has yet taken, and who waits for it."""

    __slots__ = (
        "answered",
        "chunks",
        "complete",
        "deadline",
        "error",
        "first_byte",
        "head_complete",
        "header_bytes",
        "headers",
        "idle_since",
        "keep",
        "loop",
        "more",
        "outbox",
        "parser",
        "paused",
        "silence",
        "sink",
        "size",
        "status",
        "transport",
        "waiter",
        "write_waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self.loop = loop
        self.outbox = outbox
        self.transport: BatchedTransport | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Sink | None = None
        self.write_waiter: asyncio.Future[None] | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.idle_since = 0.0
        self.deadline = 0.0
        self.error: UpstreamError | None = None
        self.begin(0.0, 0.0)

    def begin(self, first_byte: float, silence: float) -> None:
        """Make ready for another answer."""
        self.headers: dict[bytes, bytes] = {}
        self.header_bytes = 0
        self.chunks: list[bytes] = []
        self.size = 0
        self.status = 0
        self.answered = False
        self.head_complete = False
        self.complete = False
        self.keep = False
        self.more = False
        self.paused = False
        self.first_byte = first_byte
        self.silence = silence
        self.deadline = self.loop.time() + first_byte if first_byte else 0.0

    @property
    def usable(self) -> bool:
        return self.error is None and self.transport is not None and not self.more

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = BatchedTransport(cast(asyncio.Transport, transport), self.outbox)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.head_complete and not self.complete and self._lengthless():
            self.complete = True  # RFC 9112 §6.3: such a body ends with the connection
        if self.error is None:
            self.error = UpstreamCutError(str(exc) if exc else "connection closed")
        self.transport = None
        self._wake()
        if self.write_waiter is not None and not self.write_waiter.done():
            self.write_waiter.set_result(None)

    def _lengthless(self) -> bool:
        return b"content-length" not in self.headers and b"transfer-encoding" not in self.headers

    def pause_writing(self) -> None:
        if self.write_waiter is None:
            self.write_waiter = self.loop.create_future()

    def resume_writing(self) -> None:
        waiter, self.write_waiter = self.write_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.answered = True
        self.outbox.heard += 1
        self.deadline = self.loop.time() + self.silence
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.fail(cause if isinstance(cause, UpstreamError) else UpstreamError("not HTTP"))
        sink = self.sink
        if sink is not None:
            if self.chunks and not sink(self.take()):
                self.sink = None
            elif not self.complete and self.error is None:
                return
        self._wake()

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # httptools

    def on_message_begin(self) -> None:
        # What follows a whole answer belongs to no request of ours: the connection isn't reused.
        self.more = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:
            return
        self.header_bytes += len(name) + len(value)
        if self.header_bytes > _MAX_HEADER_BYTES:
            raise UpstreamError("headers too large")
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self.parser.get_status_code()
        if self.status < 200:  # 1xx: the answer itself follows
            self.headers = {}
            return
        self.head_complete = True

    def on_body(self, data: bytes) -> None:
        if self.complete:
            return
        self.chunks.append(data)
        self.size += len(data)
        if self.size > _HIGH_WATER and not self.paused and self.transport is not None:
            self.paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.complete or not self.head_complete:
            return
        self.complete = True
        self.deadline = 0.0
        self.keep = self.parser.should_keep_alive() and not self._lengthless()

    # for the pool and the response

    def fail(self, error: UpstreamError) -> None:
        """End the connection with a reason."""
        if self.error is None:
            self.error = error
        self.abort()
        self._wake()

    def abort(self) -> None:
        # abort, not close: unsent bytes of a request that nobody waits for must not linger.
        self.deadline = 0.0
        if self.error is None:
            self.error = UpstreamCutError("closed by us")
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def wait(self) -> asyncio.Future[None]:
        """Until something comes, or the connection ends."""
        self.waiter = self.loop.create_future()
        return self.waiter

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.chunks = []
        self.size = 0
        if self.paused and self.transport is not None:
            self.paused = False
            self.deadline = self.loop.time() + self.silence
            self.transport.resume_reading()
        return data


class Response:
    """An answer whose head has come. Read it with `piece`, `flow` or `read`, then `release` it."""

    __slots__ = ("_connection", "_origin", "_pool", "headers", "status")

    def __init__(self, pool: "Pool", origin: Origin, connection: _Connection) -> None:
        self._pool = pool
        self._origin = origin
        self._connection = connection
        self.status = connection.status
        self.headers = connection.headers

    @property
    def unread(self) -> bool:
        """Is something of the body still to come; if not, :meth:`take` gives all of it."""
        return not self._connection.complete

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        return self._connection.take()

    async def piece(self) -> bytes:
        """What has come of the body, as soon as there is something; empty at its end.

        Raises:
            UpstreamTimeoutError: nothing came for the silence limit.
            UpstreamCutError: the connection ended before the body did.
        """
        connection = self._connection
        while not connection.chunks:
            if connection.complete:
                return b""
            if connection.error is not None:
                raise connection.error
            await connection.wait()
        return connection.take()

    async def flow(self, sink: Sink) -> None:
        """Give what comes of the body to `sink` at once, in the same turn of the loop.

        Returns when the sink has had enough, or when the body or the connection has ended, which
        :meth:`piece` then tells.
        """
        connection = self._connection
        if connection.chunks or connection.complete or connection.error is not None:
            return
        connection.sink = sink
        try:
            await connection.wait()
        finally:
            connection.sink = None

    async def read(self, limit: int = 64_000_000) -> bytes:
        """The whole body.

        Raises:
            UpstreamError: as `piece`, or longer than `limit` bytes.
        """
        connection = self._connection
        data = await self.piece()
        if connection.complete and not connection.chunks:
            return data
        pieces = [data]
        size = len(data)
        while data := await self.piece():
            size += len(data)
            if size > limit:
                raise UpstreamError("answer too large")
            pieces.append(data)
        return b"".join(pieces)

    async def end(self) -> None:
        """Wait shortly for the end of a body of which all that matters was read."""
        connection = self._connection
        if not connection.complete and connection.error is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await connection.wait()
            connection.take()

    def release(self) -> None:
        """Keep the connection if the answer was read to its end, else close it; once."""
        connection, pool = self._connection, self._pool
        if connection.complete and connection.keep and not connection.chunks:
            pool.keep(self._origin, connection)
        else:
            connection.abort()
            pool.forget(connection)


class Pool:
    """Connections to endpoints, kept for reuse.

    Args:
        outbox: sends what is written; its own where none is given.
        idle: most idle connections kept for each endpoint.
    """

    def __init__(self, outbox: Outbox | None = None, idle: int = 1024) -> None:
        self._idle: defaultdict[Origin, list[_Connection]] = defaultdict(list)
        self._active: set[_Connection] = set()
        self._limit = idle
        self._outbox = outbox or Outbox()
        self._tls: ssl.SSLContext | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def send(
        self,
        method: bytes,
        url: str,
        head: bytes,
        body: bytes,
        first_byte: float,
        silence: float,
    ) -> Response:
        """Send a request and give its answer as soon as the head is there; `release` it.

        Args:
            head: further header lines, each with its line end.
            first_byte: most seconds until the head.
            silence: most seconds between two pieces of the body.

        Raises:
            UpstreamError: see the module.
        """
        origin, target, host = split_url(url)
        length = b"" if method == b"GET" else b"content-length: %d\r\n" % len(body)
        message = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n%b" % (
            method, target, host, length, head, body,
        )  # fmt: skip
        while True:
            idle = self._idle[origin]
            connection = idle.pop() if idle else None
            reused = connection is not None
            if connection is None:
                connection = await self._connect(origin)
            elif not connection.usable:
                continue
            self._active.add(connection)
            connection.begin(first_byte, silence)
            try:
                assert connection.transport is not None
                connection.transport.write(message)
                while not connection.head_complete:
                    if connection.error is not None:
                        raise connection.error
                    await connection.wait()
                return Response(self, origin, connection)
            except UpstreamCutError:
                self.forget(connection)
                # A kept connection may have been closed by the server just before our request:
                # nothing of an answer came, so the request goes once more, on a new connection.
                if reused and not connection.answered:
                    continue
                raise
            except BaseException:
                connection.abort()
                self.forget(connection)
                raise

    def keep(self, origin: Origin, connection: _Connection) -> None:
        """Put a connection aside for the next request."""
        self._active.discard(connection)
        idle = self._idle[origin]
        if len(idle) >= self._limit or not connection.usable:
            connection.abort()
            return
        connection.idle_since = connection.loop.time()
        idle.append(connection)

    def forget(self, connection: _Connection) -> None:
        """A connection that ended."""
        self._active.discard(connection)

    async def _connect(self, origin: Origin) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._watch is None:
            self._watch = loop.call_later(_WATCH_SECONDS, self._look, loop)
        if origin.secure and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, self._outbox),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.secure else None,
                )
        except TimeoutError:
            raise UpstreamTimeoutError(_CONNECT_SECONDS) from None
        except OSError as error:
            raise UpstreamError(str(error)) from None
        return connection

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer for all: a timer for each read would cost more than the read."""
        now = loop.time()
        for connection in [c for c in self._active if 0 < c.deadline < now and not c.paused]:
            limit = connection.silence if connection.answered else connection.first_byte
            connection.fail(UpstreamTimeoutError(limit))
        for idle in self._idle.values():
            stale = [c for c in idle if now - c.idle_since > _IDLE_SECONDS or not c.usable]
            if stale:
                idle[:] = [c for c in idle if c not in stale]
                for connection in stale:
                    connection.abort()
        self._watch = loop.call_later(_WATCH_SECONDS, self._look, loop)

    async def close(self) -> None:
        """Close every connection."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for idle in self._idle.values():
            while idle:
                idle.pop().abort()
        for connection in list(self._active):
            connection.abort()


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Header lines as :meth:`Pool.send` takes them.

    Raises:
        UpstreamError: a value holds a line break.
    """
    for name, value in headers.items():
        if "\r" in value or "\n" in value:
            raise UpstreamError(f"header {name} holds a line break")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
