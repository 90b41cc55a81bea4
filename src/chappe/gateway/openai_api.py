"""The /v1 routes: plain ASGI, so that a token costs little. Who may call: a key with `models`."""

import asyncio
import uuid
from typing import Any

import msgspec

from chappe import __version__
from chappe.core import telemetry
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.streaming import Receive, Scope, Send, until_disconnect
from chappe.gateway.exchange import Exchange, Operation
from chappe.gateway.service import Gateway, error_message
from chappe.identity import Actor, authenticate, require

# Stable codes of OpenAI's envelope, where theirs has a name for the case.
_CODES = {
    "key_missing": "invalid_api_key",
    "key_invalid": "invalid_api_key",
    "unknown_model": "model_not_found",
    "scope_missing": "insufficient_permissions",
    "too_busy": "rate_limit_exceeded",
}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_OPERATIONS: dict[str, Operation] = {
    "/v1/chat/completions": "chat.completions",
    "/v1/embeddings": "embeddings",
}


def envelope(error: ChappeError, language: str = "en") -> dict[str, Any]:
    """An error in OpenAI's envelope."""
    kind = _TYPES.get(error.status)
    if kind is None:
        kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {
            "message": f"{error.title(language)}: {error.detail(language)}",
            "type": kind,
            "param": "model" if error.code == "unknown_model" else None,
            "code": _CODES.get(error.code, error.code),
        }
    }


class OpenAIApi:
    """ASGI application for paths under /v1."""

    def __init__(self, gateway: Gateway, database: Database, max_body_bytes: int) -> None:
        self._gateway = gateway
        self._database = database
        self._max_body = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = telemetry.request_id.get() or uuid.uuid4().hex
        answer = _Answer(send, request_id)
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            actor = await authenticate(
                self._database, headers.get(b"authorization", b"").decode("latin-1")
            )
            require(actor, "models")
            path, method = scope["path"].rstrip("/"), scope["method"]
            if path == "/v1/models" or path.startswith("/v1/models/"):
                if method != "GET":
                    raise ChappeError("method_not_allowed", 405, method=method)
                await answer.json(200, self._models(path.removeprefix("/v1/models").strip("/")))
                return
            operation = _OPERATIONS.get(path)
            if operation is None:
                raise ChappeError("not_found", 404)
            if method != "POST":
                raise ChappeError("method_not_allowed", 405, method=method)
            body = await self._read(receive)
        except ChappeError as error:
            await answer.json(error.status, envelope(error))
            return
        await until_disconnect(receive, self._forward(actor, operation, body, answer))

    def _models(self, name: str) -> dict[str, Any]:
        items = [
            {
                "id": model.name,
                "object": "model",
                "created": 0,
                "owned_by": "chappe",
                "kind": model.kind,
                "context_length": model.context,
                "state": model.state,
            }
            for model in self._gateway.catalogue.all()
        ]
        if not name:
            return {"object": "list", "data": items}
        for item in items:
            if item["id"] == name:
                return item
        raise ChappeError("unknown_model", 404, model=name)

    async def _read(self, receive: Receive) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._max_body:
                raise ChappeError("body_too_large", 413, limit=self._max_body)
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces)

    async def _forward(
        self, actor: Actor, operation: Operation, body: bytes, answer: "_Answer"
    ) -> None:
        try:
            async with self._gateway.exchange(actor, operation, body) as exchange:
                if exchange.streamed:
                    await self._stream(exchange, answer)
                else:
                    content = await exchange.whole()
                    if exchange.status == 200:
                        await answer.bytes(200, content)
                    else:
                        await answer.json(exchange.status, _refusal(exchange.status, content))
        except ChappeError as error:
            if answer.started:
                # The status has gone: the client's library reads the error from the stream.
                event = b"data: " + msgspec.json.encode(envelope(error)) + b"\n\n"
                await answer.piece(event, last=True)
            else:
                await answer.json(error.status, envelope(error))

    async def _stream(self, exchange: Exchange, answer: "_Answer") -> None:
        await answer.start(
            200, b"text/event-stream; charset=utf-8", (b"cache-control", b"no-cache")
        )
        async for event in exchange.events():
            await answer.piece(event)
        await answer.piece(b"", last=True)


def _refusal(status: int, body: bytes) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    code: object = None
    try:
        code = msgspec.json.decode(body)["error"].get("code")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        code = None
    return {"error": {"message": error_message(body), "type": kind, "param": None, "code": code}}


class _Answer:
    """Sends one answer, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._headers = [
            (b"x-request-id", request_id.encode()),
            (b"server", f"chappe/{__version__}".encode()),
        ]
        self.started = False

    async def start(self, status: int, kind: bytes, *headers: tuple[bytes, bytes]) -> None:
        self.started = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", kind), *self._headers, *headers],
            }
        )

    async def piece(self, data: bytes, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def bytes(self, status: int, data: bytes) -> None:
        await self.start(status, b"application/json", (b"content-length", str(len(data)).encode()))
        await self.piece(data, last=True)

    async def json(self, status: int, value: Any) -> None:
        await self.bytes(status, msgspec.json.encode(value))
