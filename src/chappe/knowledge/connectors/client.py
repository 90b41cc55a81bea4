"""A small HTTP client for reading what others publish: bounded in bytes, time and redirections."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpcore

from chappe import __version__
from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.knowledge.connectors.addresses import CheckedBackend, Reach, tls
from chappe.knowledge.connectors.base import bounded, save, unreachable

USER_AGENT = f"ChappeBot/{__version__}"
_REDIRECTIONS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_MOST_HEADER_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request. ``url``: after redirections. ``file``: its body, when one was asked
    for and the status is 2xx; otherwise ``body``."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    file: Path | None = None

    @property
    def media_type(self) -> str:
        """The media type, without parameters; empty when it isn't said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The character encoding that the server says."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset" and value.strip():
                return value.strip().strip("\"'")
        return None


class Client:
    """Reads from addresses that are open.

    Args:
        reach: which are.
        authorization: sent to the origin (scheme, host, port) of `origin` only.
        silence: seconds without a byte before giving up.
        longest: seconds that one request may take in all.
        redirections: so many are followed.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        origin: str = "",
        authorization: str | None = None,
        silence: float = 30.0,
        longest: float = 600.0,
        redirections: int = _REDIRECTIONS,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls(),
            max_connections=4,
            keepalive_expiry=15.0,
            network_backend=CheckedBackend(reach),
        )
        self._origin = _origin(origin)
        self._authorization = authorization
        self._longest = longest
        self._redirections = redirections
        self._timeouts = {key: silence for key in ("connect", "read", "write", "pool")}

    async def close(self) -> None:
        """Close its connections."""
        await self._pool.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        most: int,
        folder: Path | None = None,
    ) -> Answer:
        """Ask, following redirections; at most `most` bytes are taken.

        Args:
            folder: where to put the body of a successful answer; None keeps it in memory.

        Raises:
            ChappeError: `source_unreachable`, `source_address`, `source_too_large`.
        """
        try:
            async with asyncio.timeout(self._longest):
                for _ in range(self._redirections + 1):
                    answer = await self._once(method, url, headers or {}, body, most, folder)
                    target = answer.headers.get("location")
                    if answer.status not in _REDIRECT_STATUSES or not target:
                        return answer
                    url = urljoin(url, target)
        except TimeoutError:
            raise unreachable(shown(url), wrong("no_answer", seconds=self._longest)) from None
        except httpcore.TimeoutException:
            seconds = self._timeouts["read"]
            raise unreachable(shown(url), wrong("no_answer", seconds=seconds)) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, zlib.error) as error:
            # A certificate that isn't right is told in the words of the library.
            if isinstance(error, httpcore.ConnectError) and not isinstance(
                error.__cause__, ssl.SSLError
            ):
                raise unreachable(shown(url), wrong("no_connection")) from None
            raise unreachable(shown(url), wrong("broken_answer", message=_told(error))) from None
        raise unreachable(shown(url), wrong("redirections", limit=self._redirections))

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        most: int,
        folder: Path | None,
    ) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise unreachable(shown(url), wrong("web_address"))
        sent = {
            "host": parts.netloc.rpartition("@")[2],
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "gzip",
        } | dict(headers)
        if self._authorization is not None and _origin(url) == self._origin:
            sent["authorization"] = self._authorization
        async with self._pool.stream(
            method,
            url.partition("#")[0],
            headers=[(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            content=body,
            extensions={"timeout": self._timeouts},
        ) as response:
            told = {
                name.decode("latin-1").lower(): value.decode("latin-1")[:_MOST_HEADER_CHARS]
                for name, value in response.headers
            }
            chunks = bounded(_plain(response.aiter_stream(), told), shown(url), most)
            if folder is not None and 200 <= response.status < 300:
                return Answer(response.status, url, told, file=await save(chunks, folder))
            data = b"".join([chunk async for chunk in chunks])
            return Answer(response.status, url, told, data)


def shown(url: str) -> str:
    """An address without user, password and query, for sentences."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:300]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]


async def _plain(chunks: AsyncIterator[bytes], headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip"):
        async for chunk in chunks:
            yield chunk
        return
    inflater = zlib.decompressobj(31)
    async for chunk in chunks:
        while chunk:
            # A piece at a time: a few kilobytes may hold gigabytes.
            yield inflater.decompress(chunk, 1 << 20)
            chunk = inflater.unconsumed_tail
    yield inflater.flush()


def refused(answer: Answer, place: str) -> ChappeError:
    """What an answer that isn't a success means."""
    if answer.status in (401, 403):
        return ChappeError("source_denied", 502, place=place)
    if answer.status in (404, 410):
        return ChappeError("source_missing", 404, place=place)
    return unreachable(place, wrong("status", status=answer.status))
