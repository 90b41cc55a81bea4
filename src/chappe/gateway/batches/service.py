"""The routes of /v1/files and /v1/batches, in plain ASGI.

Who may call: a key with `models`; it sees its organisation's files and batches, and no other.
"""

import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from chappe.core.blobs import open_store
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway.batches import batch, files
from chappe.gateway.batches.runner import Runner
from chappe.gateway.batches.upload import Upload
from chappe.identity import Actor
from chappe.identity.lookup import actor_of_key

if TYPE_CHECKING:
    from chappe.gateway.service import Gateway

_MOST_FILE_BYTES = 200_000_000
_MOST_BODY_BYTES = 100_000
_PURPOSES = frozenset(("batch", "user_data", "assistants", "evals", "fine-tune", "vision"))


class Batches:
    """ASGI application for paths under /v1/files and /v1/batches."""

    def __init__(self, gateway: "Gateway", settings: Settings) -> None:
        self._connections = gateway.connections
        self._store = open_store(settings)
        self._runner = Runner(
            gateway.connections, self._store, gateway.replica_id, gateway.call, actor_of_key
        )

    def start(self) -> None:
        """Begin to work on batches."""
        self._runner.start()

    async def stop(self) -> None:
        """End."""
        await self._runner.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor: Actor = scope["chappe.actor"]
        if actor.organisation_id is None or actor.key_id is None:
            raise ChappeError("scope_missing", 403, scope="models")
        method, parts = scope["method"], scope["path"].strip("/").split("/")[1:]
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        own = actor.organisation_id
        match method, parts:
            case "POST", ["files"]:
                await _json(send, await self._upload(scope, receive, actor))
            case "GET", ["files"]:
                await _json(send, await self._files(own, query))
            case "GET", ["files", name]:
                async with self._connections.transaction() as connection:
                    await _json(send, files.view(await files.find_file(connection, name, own)))
            case "GET", ["files", name, "content"]:
                async with self._connections.transaction() as connection:
                    row = await files.find_file(connection, name, own)
                await _stream(send, row["bytes"], files.read_pieces(self._store, row["blob"]))
            case "DELETE", ["files", name]:
                async with self._connections.transaction() as connection:
                    await files.delete_file(connection, self._store, name, own)
                await _json(send, {"id": name, "object": "file", "deleted": True})
            case "POST", ["batches"]:
                given = await _read(receive)
                async with self._connections.transaction() as connection:
                    row = await batch.create(connection, own, actor.key_id, given)
                await _json(send, batch.view(row))
            case "GET", ["batches"]:
                await _json(send, await self._batches(own, query))
            case "GET", ["batches", name]:
                async with self._connections.transaction() as connection:
                    await _json(send, batch.view(await batch.find(connection, name, own)))
            case "POST", ["batches", name, "cancel"]:
                async with self._connections.transaction() as connection:
                    row = await batch.cancel(connection, name, own)
                await _json(send, batch.view(row))
            case _:
                raise ChappeError("not_found", 404)

    async def _upload(self, scope: Scope, receive: Receive, actor: Actor) -> dict[str, Any]:
        headers = dict(scope["headers"])
        upload = Upload(headers.get(b"content-type", b""), _MOST_FILE_BYTES)
        await upload.receive(receive)
        if upload.file is None:
            raise ChappeError("invalid_request", 400, reason="file: missing")
        purpose = upload.fields.get("purpose", "")
        if purpose not in _PURPOSES:
            reason = f"purpose: {', '.join(sorted(_PURPOSES))}"
            raise ChappeError("invalid_request", 400, reason=reason)
        assert actor.organisation_id is not None
        async with self._connections.transaction() as connection:
            return files.view(
                await files.store_file(
                    connection,
                    self._store,
                    upload.file,
                    organisation_id=actor.organisation_id,
                    key_id=actor.key_id,
                    filename=upload.filename or "file",
                    purpose=purpose,
                )
            )

    async def _files(self, own: uuid.UUID, query: dict[str, str]) -> dict[str, Any]:
        limit = _limit(query, 10_000)
        async with self._connections.transaction() as connection:
            rows = await files.list_files(
                connection, own, purpose=query.get("purpose"), after=query.get("after"), limit=limit
            )
        return _page([files.view(row) for row in rows], limit)

    async def _batches(self, own: uuid.UUID, query: dict[str, str]) -> dict[str, Any]:
        limit = _limit(query, 100)
        async with self._connections.transaction() as connection:
            rows = await batch.list_batches(connection, own, query.get("after"), limit)
        return _page([batch.view(row) for row in rows], limit)


def _limit(query: dict[str, str], most: int) -> int:
    text = query.get("limit", "20")
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise ChappeError("invalid_request", 400, reason=f"limit: 1–{most}")
    return int(text)


def _page(items: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }


async def _read(receive: Receive) -> dict[str, Any]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MOST_BODY_BYTES:
            raise ChappeError("body_too_large", 413, limit=_MOST_BODY_BYTES)
        if not message.get("more_body"):
            break
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChappeError("invalid_request", 400, reason=str(error)) from None


async def _json(send: Send, value: Any) -> None:
    data = msgspec.json.encode(value)
    await _head(send, b"application/json", len(data))
    await send({"type": "http.response.body", "body": data})


async def _stream(send: Send, size: int, pieces: AsyncIterator[bytes]) -> None:
    await _head(send, b"application/octet-stream", size)
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _head(send: Send, kind: bytes, size: int) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
