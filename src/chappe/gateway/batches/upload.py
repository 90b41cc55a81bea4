"""Reading an upload as it comes, with limits: never whole in memory."""

from typing import IO, Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from chappe.core.errors import ChappeError
from chappe.core.streaming import Receive
from chappe.gateway.batches.files import spool

_MOST_FIELD_BYTES = 65_536


class Upload:
    """A form that is being received.

    Args:
        content_type: the request's header.
        limit: largest file, in bytes.

    Attributes:
        fields: plain fields by name.
        file: the file's bytes; None when there is no file.
        filename: what its sender calls it.

    Raises:
        ChappeError: `invalid_request` (400), it isn't a form.
    """

    def __init__(self, content_type: bytes, limit: int) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise ChappeError("invalid_request", 400, reason="multipart/form-data expected")
        self.fields: dict[str, str] = {}
        self.file: IO[bytes] | None = None
        self.filename = ""
        self._limit = limit
        self._size = 0
        self._header = b""
        self._disposition = b""
        self._name = ""
        self._in_file = False
        self._field = b""
        self._parser = MultipartParser(options[b"boundary"], self._callbacks())

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    async def receive(self, receive: Receive) -> None:
        """Read the whole body.

        Raises:
            ChappeError: `invalid_request`, `body_too_large` (413).
        """
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ChappeError("invalid_request", 400, reason="the upload was cut")
                self._parser.write(message.get("body", b""))
                if not message.get("more_body"):
                    break
            self._parser.finalize()
        except MultipartParseError as error:
            raise ChappeError("invalid_request", 400, reason=f"multipart: {error}") from None

    def _begin(self) -> None:
        self._header = self._disposition = self._field = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]

    def _header_end(self) -> None:
        self._header = b""

    def _headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        self._in_file = b"filename" in options
        if self._in_file:
            self.filename = options[b"filename"].decode(errors="replace")
            self.file = spool()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            assert self.file is not None
            self._size += end - start
            if self._size > self._limit:
                raise ChappeError("body_too_large", 413, limit=self._limit)
            self.file.write(data[start:end])
        else:
            self._field += data[start:end]
            if len(self._field) > _MOST_FIELD_BYTES:
                raise ChappeError("body_too_large", 413, limit=_MOST_FIELD_BYTES)

    def _end(self) -> None:
        if not self._in_file:
            self.fields[self._name] = self._field.decode(errors="replace")
