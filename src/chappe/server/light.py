"""The gateway alone: /v1, health and metrics, without the page, the assistant and their libraries.

Who may call: /v1, a key with `models`; /metrics, any key, or anybody on a loopback installation;
/healthz and /readyz, anybody.
"""

import asyncio
import gc
import socket
import uuid
from typing import Any

import msgspec
from prometheus_client import generate_latest

from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway import Gateway
from chappe.gateway.http.door import Door
from chappe.gateway.http.protocol import protocol_for
from chappe.gateway.openai_api import OpenAIApi
from chappe.server.listen import Server, make_server, on_signals, serve_until
from chappe.server.readiness import readiness


class LightApp:
    """ASGI application for what isn't a request to a model."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway = gateway
        self._settings = settings
        self._v1 = OpenAIApi(gateway)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        telemetry.request_id.set(uuid.uuid4().hex)
        path = scope["path"]
        if path == "/v1" or path.startswith("/v1/"):
            await self._v1(scope, receive, send)
        elif path == "/healthz":
            await _answer(send, 200, {"status": "ok"})
        elif path == "/readyz":
            database = "away" if self._gateway.quotas.database_away else "ready"
            models = self._gateway.catalogue.all()
            status, value = readiness(models, database, needs_database=False)
            await _answer(send, status, value)
        elif path == "/metrics":
            await self._metrics(scope, send)
        else:
            error = ChappeError("not_found", 404)
            await _answer(send, 404, error.problem("en", telemetry.request_id.get()))

    async def _metrics(self, scope: Scope, send: Send) -> None:
        if not self._settings.anonymous_page:
            authorization = dict(scope["headers"]).get(b"authorization", b"")
            try:
                keys = self._gateway.keys
                if keys.get(authorization) is None:
                    await keys.fetch(authorization)
            except ChappeError as error:
                problem = error.problem("en", telemetry.request_id.get())
                await _answer(send, error.status, problem)
                return
        text = generate_latest(telemetry.REGISTRY)
        await _send(send, 200, b"text/plain; version=0.0.4", text)


async def _answer(send: Send, status: int, value: Any) -> None:
    await _send(send, status, b"application/json", msgspec.json.encode(value))


async def _send(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_gateway_server(app: Any, gateway: Gateway, settings: Settings) -> Server:
    """A server whose requests to models take the short way."""
    names = None if "*" in settings.hosts else frozenset(h.lower().encode() for h in settings.hosts)
    door = Door(gateway, settings.max_body_bytes, names)
    return make_server(app, protocol_for(door.answer, settings.max_body_bytes, gateway.outbox))


async def serve_light(settings: Settings, database_url: str, listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    on_signals(stop)
    gateway = Gateway(settings, database_url)
    try:
        await gateway.start(("chat", "embedding", "rerank", "transcription"))
        await gateway.wait_ready(180)
        server = make_gateway_server(LightApp(gateway, settings), gateway, settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        # What is there now stays: the collector needn't go through it again and again.
        gc.collect()
        gc.freeze()
        print(f"ready http://{host}:{settings.port}", flush=True)
        await serve_until(server, listening, stop)
    finally:
        await gateway.stop()
