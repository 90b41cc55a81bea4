"""HTTP/1.1 to inference servers: a small pool of connections over httptools.

General HTTP clients spend most of a gateway's time in their pools; this one does only what
forwarding needs: one POST or GET, a streamed answer, a silence limit, and a connection that is
closed at once when the caller leaves, which is what makes the server stop generating.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

_READ_SIZE = 65_536
_MAX_HEADER_BYTES = 65_536
_CONNECT_SECONDS = 5.0


class UpstreamError(Exception):
    """The endpoint can't be reached, or doesn't speak HTTP."""


class UpstreamTimeoutError(UpstreamError):
    """The endpoint stayed silent for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"silent for {seconds:g} s")
        self.seconds = seconds


class UpstreamCutError(UpstreamError):
    """The endpoint closed the connection in the middle of its answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an endpoint."""

    secure: bool
    host: str
    port: int


class _Answer:
    """Callbacks of the parser for one answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.header_bytes = 0
        self.chunks: list[bytes] = []
        self.head_complete = False
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.header_bytes += len(name) + len(value)
        if self.header_bytes > _MAX_HEADER_BYTES:
            raise UpstreamError("headers too large")
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.head_complete = True

    def on_body(self, data: bytes) -> None:
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def close(self) -> None:
        # abort, not close: unsent bytes of a request that nobody waits for must not linger.
        self.writer.transport.abort()

    @property
    def usable(self) -> bool:
        return not self.writer.is_closing() and not self.reader.at_eof()


class Response:
    """An answer whose head has come. Iterate `body()` once."""

    def __init__(
        self,
        connection: _Connection,
        parser: httptools.HttpResponseParser,
        answer: _Answer,
        silence: float,
    ) -> None:
        self.status: int = parser.get_status_code()
        self.headers = answer.headers
        self.reusable = False
        self._connection = connection
        self._parser = parser
        self._answer = answer
        self._silence = silence

    async def body(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they come.

        Raises:
            UpstreamTimeoutError: nothing came for `silence` seconds.
            UpstreamCutError: the connection ended before the body did.
        """
        answer = self._answer
        while True:
            if answer.chunks:
                data = b"".join(answer.chunks)
                answer.chunks.clear()
                yield data
            if answer.complete:
                self.reusable = self._parser.should_keep_alive()
                return
            await _receive(self._connection, self._parser, answer, self._silence)

    async def read(self, limit: int = 64_000_000) -> bytes:
        """The whole body.

        Raises:
            UpstreamError: as `body`, or longer than `limit` bytes.
        """
        pieces: list[bytes] = []
        size = 0
        async for piece in self.body():
            size += len(piece)
            if size > limit:
                raise UpstreamError("answer too large")
            pieces.append(piece)
        return b"".join(pieces)


async def _receive(
    connection: _Connection,
    parser: httptools.HttpResponseParser,
    answer: _Answer,
    silence: float,
) -> None:
    try:
        async with asyncio.timeout(silence):
            data = await connection.reader.read(_READ_SIZE)
    except TimeoutError:
        raise UpstreamTimeoutError(silence) from None
    except OSError as error:
        raise UpstreamCutError(str(error)) from None
    if not data:
        lengthless = answer.head_complete and not (
            "content-length" in answer.headers or "transfer-encoding" in answer.headers
        )
        if not lengthless:
            raise UpstreamCutError("connection closed")
        answer.complete = True  # RFC 9112 §6.3: such a body ends with the connection
        return
    try:
        parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise UpstreamError(f"not HTTP: {error}") from None


class Pool:
    """Connections to endpoints, kept for reuse.

    Args:
        idle: most idle connections kept for each endpoint.
    """

    def __init__(self, idle: int = 32) -> None:
        self._idle: defaultdict[Origin, list[_Connection]] = defaultdict(list)
        self._limit = idle
        self._tls: ssl.SSLContext | None = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        first_byte: float,
        silence: float,
    ) -> AsyncIterator[Response]:
        """Send a request and give its answer as soon as the head is there.

        Leaving the block before the body's end closes the connection.

        Args:
            first_byte: most seconds until the head.
            silence: most seconds between two pieces of the body.

        Raises:
            UpstreamError: see the module.
        """
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        origin = Origin(secure, parts.hostname or "", parts.port or (443 if secure else 80))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
        for name, value in (headers or {}).items():
            if "\r" in value or "\n" in value:
                raise UpstreamError(f"header {name} holds a line break")
            lines.append(f"{name}: {value}")
        message = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

        connection, response = await self._send(origin, message, first_byte, silence)
        try:
            yield response
        finally:
            if response.reusable and connection.usable and self._keep(origin, connection):
                pass
            else:
                connection.close()

    def _keep(self, origin: Origin, connection: _Connection) -> bool:
        idle = self._idle[origin]
        if len(idle) >= self._limit:
            return False
        idle.append(connection)
        return True

    async def _send(
        self, origin: Origin, message: bytes, first_byte: float, silence: float
    ) -> tuple[_Connection, Response]:
        while True:
            idle = self._idle[origin]
            kept = idle.pop() if idle else None
            if kept is not None and not kept.usable:
                kept.close()
                continue
            connection = kept or await self._connect(origin)
            answer = _Answer()
            parser = httptools.HttpResponseParser(answer)
            try:
                connection.writer.write(message)
                await connection.writer.drain()
                while not answer.head_complete:
                    await _receive(connection, parser, answer, first_byte)
            except UpstreamCutError:
                connection.close()
                # A kept connection may have been closed by the server just before our request:
                # nothing of an answer came, so the request goes once more, on a new connection.
                if kept is not None and not answer.headers:
                    continue
                raise
            except OSError as error:
                connection.close()
                if kept is not None:
                    continue
                raise UpstreamError(str(error)) from None
            except BaseException:
                connection.close()
                raise
            return connection, Response(connection, parser, answer, silence)

    async def _connect(self, origin: Origin) -> _Connection:
        if origin.secure and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    origin.host, origin.port, ssl=self._tls if origin.secure else None
                )
        except TimeoutError:
            raise UpstreamTimeoutError(_CONNECT_SECONDS) from None
        except OSError as error:
            raise UpstreamError(str(error)) from None
        return _Connection(reader, writer)

    async def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
