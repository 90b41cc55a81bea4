"""A transcription request: a form with a sound file, of which we read the fields alone."""

import struct
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.gateway.catalogue import Model
from chappe.gateway.dispatch.job import Priority
from chappe.gateway.http.request import Operation

_FIELD_LIMIT = 65_536
# Speech is hardly ever coded below this: what can't be measured is taken for as long as it can be.
_LEAST_BYTES_A_SECOND = 2_000


class _Places:
    """Where the parts of a form lie, as the parser goes through it in one piece."""

    def __init__(self) -> None:
        self.fields: dict[bytes, tuple[int, int]] = {}
        self.file: tuple[int, int] | None = None
        self._header = b""
        self._disposition = b""
        self._start = -1
        self._end = -1

    def callbacks(self) -> Any:
        """The parser's callbacks."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
        }

    def _begin(self) -> None:
        self._header = self._disposition = b""
        self._start = self._end = -1

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]

    def _header_end(self) -> None:
        self._header = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._start < 0:
            self._start = start
        self._end = end

    def _part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"")
        place = (max(self._start, 0), max(self._end, 0))
        if b"filename" in options:
            self.file = place
        elif place[1] - place[0] < _FIELD_LIMIT:
            self.fields[name] = place


class AudioRequest:
    """A multipart form as the client sent it; passed on as it is but for the model's name.

    Attributes:
        seconds: length of the sound: measured for WAV, else an upper bound.

    Raises:
        ChappeError: `invalid_request` (400), not a form or no `model`.
    """

    __slots__ = ("_boundary", "_span", "body", "model", "seconds", "stream")

    operation: Operation = "audio.transcriptions"
    answers = 1
    output_limit: int | None = None
    priority: Priority | None = None
    continuable = False
    wants_usage = True
    prompt = b""

    def __init__(self, content_type: bytes, body: bytes) -> None:
        kind, parameters = parse_options_header(content_type)
        self._boundary = parameters.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not self._boundary:
            raise ChappeError("invalid_request", 400, reason=wrong("multipart"))
        self.body = body
        fields, sound = self._parts()
        if b"model" not in fields:
            raise ChappeError("invalid_request", 400, reason=at("model", wrong("missing")))
        if sound is None:
            raise ChappeError("invalid_request", 400, reason=at("file", wrong("missing")))
        self._span = fields[b"model"]
        self.model = body[slice(*self._span)].decode(errors="replace").strip()
        stream = fields.get(b"stream")
        self.stream = stream is not None and body[slice(*stream)].strip().lower() in (b"true", b"1")
        self.seconds = sound_seconds(body, *sound)

    def _parts(self) -> tuple[dict[bytes, tuple[int, int]], tuple[int, int] | None]:
        """Places of the fields' values, and of the file, in the body."""
        places = _Places()
        parser = MultipartParser(self._boundary, places.callbacks())
        try:
            parser.write(self.body)
            parser.finalize()
        except MultipartParseError:
            reason = wrong("multipart_unreadable")
            raise ChappeError("invalid_request", 400, reason=reason) from None
        return places.fields, places.file

    @property
    def content_type(self) -> bytes:
        """What the body is."""
        return b"multipart/form-data; boundary=" + self._boundary

    def upstream_body(self, model: Model, upstream_name: str, bound: int | None = None) -> bytes:
        """The body for an endpoint: the model's name is replaced, every other byte kept."""
        if self.model == upstream_name:
            return self.body
        start, end = self._span
        return self.body[:start] + upstream_name.encode() + self.body[end:]

    def continuation_body(self, *_: Any) -> bytes:
        """Transcriptions aren't continued."""
        raise NotImplementedError


def sound_seconds(body: bytes, start: int, end: int) -> float:
    """Length of a sound file: from the header of a RIFF/WAVE file, else an upper bound."""
    if body[start : start + 4] == b"RIFF" and body[start + 8 : start + 12] == b"WAVE":
        at = start + 12
        rate = 0
        while at + 8 <= end:
            name, size = struct.unpack_from("<4sI", body, at)
            if name == b"fmt " and at + 20 <= end:
                rate = struct.unpack_from("<I", body, at + 16)[0]
            elif name == b"data":
                size = min(size, end - at - 8)
                if rate:
                    return float(size) / rate
                break
            at += 8 + size + (size & 1)
    return (end - start) / _LEAST_BYTES_A_SECOND
