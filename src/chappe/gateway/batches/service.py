"""The routes of /v1/files and /v1/batches, in plain ASGI.

Who may call: a key with `models`; it sees its organisation's files and batches, and no other's.
"""

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec

from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language
from chappe.core.invalid import at, wrong
from chappe.core.json import UNREADABLE, why_unreadable
from chappe.core.settings import Settings
from chappe.core.streaming import Receive, Scope, Send, until_disconnect
from chappe.gateway.batches import batch as batches
from chappe.gateway.batches import files
from chappe.gateway.batches.blobs import Blobs
from chappe.gateway.batches.multipart import Field, read_form
from chappe.gateway.batches.runner import Door, Runner
from chappe.gateway.http.envelope import envelope
from chappe.gateway.terms import read_terms
from chappe.identity import Actor

log = logging.getLogger(__name__)

_BODY_BYTES = 100_000
_SILENCE_SECONDS = 60.0
_MOST_FILES_A_PAGE = 10_000
_MOST_BATCHES_A_PAGE = 100
_DIGITS = re.compile(r"[0-9]{1,6}")
_NEW = msgspec.json.Decoder(batches.NewBatch)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an organisation may have here.

    Attributes:
        file_bytes: largest file.
        organisation_bytes: all its files together, before one more.
        organisation_batches: batches under way.
    """

    file_bytes: int = 200_000_000
    organisation_bytes: int = 20_000_000_000
    organisation_batches: int = 100


@dataclass(frozen=True, slots=True)
class _Call:
    """A request: whose it is, and what it says."""

    scope: Scope
    receive: Receive
    organisation_id: uuid.UUID
    key_id: uuid.UUID
    headers: dict[bytes, bytes]
    query: dict[str, str]
    language: str

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        more = True
        while more:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    message = await self.receive()
            except TimeoutError:
                raise ChappeError("invalid_request", 408, reason=wrong("cut")) from None
            if message["type"] == "http.disconnect":
                raise ChappeError("invalid_request", 400, reason=wrong("cut"))
            yield message.get("body", b"")
            more = message.get("more_body", False)

    def limit(self, most: int, usual: int) -> int:
        """How many things the client wants on a page."""
        text = self.query.get("limit", str(usual))
        if not _DIGITS.fullmatch(text) or not 1 <= int(text) <= most:
            raise ChappeError("invalid_request", 400, reason=f"limit: 1–{most}")
        return int(text)


class Batches:
    """ASGI application for paths under /v1/files and /v1/batches, with the actor in
    `scope["chappe.actor"]`; and the runner of batches."""

    def __init__(self, gateway: Door, settings: Settings, limits: Limits | None = None) -> None:
        self._connections = gateway.connections
        self._limits = limits or Limits()
        self._blobs = Blobs(settings)
        self._runner = Runner(gateway, self._blobs, settings.max_body_bytes)

    def start(self) -> None:
        """Begin to work on batches; doesn't wait for the database."""
        self._runner.start()

    async def stop(self) -> None:
        """Stop working on batches; others go on at once."""
        await self._runner.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        accepted = headers.get(b"accept-language")
        language = choose_language(accepted.decode("latin-1")) if accepted else "en"
        try:
            actor: Actor = scope["chappe.actor"]
            if actor.organisation_id is None or actor.key_id is None:
                raise ChappeError("scope_missing", 403, scope="models")
            query = parse_qs(scope["query_string"].decode("latin-1"))
            call = _Call(
                scope, receive, actor.organisation_id, actor.key_id, headers,
                {name: values[-1] for name, values in query.items()}, language,
            )  # fmt: skip
            parts = scope["path"].strip("/").split("/")[1:]
            match parts:
                case ["files", name, "content"] if scope["method"] == "GET":
                    await until_disconnect(receive, self._content(call, name, send))
                    return
                case ["files", *rest]:
                    value = await self._files(call, rest)
                case ["batches", *rest]:
                    value = await self._batches(call, rest)
                case _:
                    raise ChappeError("not_found", 404)
            await _json(send, 200, value)
        except ChappeError as error:
            await _json(send, error.status, envelope(error, language), error.retry_after)
        except Exception as error:
            log.error("unexpected", exc_info=error)
            identifier = telemetry.request_id.get()
            internal = ChappeError("internal", 500, request_id=identifier)
            await _json(send, 500, envelope(internal, language))

    # Files

    async def _files(self, call: _Call, rest: list[str]) -> dict[str, Any]:
        own = call.organisation_id
        match call.scope["method"], rest:
            case "POST", []:
                return (await self._upload(call)).view()
            case "GET", []:
                return await self._list_files(call)
            case "GET", [name]:
                async with self._connections.transaction() as connection:
                    return (await files.find(connection, own, name)).view()
            case "DELETE", [name]:
                async with self._connections.transaction() as connection:
                    hidden = await files.hide(connection, own, name)
                await self._blobs.delete(hidden.blob)
                async with self._connections.transaction() as connection:
                    await files.forget(connection, hidden.id)
                return {"id": name, "object": "file", "deleted": True}
            case method, [] | [_] | [_, "content"]:
                raise ChappeError("method_not_allowed", 405, method=method)
        raise ChappeError("not_found", 404)

    async def _list_files(self, call: _Call) -> dict[str, Any]:
        limit = call.limit(_MOST_FILES_A_PAGE, _MOST_FILES_A_PAGE)
        order: Literal["asc", "desc"] = "desc"
        match call.query.get("order", "desc"):
            case "asc":
                order = "asc"
            case "desc":
                pass
            case _:
                raise ChappeError("invalid_request", 400, reason="order: asc, desc")
        purpose = call.query.get("purpose")
        if purpose is not None and "\x00" in purpose:
            raise ChappeError("invalid_request", 400, reason="purpose")
        async with self._connections.transaction() as connection:
            found = await files.page(
                connection, call.organisation_id, purpose=purpose,
                after=call.query.get("after"), limit=limit, order=order,
            )  # fmt: skip
        return _page([file.view() for file in found], limit)

    async def _upload(self, call: _Call) -> files.StoredFile:
        """Take a file in: its bytes go to the store as they come."""
        limits, own = self._limits, call.organisation_id
        async with self._connections.transaction() as connection:
            await files.check_room(connection, own, limits.organisation_bytes)
            begun = await files.begin(connection, own, call.key_id)
        try:
            fields: dict[str, str] = {}
            filename, size = None, 0
            async for part in read_form(call.headers.get(b"content-type", b""), call.body()):
                if isinstance(part, Field):
                    fields[part.name] = part.value
                    continue
                if part.name != "file" or filename is not None:
                    raise ChappeError("invalid_request", 400, reason=at("file", wrong("one_file")))
                filename = part.filename
                size = await self._blobs.put(begun.blob, part.chunks, limits.file_bytes)
            if filename is None:
                raise ChappeError("invalid_request", 400, reason=at("file", wrong("missing")))
            if fields.get("purpose") != "batch":
                raise ChappeError("invalid_request", 400, reason="purpose: batch")
            async with self._connections.transaction() as connection:
                await files.check_room(connection, own, limits.organisation_bytes)
                return await files.complete(
                    connection, begun, filename=filename, purpose="batch", size=size,
                    seconds=_lifetime(fields),
                )  # fmt: skip
        except BaseException:
            # What isn't removed here, because the database or this process is gone, is later.
            with contextlib.suppress(ChappeError, OSError):
                await self._blobs.delete(begun.blob)
                async with self._connections.transaction() as connection:
                    await files.forget(connection, begun.id)
            raise

    async def _content(self, call: _Call, name: str, send: Send) -> None:
        async with self._connections.transaction() as connection:
            file = await files.find(connection, call.organisation_id, name)
        chunks = self._blobs.read(file.blob)
        try:
            first = await anext(chunks, b"")
        except FileNotFoundError:
            raise ChappeError("unknown_file", 404, name=name) from None
        headers = [(b"content-disposition", b"attachment")]
        await _start(send, 200, b"application/octet-stream", file.bytes, headers)
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    # Batches

    async def _batches(self, call: _Call, rest: list[str]) -> dict[str, Any]:
        own, language = call.organisation_id, call.language
        match call.scope["method"], rest:
            case "POST", []:
                return (await self._create(call)).view(language)
            case "GET", []:
                limit = call.limit(_MOST_BATCHES_A_PAGE, 20)
                async with self._connections.transaction() as connection:
                    found = await batches.page(
                        connection, own, after=call.query.get("after"), limit=limit
                    )
                return _page([batch.view(language) for batch in found], limit)
            case "GET", [name]:
                async with self._connections.transaction() as connection:
                    return (await batches.find(connection, own, name)).view(language)
            case "POST", [name, "cancel"]:
                async with self._connections.transaction() as connection:
                    return (await batches.cancel(connection, own, name)).view(language)
            case method, [] | [_] | [_, "cancel"]:
                raise ChappeError("method_not_allowed", 405, method=method)
        raise ChappeError("not_found", 404)

    async def _create(self, call: _Call) -> batches.Batch:
        body = bytearray()
        async for chunk in call.body():
            body += chunk
            if len(body) > _BODY_BYTES:
                raise ChappeError("body_too_large", 413, limit=_BODY_BYTES)
        try:
            new = _NEW.decode(body)
        except UNREADABLE as error:
            raise ChappeError("invalid_request", 400, reason=why_unreadable(error)) from None
        # A batch that is declared sensitive is so to its last request.
        level = read_terms(call.headers).level
        async with self._connections.transaction() as connection:
            return await batches.create(
                connection, call.organisation_id, call.key_id, new,
                level=level, most=self._limits.organisation_batches,
            )  # fmt: skip


def _lifetime(fields: dict[str, str]) -> int:
    """Seconds that an upload is to be kept, from `expires_after[…]`."""
    text = fields.get("expires_after[seconds]")
    if text is None:
        return files.LIFETIME_SECONDS
    least, most = files.LEAST_LIFETIME_SECONDS, files.LIFETIME_SECONDS
    anchored = fields.get("expires_after[anchor]") == "created_at"
    if not (anchored and re.fullmatch("[0-9]{1,7}", text) and least <= int(text) <= most):
        reason = f"expires_after: created_at, {least}–{most}"
        raise ChappeError("invalid_request", 400, reason=reason)
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


async def _json(send: Send, status: int, value: Any, retry_after: float | None = None) -> None:
    data = msgspec.json.encode(value)
    headers = [(b"retry-after", b"%d" % max(1, round(retry_after)))] if retry_after else []
    await _start(send, status, b"application/json", len(data), headers)
    await send({"type": "http.response.body", "body": data})


async def _start(
    send: Send, status: int, kind: bytes, size: int, more: list[tuple[bytes, bytes]]
) -> None:
    identifier = telemetry.request_id.get() or uuid.uuid4().hex
    headers = [
        (b"content-type", kind),
        (b"content-length", str(size).encode()),
        (b"x-request-id", identifier.encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
