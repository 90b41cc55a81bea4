"""A request as the client sent it: the few fields that we read, the rest passed on whole."""

from typing import Any, Literal

import msgspec

from chappe.core.errors import ChappeError
from chappe.core.json import UNREADABLE, why_unreadable
from chappe.gateway.catalogue import Kind, Model
from chappe.gateway.dispatch.job import Priority

Operation = Literal["chat.completions", "responses", "embeddings", "rerank", "audio.transcriptions"]
OPERATIONS: dict[str, Operation] = {
    "/v1/chat/completions": "chat.completions",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/v1/audio/transcriptions": "audio.transcriptions",
}
PATHS: dict[Operation, str] = {
    operation: path.removeprefix("/v1") for path, operation in OPERATIONS.items()
}
KINDS: dict[Operation, Kind] = {
    "chat.completions": "chat",
    "responses": "chat",
    "embeddings": "embedding",
    "rerank": "rerank",
    "audio.transcriptions": "transcription",
}
_NONE = msgspec.Raw(b"")
_PRIORITY_TIERS: dict[str, Priority] = {"priority": "interactive", "flex": "batch"}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Request(msgspec.Struct):
    """A JSON request: what is read of it. Made by :func:`read_request`.

    Attributes:
        model: the name asked for.
        body: as the client sent it.
        prompt: raw JSON of what the model will read.
        operation: what is asked.
    """

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    messages: msgspec.Raw = _NONE
    input: msgspec.Raw = _NONE
    instructions: msgspec.Raw = _NONE
    tools: msgspec.Raw = _NONE
    query: msgspec.Raw = _NONE
    documents: msgspec.Raw = _NONE
    logprobs: msgspec.Raw = _NONE
    service_tier: str | None = None
    # Set after decoding; under names that no request uses.
    body: bytes = msgspec.field(default=b"", name="chappe:body")
    prompt: bytes = msgspec.field(default=b"", name="chappe:prompt")
    operation: Operation = msgspec.field(default="chat.completions", name="chappe:operation")

    @property
    def wants_usage(self) -> bool:
        """Did the client ask for the usage chunk of a stream."""
        options = self.stream_options
        return options is not None and bool(options.include_usage)

    @property
    def answers(self) -> int:
        """How many answers are asked for."""
        return max(1, self.n or 1)

    @property
    def output_limit(self) -> int | None:
        """Most tokens of one answer that the client allows; None when it doesn't say."""
        return self.max_completion_tokens or self.max_tokens or self.max_output_tokens

    @property
    def priority(self) -> Priority | None:
        """The class that `service_tier` asks for, if it does."""
        return None if self.service_tier is None else _PRIORITY_TIERS.get(self.service_tier)

    @property
    def continuable(self) -> bool:
        """Can another server go on with a stream: not with log-probabilities or several answers."""
        return (
            self.operation == "chat.completions"
            and self.answers == 1
            and bytes(self.logprobs) in (b"", b"null", b"false")
        )

    @property
    def content_type(self) -> bytes:
        """What the body is."""
        return b"application/json"

    def upstream_body(self, model: Model, upstream_name: str, bound: int | None = None) -> bytes:
        """The body for an endpoint.

        It is the client's own, byte for byte, unless the endpoint knows the model by another name,
        the model has default sampling, a stream's usage has to be asked for, or a quota needs a
        bound on the answer.

        Args:
            model: the catalogue's model.
            upstream_name: the endpoint's name for it.
            bound: longest answer, put where the client gives none.
        """
        ask_usage = self.stream and not self.wants_usage and self.operation == "chat.completions"
        bounded = bound is not None and self.output_limit is None
        if self.model == upstream_name and not model.default_sampling:
            if not (ask_usage or bounded):
                return self.body
            if not ask_usage or self.stream_options is None:
                # Nothing is there to be changed: the fields are put before the others.
                added = b'"stream_options":{"include_usage":true},' if ask_usage else b""
                if bound is not None and bounded:
                    added += b'"%b":%d,' % (self._bound_name, bound)
                start = self.body.index(b"{") + 1
                return self.body[:start] + added + self.body[start:]
        fields: dict[str, Any] = dict(_FIELDS.decode(self.body))
        fields["model"] = upstream_name
        for name, value in model.default_sampling.items():
            fields.setdefault(name, value)
        if bounded:
            fields.setdefault(self._bound_name.decode(), bound)
        if ask_usage:
            options: dict[str, Any] = {}
            if raw := fields.get("stream_options"):
                options = msgspec.json.decode(raw) or {}
            fields["stream_options"] = options | {"include_usage": True}
        return msgspec.json.encode(fields)

    @property
    def _bound_name(self) -> bytes:
        return b"max_output_tokens" if self.operation == "responses" else b"max_tokens"

    def continuation_body(
        self, model: Model, upstream_name: str, engine: str, text: str, tokens: int
    ) -> bytes:
        """The body that makes another endpoint go on after `text`.

        The text is given as the beginning of the assistant's own message: llama.cpp goes on from it
        by itself; vLLM and SGLang are told to.

        Args:
            model: the catalogue's model.
            upstream_name: the endpoint's name for it.
            engine: the endpoint's engine.
            text: what was generated, and sent to the client.
            tokens: how many tokens that was, at least.
        """
        fields = msgspec.json.decode(self.upstream_body(model, upstream_name), type=dict[str, Any])
        fields["messages"] = [
            *fields.get("messages", []),
            {"role": "assistant", "content": text},
        ]
        if engine in ("vllm", "sglang"):
            fields |= {"continue_final_message": True, "add_generation_prompt": False}
        for name in ("max_tokens", "max_completion_tokens"):
            if isinstance(fields.get(name), int):
                fields[name] = max(1, fields[name] - tokens)
        return msgspec.json.encode(fields)


_DECODER = msgspec.json.Decoder(Request)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_request(operation: Operation, body: bytes) -> Request:
    """Read a request.

    Raises:
        ChappeError: `invalid_request` (400), not JSON or no `model`.
    """
    try:
        request = _DECODER.decode(body)
    except UNREADABLE as error:
        raise ChappeError("invalid_request", 400, reason=why_unreadable(error)) from None
    request.body = body
    request.operation = operation
    request.prompt = _prompt(request)
    return request


def _prompt(request: Request) -> bytes:
    match request.operation:
        case "chat.completions":
            return bytes(request.messages) + bytes(request.tools)
        case "responses":
            return bytes(request.instructions) + bytes(request.input) + bytes(request.tools)
        case "rerank":
            return bytes(request.query) + bytes(request.documents)
    return bytes(request.input)


CONTINUING_ENGINES = frozenset({"vllm", "sglang", "llamacpp"})
"""Engines whose API lets an answer be continued from text already written."""
