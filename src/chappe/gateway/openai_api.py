"""What else there is under /v1, in plain ASGI: models, files, batches, and what doesn't exist.

Who may call: a key with `models`, always. Requests to models take the short way of
`gateway.http.protocol`.
"""

import uuid
from typing import Any

import msgspec

from chappe import __version__
from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway.catalogue import Model
from chappe.gateway.http.envelope import envelope
from chappe.gateway.http.request import OPERATIONS
from chappe.gateway.service import Gateway
from chappe.identity import Actor


class OpenAIApi:
    """ASGI application for paths under /v1."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        language = headers.get(b"accept-language")
        try:
            keys, authorization = self._gateway.keys, headers.get(b"authorization", b"")
            actor = keys.get(authorization) or await keys.fetch(authorization)
            keys.require(actor, "models")
            path, method = scope["path"].rstrip("/"), scope["method"]
            if path.startswith(("/v1/files", "/v1/batches")):
                scope["chappe.actor"] = actor
                await self._gateway.batches(scope, receive, send)
                return
            if path != "/v1/models" and not path.startswith("/v1/models/"):
                if path in OPERATIONS:
                    raise ChappeError("method_not_allowed", 405, method=method)
                raise ChappeError("not_found", 404)
            if method != "GET":
                raise ChappeError("method_not_allowed", 405, method=method)
            name = path.removeprefix("/v1/models").strip("/")
            await _json(send, 200, self._model(actor, name) if name else self._models(actor))
        except ChappeError as error:
            said = choose_language(language.decode("latin-1")) if language else "en"
            await _json(send, error.status, envelope(error, said))

    def _models(self, actor: Actor) -> dict[str, Any]:
        models = self._gateway.catalogue.visible(actor)
        return {"object": "list", "data": [_view(model) for model in models]}

    def _model(self, actor: Actor, name: str) -> dict[str, Any]:
        model = self._gateway.catalogue.get(name)
        if model is None or model not in self._gateway.catalogue.visible(actor):
            raise ChappeError("unknown_model", 404, model=name)
        return _view(model)


def _view(model: Model) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": 0,
        "owned_by": "chappe",
        "kind": model.kind,
        "aliases": list(model.aliases),
        "description": model.description,
        "context_length": model.context,
        "max_output_tokens": model.max_output_tokens,
        "modalities": list(model.modalities),
        "licence": model.licence,
        "parameters": {"total": model.parameters_total, "active": model.parameters_active},
        "status": model.status,
        "replacement": model.replacement,
        "state": model.state,
    }


async def _json(send: Send, status: int, value: Any) -> None:
    data = msgspec.json.encode(value)
    request_id = telemetry.request_id.get() or uuid.uuid4().hex
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"server", f"chappe/{__version__}".encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
