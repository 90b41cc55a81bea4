"""One request to a model and its answer: what is read from each, and what is passed on whole."""

from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from chappe.core.errors import ChappeError
from chappe.gateway.accounts import Account, Outcome
from chappe.gateway.events import EventSplitter, event_data
from chappe.gateway.upstream import Response, UpstreamCutError

Operation = Literal["chat.completions", "embeddings"]
KINDS: dict[Operation, Literal["chat", "embedding"]] = {
    "chat.completions": "chat",
    "embeddings": "embedding",
}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Routing(msgspec.Struct):
    """The only fields of a request that the gateway reads."""

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """The fields of a streamed chunk that the gateway reads."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


class Request:
    """A request as the client sent it.

    Raises:
        ChappeError: `invalid_request` (400), not JSON or no `model`.
    """

    def __init__(self, body: bytes) -> None:
        try:
            routing = msgspec.json.decode(body, type=_Routing)
            self._fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ChappeError("invalid_request", 400, reason=str(error)) from None
        self.model = routing.model
        self.stream = bool(routing.stream)
        options = routing.stream_options
        self.wants_usage = bool(options and options.include_usage)

    def upstream_body(self, upstream_name: str) -> bytes:
        """The body for the endpoint: its own model name, and usage always asked for."""
        fields: dict[str, Any] = dict(self._fields)
        fields["model"] = upstream_name
        if self.stream:
            options: dict[str, Any] = {}
            if raw := self._fields.get("stream_options"):
                options = msgspec.json.decode(raw) or {}
            fields["stream_options"] = options | {"include_usage": True}
        return msgspec.json.encode(fields)


class Exchange:
    """An answer on its way to the client, read as it goes by.

    Attributes:
        status: the endpoint's HTTP status.
        outcome: what to settle the account with once the answer has been read to its end.
    """

    def __init__(self, request: Request, response: Response, account: Account) -> None:
        self.request = request
        self.status = response.status
        self.account = account
        self.content_type = response.headers.get("content-type", "application/json")
        self.outcome: Outcome = "cancelled"
        self._response = response

    @property
    def streamed(self) -> bool:
        """Does the answer come as server-sent events."""
        return self.status == 200 and self.content_type.startswith("text/event-stream")

    async def whole(self) -> bytes:
        """The answer, when it isn't streamed."""
        body = await self._response.read()
        if self.status == 200:
            self.account.first_token()
            try:
                usage = msgspec.json.decode(body, type=_Answer).usage
            except msgspec.DecodeError:
                raise ChappeError("engine_cut", 502, model=self.account.model) from None
            if usage is not None:
                self.account.usage(usage.prompt_tokens, usage.completion_tokens)
            self.outcome = "completed"
        else:
            self.outcome = "refused" if self.status < 500 else "failed"
        return body

    async def events(self) -> AsyncIterator[bytes]:
        """The events for the client, each whole; the usage that only we asked for is kept back.

        Raises:
            UpstreamCutError: the stream ended before `[DONE]`.
        """
        splitter = EventSplitter()
        async for data in self._response.body():
            for event in splitter.feed(data):
                payload = event_data(event)
                if payload == b"[DONE]":
                    # An error inside the stream has already said how it ended.
                    if self.outcome == "cancelled":
                        self.outcome = "completed"
                    yield event
                    return
                if payload is None or self._note(payload):
                    yield event
        if self.outcome == "failed":
            return
        raise UpstreamCutError("stream ended before [DONE]")

    def _note(self, payload: bytes) -> bool:
        """Read one chunk; should the client see it."""
        try:
            chunk = msgspec.json.decode(payload, type=Chunk)
        except msgspec.DecodeError:
            raise UpstreamCutError("malformed event") from None
        if chunk.error is not None:
            self.outcome = "failed"
        if any(has_content(choice) for choice in chunk.choices):
            self.account.first_token()
            self.account.count_event()
        if chunk.usage is not None:
            self.account.usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            return bool(chunk.choices) or self.request.wants_usage
        return True


def has_content(choice: _Choice) -> bool:
    """Does a chunk's choice carry something generated (text, reasoning or a tool call)."""
    delta = choice.delta or {}
    return any(
        name != "role" and bytes(value) not in (b"null", b'""', b"[]")
        for name, value in delta.items()
    )
