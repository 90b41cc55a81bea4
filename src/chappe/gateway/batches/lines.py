"""Lines of files: those that come in are checked, those that go out are written."""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from chappe.core.errors import ChappeError
from chappe.core.i18n import translate
from chappe.core.json import UNREADABLE, why_unreadable
from chappe.gateway.batches.batch import ENDPOINTS, Fault

MOST_LINES = 50_000
_MOST_FAULTS = 100
_MOST_NAME = 512
_BOM = b"\xef\xbb\xbf"


class Line(msgspec.Struct):
    """One request of a batch; `body` is kept byte for byte."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class _Body(msgspec.Struct):
    model: str
    stream: bool | None = None


_LINE = msgspec.json.Decoder(Line)
_BODY = msgspec.json.Decoder(_Body)


class LineTooLongError(Exception):
    """A line is longer than a request may be; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


async def split(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[tuple[int, bytes]]:
    """The lines of a file that aren't blank, with their numbers from 1.

    Raises:
        LineTooLongError: one has more than `most` bytes.
    """
    number, size = 1, 0
    parts: list[bytes] = []
    async for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if size + end - start > most:
                raise LineTooLongError(number)
            parts.append(chunk[start:end])
            if line := _clean(parts, number):
                yield number, line
            number, size, start = number + 1, 0, end + 1
            parts.clear()
        parts.append(chunk[start:])
        size += len(chunk) - start
        if size > most:
            raise LineTooLongError(number)
    if line := _clean(parts, number):
        yield number, line


def _clean(parts: list[bytes], number: int) -> bytes:
    line = b"".join(parts)
    return (line.removeprefix(_BOM) if number == 1 else line).strip()


class Checker:
    """Checks an input file line by line.

    Args:
        endpoint: path that every line must name.
        check_model: why a model can't be asked; None when it can.

    Attributes:
        faults: what is wrong, the first hundred.
        model: the only model of the file.
        total: lines that were read.
        full: there is no use in going on.
    """

    def __init__(self, endpoint: str, check_model: Callable[[str], ChappeError | None]) -> None:
        self.faults: list[Fault] = []
        self.model: str | None = None
        self.total = 0
        self.full = False
        self._endpoint = endpoint
        self._check_model = check_model
        self._seen: set[bytes] = set()

    def add(self, number: int, text: bytes) -> None:
        """One more line."""
        self.total += 1
        if self.total > MOST_LINES:
            self.faults.append(Fault("too_many_lines", number, None, {"most": str(MOST_LINES)}))
            self.full = True
        elif (fault := self._fault(number, text)) is not None:
            self.faults.append(fault)
            self.full = len(self.faults) >= _MOST_FAULTS

    def _fault(self, number: int, text: bytes) -> Fault | None:
        try:
            line = _LINE.decode(text)
        except msgspec.ValidationError as error:
            return Fault("invalid_request", number, None, {"reason": why_unreadable(error)})
        except UNREADABLE as error:
            return Fault("invalid_json_line", number, None, {"reason": why_unreadable(error)})
        if not 0 < len(line.custom_id) <= _MOST_NAME or "\x00" in line.custom_id:
            return Fault("invalid_custom_id", number, "custom_id", {"most": str(_MOST_NAME)})
        digest = hashlib.blake2b(
            line.custom_id.encode(errors="surrogatepass"), digest_size=16
        ).digest()
        if digest in self._seen:
            return Fault("duplicate_custom_id", number, "custom_id", {"name": line.custom_id})
        self._seen.add(digest)
        if line.method != "POST":
            return Fault("invalid_method", number, "method")
        if line.url != self._endpoint:
            code = "mismatched_url" if line.url in ENDPOINTS else "invalid_url"
            return Fault(code, number, "url", {"endpoint": self._endpoint})
        return self._body_fault(number, bytes(line.body))

    def _body_fault(self, number: int, body: bytes) -> Fault | None:
        try:
            fields = _BODY.decode(body)
        except UNREADABLE as error:
            return Fault("invalid_request", number, "body", {"reason": why_unreadable(error)})
        if fields.stream:
            return Fault("stream_not_allowed", number, "body.stream")
        if self.model is None:
            self.model = fields.model
            refusal = self._check_model(fields.model)
            if refusal is not None:
                return Fault("model_not_found", number, "body.model", {"model": fields.model})
        elif fields.model != self.model:
            return Fault("mismatched_model", number, "body.model", {"model": self.model})
        return None


def read_line(text: bytes) -> Line:
    """A line that was checked."""
    return _LINE.decode(text)


class _Answer(msgspec.Struct):
    status_code: int
    request_id: str | None
    body: msgspec.Raw


class _Error(msgspec.Struct):
    code: str
    message: str


class _Result(msgspec.Struct):
    id: str
    custom_id: str
    response: _Answer | None
    error: _Error | None


def result_line(
    batch_id: str,
    ordinal: int,
    custom_id: str,
    status: int | None,
    response: bytes | None,
    request_id: str | None,
    unfinished: str,
) -> bytes:
    """One line of a result file.

    Args:
        status: of the answer; None when there is none.
        response: the answer, JSON on one line.
        unfinished: code for a request without an answer, `batch_expired` or `batch_cancelled`.
    """
    answer = error = None
    if status is not None:
        answer = _Answer(status, request_id, msgspec.Raw(response or b"null"))
    else:
        error = _Error(unfinished, translate(f"batch.{unfinished}", "en"))
    name = f"batch_req_{batch_id.removeprefix('batch_')}_{ordinal}"
    return msgspec.json.encode(_Result(name, custom_id, answer, error)) + b"\n"


def one_line(answer: bytes) -> bytes:
    """An answer as JSON on one line, its numbers and strings untouched; text becomes a string."""
    try:
        return msgspec.json.format(answer, indent=-1)
    except msgspec.DecodeError:
        return msgspec.json.encode(answer.decode(errors="replace"))


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Told(msgspec.Struct):
    usage: _Usage | None = None


_TOLD = msgspec.json.Decoder(_Told)


class UsageSum:
    """Tokens of a batch's answers, as the engines report them."""

    def __init__(self) -> None:
        self._read = self._written = self._cached = self._reasoned = 0

    def add(self, answer: bytes) -> None:
        """One more answer; one that tells nothing counts nothing."""
        try:
            usage = _TOLD.decode(answer).usage
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if usage is None:
            return
        self._read += usage.prompt_tokens or usage.input_tokens or 0
        self._written += usage.completion_tokens or usage.output_tokens or 0
        read = usage.prompt_tokens_details or usage.input_tokens_details
        written = usage.completion_tokens_details or usage.output_tokens_details
        self._cached += (read and read.cached_tokens) or 0
        self._reasoned += (written and written.reasoning_tokens) or 0

    def view(self) -> dict[str, Any]:
        """In OpenAI's form."""
        return {
            "input_tokens": self._read,
            "input_tokens_details": {"cached_tokens": self._cached},
            "output_tokens": self._written,
            "output_tokens_details": {"reasoning_tokens": self._reasoned},
            "total_tokens": self._read + self._written,
        }
