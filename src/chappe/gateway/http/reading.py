"""What is read of an answer as it goes by: usage, the first token, the text so far, the end."""

import re
from typing import Any, Protocol

import msgspec

from chappe.core.json import UNREADABLE
from chappe.gateway.http.events import EventSplitter, event_data
from chappe.gateway.http.request import Request
from chappe.gateway.http.upstream import UpstreamCutError

_NONE = msgspec.Raw(b"")
_EMPTY = frozenset((b"", b"null", b'""', b"[]"))
DONE = b"data: [DONE]\n\n"
# A JSON string that isn't empty (RFC 8259, section 7), without halves of surrogate pairs: whether
# these are whole is for the decoder to see.
_TEXT = re.compile(
    rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}))++"'
).fullmatch


class Counts(Protocol):
    """Where what was read is noted: the request's account."""

    def first_token(self) -> None:
        """The first token came; only the first call counts."""

    def content(self) -> None:
        """One event with content went by."""

    def usage(self, tokens_in: int | None, tokens_out: int | None, cached: int | None) -> None:
        """The engine's own count."""

    def sound(self, seconds: float) -> None:
        """Seconds of sound, as the engine counts them."""


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """Usage in any of OpenAI's forms."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    seconds: float | None = None
    total_tokens: int | None = None

    def note(self, counts: Counts, most: int) -> None:
        """Note it, unless it can't be true: negative, or longer than `most` tokens."""
        tokens_in = self.prompt_tokens if self.prompt_tokens is not None else self.input_tokens
        tokens_out = (
            self.completion_tokens if self.completion_tokens is not None else self.output_tokens
        )
        if tokens_in is None and tokens_out is None and self.total_tokens is not None:
            tokens_in, tokens_out = self.total_tokens, 0
        details = self.prompt_tokens_details or self.input_tokens_details
        if self.seconds is not None and self.seconds >= 0:
            counts.sound(self.seconds)
        if tokens_in is None and tokens_out is None:
            return
        if 0 <= (tokens_in or 0) <= most and 0 <= (tokens_out or 0) <= most:
            counts.usage(tokens_in, tokens_out, details.cached_tokens if details else None)


class _Delta(msgspec.Struct):
    content: msgspec.Raw = _NONE
    reasoning_content: msgspec.Raw = _NONE
    reasoning: msgspec.Raw = _NONE
    tool_calls: msgspec.Raw = _NONE
    function_call: msgspec.Raw = _NONE
    refusal: msgspec.Raw = _NONE
    audio: msgspec.Raw = _NONE

    @property
    def plain(self) -> bool:
        """Is there no other field than `content`."""
        return (
            self.reasoning_content is _NONE
            and self.tool_calls is _NONE
            and self.reasoning is _NONE
            and self.refusal is _NONE
            and self.function_call is _NONE
            and self.audio is _NONE
        )

    @property
    def is_empty(self) -> bool:
        """Is there nothing generated in the other fields."""
        others = (
            self.reasoning_content, self.reasoning, self.tool_calls, self.function_call,
            self.refusal, self.audio,
        )  # fmt: skip
        return _EMPTY.issuperset(map(bytes, others))


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: Usage | None = None
    error: msgspec.Raw = _NONE


_CHUNK = msgspec.json.Decoder(_Chunk)
_STRING = msgspec.json.Decoder(str)


class StreamReader(Protocol):
    """Reads a stream of events, and gives what the client should see of it."""

    finished: bool

    def feed(self, data: bytes) -> bytes:
        """Add bytes as they come; give the bytes for the client.

        Raises:
            UpstreamCutError: an event is malformed, or tells an error.
        """


class _Frame:
    """What stands around the text in a stream's events: most of them differ in nothing else, and
    needn't be decoded one by one.

    Attributes:
        before, after: of an event that was decoded; the default is in no event.
        begin, end: where the text begins, and ends (from the end).
    """

    __slots__ = ("_learned_at", "_lessons", "after", "before", "begin", "end")

    def __init__(self) -> None:
        self.before = self.after = b"\0"
        self.begin = self.end = 0
        self._lessons = 8
        self._learned_at = 0

    def learn(self, event: bytes, content: bytes, tokens: int) -> None:
        """Take an event that holds `content`, token number `tokens`, and nothing else that counts.

        Engines whose every event differs are given up on.
        """
        if tokens - self._learned_at > 2:
            self._lessons = max(self._lessons, 2)
        if not self._lessons:
            return
        self._lessons -= 1
        self._learned_at = tokens
        # In a JSON string the quotes would have a backslash before them: this is the key itself.
        before, key, rest = event.partition(b'"content":')
        value = rest.lstrip(b" ")
        if not value.startswith(content) or b'"content":' in rest:
            return
        self.before = before + key + rest[: len(rest) - len(value)]
        self.after = value[len(content) :]
        self.begin, self.end = len(self.before), -len(self.after)


class ChatReader:
    """Streamed chat completions.

    Attributes:
        finished: `[DONE]` was seen.
        complete: the answer itself is whole (it told its finish reason), whatever follows.
        text: JSON strings of what was generated so far; None once it holds what can't be
            continued from text (tool calls, reasoning).
        tokens: content events so far.
    """

    __slots__ = (
        "_counts", "_first", "_frame", "_identity", "_most", "_request", "_splitter",
        "_used_before", "complete", "finished", "text", "tokens",
    )  # fmt: skip

    def __init__(self, request: Request, counts: Counts, most: int) -> None:
        self._request = request
        self._counts = counts
        self._most = most
        self._splitter = EventSplitter()
        self._first = b""
        self._frame = _Frame()
        self._identity: dict[str, Any] | None = None
        self._used_before = 0
        self.finished = False
        self.complete = False
        self.text: list[bytes] | None = [] if request.continuable else None
        self.tokens = 0

    def feed(self, data: bytes) -> bytes:
        """See :class:`StreamReader`."""
        frame = self._frame
        if data.startswith(frame.before) and data.endswith(frame.after):
            text = data[frame.begin : frame.end]
            if _TEXT(text) and not self._splitter.buffer:
                self._counts.content()
                self.tokens += 1
                if self.text is not None:
                    self.text.append(text)
                return data
        try:
            events = self._splitter.feed(data)
        except ValueError as error:
            raise UpstreamCutError(str(error)) from None
        if len(events) == 1:
            return self._event(events[0])
        shown = []
        for event in events:
            try:
                shown.append(self._event(event))
            except UpstreamCutError as error:
                # What came whole before it is the client's all the same.
                error.shown = b"".join(shown)
                raise
        return b"".join(shown)

    def _event(self, event: bytes) -> bytes:
        payload = event_data(event)
        if payload is None:
            return event
        if payload == b"[DONE]":
            self.finished = True
            return event
        try:
            chunk = _CHUNK.decode(payload)
        except UNREADABLE:
            raise UpstreamCutError("malformed event") from None
        if chunk.error is not _NONE and bytes(chunk.error) not in _EMPTY:
            raise UpstreamCutError(f"the engine says: {bytes(chunk.error)[:300].decode()}")
        if not self._first:
            self._first = payload
        for choice in chunk.choices:
            delta = choice.delta
            if delta is not None:
                # Most chunks hold text and nothing else.
                content = bytes(delta.content)
                if content not in _EMPTY and content.startswith(b'"') and delta.plain:
                    self._counts.content()
                    self.tokens += 1
                    if self.text is not None:
                        self.text.append(content)
                    if (
                        chunk.usage is None
                        and choice.finish_reason is None
                        and self._identity is None
                    ):
                        self._frame.learn(event, content, self.tokens)
                elif not delta.plain or content not in _EMPTY:
                    self._other(delta, content)
            if choice.finish_reason is not None:
                self.complete = True
        if chunk.usage is not None:
            self._usage(chunk.usage)
            if not chunk.choices and not self._request.wants_usage:
                return b""
        if self._identity is not None:
            return self._renamed(payload)
        return event

    def _other(self, delta: _Delta, content: bytes) -> None:
        """Content that isn't only text: reasoning, tool calls…"""
        if delta.is_empty and content in _EMPTY:
            return
        self._counts.content()
        self.tokens += 1
        if not delta.is_empty or not content.startswith(b'"'):
            self.text = None
        elif self.text is not None:
            self.text.append(content)

    def written(self) -> str:
        """The text so far, for another endpoint to go on from.

        Raises:
            UpstreamCutError: the engine wrote bytes that aren't text.
        """
        try:
            return "".join(map(_STRING.decode, self.text or ()))
        except UNREADABLE:
            raise UpstreamCutError("malformed text") from None

    def _usage(self, usage: Usage) -> None:
        # After a continuation, what was written before is in the prompt: it is moved back.
        if self._used_before:
            before = self._used_before
            usage.prompt_tokens = max(0, (usage.prompt_tokens or 0) - before)
            usage.completion_tokens = (usage.completion_tokens or 0) + before
        usage.note(self._counts, self._most)

    def resume(self) -> None:
        """Another endpoint goes on: its chunks take the identity of the first one's."""
        self._splitter = EventSplitter()
        self._frame = _Frame()
        first = msgspec.json.decode(self._first) if self._first else {}
        self._identity = {name: first[name] for name in ("id", "created", "model") if name in first}
        self._used_before = self.tokens

    def _renamed(self, payload: bytes) -> bytes:
        assert self._identity is not None
        chunk: dict[str, Any] = msgspec.json.decode(payload)
        for choice in chunk.get("choices", []):
            if isinstance(choice.get("delta"), dict):
                choice["delta"].pop("role", None)
        if self._used_before and isinstance(chunk.get("usage"), dict):
            usage = chunk["usage"]
            for name, change in (
                ("prompt_tokens", -self._used_before),
                ("completion_tokens", self._used_before),
            ):
                if isinstance(usage.get(name), int):
                    usage[name] = max(0, usage[name] + change)
        return b"data: " + msgspec.json.encode(chunk | self._identity) + b"\n\n"


class _TypedUsage(msgspec.Struct):
    usage: Usage | None = None


class _TypedEvent(msgspec.Struct):
    type: str = ""
    response: _TypedUsage | None = None
    usage: Usage | None = None


_TYPED = msgspec.json.Decoder(_TypedEvent)
_LAST_TYPES = frozenset(
    ("response.completed", "response.incomplete", "response.failed", "transcript.text.done")
)


class TypedReader:
    """Streams whose events tell their `type`: responses and transcriptions.

    Attributes:
        finished: the last event was seen.
    """

    __slots__ = ("_counts", "_most", "_splitter", "finished")

    def __init__(self, counts: Counts, most: int) -> None:
        self._counts = counts
        self._most = most
        self._splitter = EventSplitter()
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        """See :class:`StreamReader`."""
        try:
            events = self._splitter.feed(data)
        except ValueError as error:
            raise UpstreamCutError(str(error)) from None
        for event in events:
            self._event(event)
        return b"".join(events)

    def _event(self, event: bytes) -> None:
        payload = event_data(event)
        if payload is None:
            return
        if payload == b"[DONE]":
            self.finished = True
            return
        try:
            chunk = _TYPED.decode(payload)
        except UNREADABLE:
            raise UpstreamCutError("malformed event") from None
        if chunk.type == "error":
            raise UpstreamCutError(f"the engine says: {payload[:300].decode(errors='replace')}")
        if chunk.type.endswith(".delta"):
            self._counts.content()
        usage = chunk.usage or (chunk.response.usage if chunk.response else None)
        if usage is not None:
            usage.note(self._counts, self._most)
        if chunk.type in _LAST_TYPES:
            self.finished = True


class _Whole(msgspec.Struct):
    usage: Usage | None = None
    duration: float | None = None


_WHOLE = msgspec.json.Decoder(_Whole)


def read_whole(body: bytes, content_type: bytes, counts: Counts, most: int) -> None:
    """Read the usage of an answer that isn't streamed; text answers (transcripts) have none.

    Raises:
        UpstreamCutError: it says that it is JSON and isn't.
    """
    counts.first_token()
    if not content_type.startswith(b"application/json"):
        return
    try:
        answer = _WHOLE.decode(body)
    except UNREADABLE:
        raise UpstreamCutError("malformed answer") from None
    if answer.duration is not None and answer.duration >= 0:
        counts.sound(answer.duration)
    if answer.usage is not None:
        answer.usage.note(counts, most)
