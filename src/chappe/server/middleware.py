"""Around every request: an identifier, a host check, security headers, a log line, metrics."""

import logging
import time
import uuid
from typing import Any

from chappe.core import telemetry
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway.http.request import OPERATIONS

log = logging.getLogger("chappe.http")

_PAGE_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
        b" font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
        b" frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


_PATHS = frozenset((*OPERATIONS, "/", "/v1/models", "/v1/files", "/v1/batches"))


def route_of(scope: Scope) -> str:
    """Which route a request took, for metrics and logs: nothing that a client chose.

    An address may hold an identifier, or a key that somebody put where it doesn't belong.
    """
    template = getattr(scope.get("route"), "path", "")
    if template:
        return str(template)
    path = scope["path"]
    if path in _PATHS:
        return str(path)
    folder = path[: path.find("/", 4)] if path.startswith("/v1/") else ""
    return f"{folder}/{{id}}" if folder in _PATHS else "other"


class Observe:
    """ASGI middleware."""

    def __init__(self, app: Any, hosts: list[str]) -> None:
        self._app = app
        self._hosts = None if "*" in hosts else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identifier = uuid.uuid4().hex
        token = telemetry.request_id.set(identifier)
        began = time.perf_counter()
        status = 0

        async def observed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                if not any(name == b"x-request-id" for name, _ in headers):
                    headers.append((b"x-request-id", identifier.encode()))
                message["headers"] = headers + _PAGE_HEADERS
            await send(message)

        try:
            if self._refused(scope):
                # DNS rebinding: a page elsewhere that points its own name at us.
                await _plain(observed, 421, b"This host name is not served here.\n")
            else:
                await self._app(scope, receive, observed)
        finally:
            route = route_of(scope)
            seconds = time.perf_counter() - began
            telemetry.HTTP_REQUESTS.labels(scope["method"], route, str(status)).inc()
            telemetry.HTTP_SECONDS.labels(route).observe(seconds)
            log.info(
                "request",
                extra={
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                },
            )
            telemetry.request_id.reset(token)

    def _refused(self, scope: Scope) -> bool:
        if self._hosts is None:
            return False
        host = next((v for k, v in scope["headers"] if k == b"host"), b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return name.strip("[]").lower() not in self._hosts


async def _plain(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
