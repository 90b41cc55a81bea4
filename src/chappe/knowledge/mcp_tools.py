"""What an MCP client may do here: search, read a document, list collections, with its own key.

What is told goes to a model: what reads like an order to one, and what a reader doesn't see of a
document, is blanked and said.
"""

import datetime
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chappe.core.database import Database
from chappe.identity.access import Actor
from chappe.knowledge.collections import list_collections
from chappe.knowledge.documents import read_document
from chappe.knowledge.injections import find_attempts, masked, without_orders
from chappe.knowledge.provenance import provenance
from chappe.knowledge.search import Search

_MOST_CHARS = 20_000


class SearchArguments(BaseModel):
    """Arguments of `search`."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(
        min_length=1, max_length=2000, pattern=r"\S", description="what to look for, in French"
    )
    collections: list[str] | None = Field(
        None, max_length=100, description="slugs of `list_collections`; none: all"
    )
    limit: int = Field(8, ge=1, le=20)
    date: datetime.date | None = Field(
        None, description="day whose law is asked, YYYY-MM-DD; none: today"
    )


class ReadArguments(BaseModel):
    """Arguments of `read_document`."""

    model_config = ConfigDict(extra="forbid")

    document_id: uuid.UUID = Field(description="`document_id` of a hit")
    start: int = Field(0, ge=0, description="first character")
    version: int | None = Field(None, ge=1, description="none: the one in force now")
    length: int = Field(_MOST_CHARS, ge=1, le=_MOST_CHARS, description="characters")


class ListArguments(BaseModel):
    """Arguments of `list_collections`: none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Told:
    """What a tool gives: text for a model, and the same as data."""

    text: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A tool: its name, what it is for, what it takes, and what it does."""

    name: str
    description: str
    arguments: type[BaseModel]
    call: Callable[["Library", Actor, Any], Awaitable[Told]]

    def view(self) -> dict[str, Any]:
        """As `tools/list` shows it."""
        schema = self.arguments.model_json_schema()
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": schema | {"type": "object"},
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


@dataclass(frozen=True)
class Library:
    """What the tools look in."""

    database: Database
    search: Search


async def _search(library: Library, actor: Actor, given: SearchArguments) -> Told:
    result = await library.search(
        actor, given.query, given.collections, given.limit, date=given.date
    )
    origins = await provenance(library.database, actor, [hit.passage.id for hit in result.hits])
    hits, lines = [], []
    for hit in result.hits:
        origin = origins.get(hit.passage.id)
        if origin is None:  # withdrawn meanwhile
            continue
        offset = hit.passage.start
        text, suspected = _shown(
            hit.passage.text, [(start - offset, end - offset) for start, end in origin.hidden]
        )
        title = without_orders(hit.document.title)
        path = [heading for each in hit.passage.heading_path if (heading := without_orders(each))]
        hits.append(
            {
                "document_id": str(hit.document.id),
                "title": title,
                "url": hit.document.url,
                "date": hit.document.date.isoformat() if hit.document.date else None,
                "collection": hit.document.collection,
                "version": origin.version,
                "valid_from": origin.valid_from.isoformat() if origin.valid_from else None,
                "valid_to": origin.valid_to.isoformat() if origin.valid_to else None,
                "heading_path": path,
                "page": origin.page(hit.passage.start),
                "start": hit.passage.start,
                "end": hit.passage.end,
                "text": text,
                "suspected": suspected,
                "score": hit.scores.final,
            }
        )
        lines.append(
            f"[{len(hits)}] {' > '.join((title, *path))}\n{hit.document.url}"
            f" (document_id {hit.document.id})\n{text}"
        )
    return Told("\n\n".join(lines) or "Aucun passage trouvé.", {"hits": hits})


async def _read(library: Library, actor: Actor, given: ReadArguments) -> Told:
    document = await read_document(
        library.database, library.search, actor, given.document_id, given.version
    )
    end = min(given.start + given.length, len(document.text))
    hidden = [
        (start - given.start, stop - given.start)
        for start, stop in document.hidden
        if start < end and stop > given.start
    ]
    text, suspected = _shown(document.text[given.start : end], hidden)
    following = end if end < len(document.text) else None
    title = without_orders(document.title)
    data = {
        "document_id": str(document.id),
        "title": title,
        "url": document.url,
        "date": document.date.isoformat() if document.date else None,
        "collection": document.collection,
        "version": document.version,
        "start": given.start,
        "end": end,
        "total": len(document.text),
        "next_start": following,
        "text": text,
        "suspected": suspected,
    }
    more = f"\n\n(suite : start={following})" if following is not None else ""
    return Told(f"{title}\n{document.url}\n\n{text}{more}", data)


async def _list(library: Library, actor: Actor, given: ListArguments) -> Told:
    views = [
        view.model_dump(mode="json") for view in await list_collections(library.database, actor)
    ]
    lines = [f"{view['slug']} : {view['title']} ({view['documents']} documents)" for view in views]
    return Told("\n".join(lines) or "Aucune collection.", {"collections": views})


def _shown(text: str, hidden: list[tuple[int, int]]) -> tuple[str, bool]:
    """A text without what isn't for a model, and whether it holds orders to one."""
    inside = [(max(start, 0), min(end, len(text))) for start, end in hidden if end > 0]
    attempts = find_attempts(text, inside)
    return masked(text, [*inside, *((a.start, a.end) for a in attempts)]), bool(attempts)


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Find passages of the documents that you may read, by word and by meaning. Each names"
            " its document, its place in it, and the exact text to quote.",
            SearchArguments,
            _search,
        ),
        Tool(
            "read_document",
            "Read the text of a document, or a part of it.",
            ReadArguments,
            _read,
        ),
        Tool(
            "list_collections",
            "The collections of documents that you may read.",
            ListArguments,
            _list,
        ),
    )
}
