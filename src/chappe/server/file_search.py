"""Our collections as OpenAI's vector stores, and its `file_search` tool, for clients of /v1.

Who may call: a key with `models` and `search`; a collection that it may not read doesn't exist for
it. `POST /v1/vector_stores/{slug}/search` gives passages. In `/v1/responses`, a tool
`{"type": "file_search", "vector_store_ids": [slug]}` is answered here: the passages for the last
question are put before it, between delimiters drawn for the request, and the tool is taken out
before a model sees the request.
"""

import secrets
from dataclasses import replace
from typing import Any

import msgspec

from chappe.assistant.passage import Passage
from chappe.assistant.prompting import PromptPassage, quote_passages
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language
from chappe.core.invalid import wrong
from chappe.core.json import UNREADABLE, why_unreadable
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway import Gateway
from chappe.gateway.http.envelope import envelope
from chappe.identity.access import Actor, require
from chappe.knowledge.collections import list_collections, read_collection
from chappe.knowledge.provenance import provenance
from chappe.knowledge.schemas import Hit
from chappe.knowledge.search import Search

_PREFIX = "/v1/vector_stores"
_BODY_LIMIT = 100_000
_MOST_RESULTS = 50
_MOST_STORES = 20
_MOST_QUERIES = 5


class _SearchBody(msgspec.Struct, forbid_unknown_fields=False):
    query: str | list[str]
    max_num_results: int = 10


class _FileSearchTool(msgspec.Struct, forbid_unknown_fields=False):
    vector_store_ids: list[str]
    max_num_results: int = 8


class FileSearch:
    """Search over collections, in OpenAI's terms."""

    def __init__(self, database: Database, search: Search) -> None:
        self._database = database
        self._search = search

    async def passages(
        self, actor: Actor, queries: list[str], stores: list[str], limit: int
    ) -> list[Passage]:
        """Passages for queries, best first, numbered from 1.

        The order is the search's own, which puts what is named by its number before all else
        whatever its score; of several queries, the first passages of each come first.

        Raises:
            ChappeError: `scope_missing`, `unknown_collection` or as a search.
        """
        require(actor, "search")
        placed: list[tuple[int, Hit]] = []
        for query in queries:
            placed += enumerate((await self._search(actor, query, stores, limit)).hits)
        placed.sort(key=lambda each: (each[0], -_score(each[1])))
        found: dict[int, Hit] = {}
        for _, hit in placed:
            found.setdefault(hit.passage.id, hit)
        ranked = list(found.values())[:limit]
        origins = await provenance(self._database, actor, [hit.passage.id for hit in ranked])
        kept = [hit for hit in ranked if hit.passage.id in origins]
        return [
            Passage.of(number, hit, origins[hit.passage.id])
            for number, hit in enumerate(kept, start=1)
        ]

    async def page(self, actor: Actor, store: str, body: bytes) -> dict[str, Any]:
        """`vector_store.search_results.page`.

        Raises:
            ChappeError: `invalid_request`, or as :meth:`passages`.
        """
        asked = _decode(body, _SearchBody)
        queries = [asked.query] if isinstance(asked.query, str) else asked.query
        if not 0 < len(queries) <= _MOST_QUERIES or not all(
            q.strip() and len(q) <= 2000 for q in queries
        ):
            raise ChappeError("invalid_request", 400, reason=wrong("other"))
        limit = _bounded(asked.max_num_results)
        passages = await self.passages(actor, queries, [store], limit)
        return {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": [_result(passage) for passage in passages],
            "has_more": False,
            "next_page": None,
        }

    async def augment(self, actor: Actor, body: bytes) -> tuple[Actor, bytes]:
        """A request to /v1/responses with the passages that its `file_search` asks for, and the
        actor at the level of these passages. One without that tool is given back as it is.

        Raises:
            ChappeError: as :meth:`passages`; `invalid_request` where it can't be understood.
        """
        request = _decode(body, dict[str, Any])
        tools = request.get("tools")
        if not isinstance(tools, list):
            return actor, body
        ours = [t for t in tools if isinstance(t, dict) and t.get("type") == "file_search"]
        if not ours:
            return actor, body
        tool = _convert(ours[0], _FileSearchTool)
        query = _last_question(request.get("input"))
        if not query or not 0 < len(tool.vector_store_ids) <= _MOST_STORES:
            raise ChappeError("invalid_request", 400, reason=wrong("other"))
        passages = await self.passages(
            actor, [query[:2000]], tool.vector_store_ids, _bounded(tool.max_num_results)
        )
        told = quote_passages(
            [
                PromptPassage(
                    p.number, p.title, p.headings, p.hit.document.date, p.shown,
                    p.origin.valid_from, p.origin.valid_to, p.table_header,
                )
                for p in passages
            ],
            f"PASSAGE-{secrets.token_hex(8)}",
        )  # fmt: skip
        given = request["input"]
        items = given if isinstance(given, list) else [{"role": "user", "content": given}]
        request["input"] = [{"role": "developer", "content": told}, *items]
        request["tools"] = [each for each in tools if each not in ours]
        if not request["tools"]:
            del request["tools"]
            request.pop("tool_choice", None)
        level = max([actor.level, *(passage.origin.level for passage in passages)])
        return replace(actor, level=level), msgspec.json.encode(request)


class VectorStoresApi:
    """ASGI application for /v1/vector_stores: list, read, search. They are filled elsewhere."""

    def __init__(self, gateway: Gateway, database: Database, files: FileSearch) -> None:
        self._gateway = gateway
        self._database = database
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        try:
            keys, authorization = self._gateway.keys, headers.get(b"authorization", b"")
            actor = keys.get(authorization) or await keys.fetch(authorization)
            keys.require(actor, "models")
            require(actor, "search")
            await _json(send, 200, await self._answer(actor, scope, receive))
        except ChappeError as error:
            language = headers.get(b"accept-language")
            said = choose_language(language.decode("latin-1")) if language else "en"
            await _json(send, error.status, envelope(error, said))

    async def _answer(self, actor: Actor, scope: Scope, receive: Receive) -> dict[str, Any]:
        parts = [part for part in scope["path"].removeprefix(_PREFIX).split("/") if part]
        method = scope["method"]
        match parts, method:
            case [], "GET":
                views = await list_collections(self._database, actor)
                return {"object": "list", "data": [_store(view) for view in views],
                        "has_more": False}  # fmt: skip
            case [slug], "GET":
                return _store(await read_collection(self._database, actor, slug))
            case [slug, "search"], "POST":
                return await self._files.page(actor, slug, await _body(receive))
            case (([] | [_] | [_, "search"]), _):
                raise ChappeError("method_not_allowed", 405, method=method)
        raise ChappeError("not_found", 404)


def serves(path: str) -> bool:
    """Is a path one of these."""
    return path == _PREFIX or path.startswith(f"{_PREFIX}/")


def _store(view: Any) -> dict[str, Any]:
    counts = {"in_progress": 0, "completed": view.documents, "failed": 0, "cancelled": 0,
              "total": view.documents}  # fmt: skip
    return {
        "id": view.slug,
        "object": "vector_store",
        "created_at": 0,
        "name": view.title,
        "usage_bytes": 0,
        "file_counts": counts,
        "status": "completed",
        "metadata": {},
    }


def _result(passage: Passage) -> dict[str, Any]:
    document, origin = passage.hit.document, passage.origin
    attributes = {
        "url": document.url,
        "title": passage.title,
        "collection": document.collection,
        "version": origin.version,
        "page": origin.page(passage.hit.passage.start),
        "start": passage.hit.passage.start,
        "end": passage.hit.passage.end,
        "heading": " > ".join(passage.headings),
    }
    return {
        "file_id": str(document.id),
        "filename": passage.title,
        "score": _score(passage.hit),
        "attributes": {name: value for name, value in attributes.items() if value is not None},
        "content": [{"type": "text", "text": passage.shown}],
    }


def _score(hit: Hit) -> float:
    """What hits of one search are ordered by."""
    return hit.scores.fused if hit.scores.final is None else hit.scores.final


def _last_question(given: Any) -> str:
    """The text of the last message of a person in the `input` of /v1/responses."""
    if isinstance(given, str):
        return given
    for item in reversed(given if isinstance(given, list) else []):
        if not isinstance(item, dict) or item.get("role") != "user":
            continue
        content = item.get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            return " ".join(
                str(part.get("text", "")) for part in content
                if isinstance(part, dict) and part.get("type") == "input_text"
            )  # fmt: skip
    return ""


def _bounded(limit: int) -> int:
    return min(max(limit, 1), _MOST_RESULTS)


def _decode(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise ChappeError("invalid_request", 400, reason=why_unreadable(error)) from None


def _convert(value: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ChappeError("invalid_request", 400, reason=why_unreadable(error)) from None


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > _BODY_LIMIT:
            raise ChappeError("body_too_large", 413, limit=_BODY_LIMIT)
        if not message.get("more_body"):
            return body


async def _json(send: Send, status: int, value: Any) -> None:
    data = msgspec.json.encode(value)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
