"""Forms (multipart/form-data) read as they come: fields in memory, files as chunks.

async for part in read_form(content_type, chunks):
    if isinstance(part, Field): ...
    else: async for chunk in part.chunks: ...
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong

FIELD_BYTES = 65_536
_MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Field:
    """A plain field."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file; its chunks are read before the form goes on, and skipped if nobody reads them."""

    name: str
    filename: str
    chunks: AsyncGenerator[bytes, None]


class _End:
    """The end of a part."""


class _Events:
    """What the parser finds: a part's name and file name, its bytes, its end."""

    def __init__(self) -> None:
        self.found: deque[tuple[str, str | None] | bytes | type[_End]] = deque()
        self._header = b""
        self._disposition = b""

    def callbacks(self) -> Any:
        """The parser's callbacks."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": lambda data, start, end: self.found.append(data[start:end]),
            "on_part_end": lambda: self.found.append(_End),
        }

    def _begin(self) -> None:
        self._header = self._disposition = b""

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]

    def _header_end(self) -> None:
        self._header = b""

    def _headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        self.found.append((name, None if filename is None else filename.decode(errors="replace")))


async def read_form(
    content_type: bytes, chunks: AsyncIterator[bytes], field_bytes: int = FIELD_BYTES
) -> AsyncGenerator[Field | FilePart, None]:
    """The parts of a form, in its order.

    Args:
        content_type: the request's header.
        chunks: the request's body.
        field_bytes: longest value of a plain field.

    Raises:
        ChappeError: `invalid_request` (400), not a form, cut, or too many parts;
            `body_too_large` (413), a field.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise ChappeError("invalid_request", 400, reason=wrong("multipart"))
    events = _events(boundary, chunks)
    parts = 0
    async for event in events:
        assert isinstance(event, tuple)
        parts += 1
        if parts > _MOST_PARTS:
            reason = wrong("multipart_parts", most=_MOST_PARTS)
            raise ChappeError("invalid_request", 400, reason=reason)
        name, filename = event
        data = _until_end(events)
        if filename is not None:
            yield FilePart(name, filename, data)
            async for _ in data:
                pass
            continue
        value = bytearray()
        async for chunk in data:
            value += chunk
            if len(value) > field_bytes:
                raise ChappeError("body_too_large", 413, limit=field_bytes)
        yield Field(name, value.decode(errors="replace"))


async def _events(
    boundary: bytes, chunks: AsyncIterator[bytes]
) -> AsyncGenerator[tuple[str, str | None] | bytes | type[_End], None]:
    events = _Events()
    try:
        parser = MultipartParser(boundary, events.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
            while events.found:
                yield events.found.popleft()
        parser.finalize()
    except FormParserError:
        reason = wrong("multipart_unreadable")
        raise ChappeError("invalid_request", 400, reason=reason) from None


async def _until_end(
    events: AsyncIterator[tuple[str, str | None] | bytes | type[_End]],
) -> AsyncGenerator[bytes, None]:
    async for event in events:
        if event is _End:
            return
        assert isinstance(event, bytes)
        yield event
    raise ChappeError("invalid_request", 400, reason=wrong("cut"))
