"""Documents as people read, follow and remove them; all within what the actor may read."""

import uuid
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.identity.access import Actor, editable_collections, readable_collections, require
from chappe.identity.audit import connection_of, hold, record_in
from chappe.knowledge.collections import find_collection
from chappe.knowledge.document_schemas import (
    BoxView,
    DocumentItem,
    DocumentList,
    DocumentState,
    DocumentView,
    VersionState,
    VersionView,
)
from chappe.knowledge.intake import CHANNEL, URGENT
from chappe.knowledge.reading.formats import DRAWERS
from chappe.knowledge.reading.model import Boxes
from chappe.knowledge.removal import remove_documents
from chappe.knowledge.search import Search
from chappe.knowledge.told import told_issues, told_reason

_MOST_SPAN = 50_000

# Of a document's versions, the one that is so now; of law, the one in force today; else the newest.
_NOW_FIRST = """
    v.superseded_at is null and v.read_at is not null desc,
    (v.valid_from is null or v.valid_from <= current_date)
        and (v.valid_to is null or v.valid_to > current_date) desc,
    v.number desc
"""


async def find_version(
    session: AsyncSession, actor: Actor, document_id: uuid.UUID, version: int | None, columns: str
) -> Any:
    """Columns of a document `d`, its collection and one of its versions `v`.

    Args:
        version: its number; None for what is so now.

    Raises:
        ChappeError: `scope_missing`; `not_found`, also when the actor may not read it.
    """
    require(actor, "search")
    result = await session.execute(
        text(f"""
            select {columns} from document d
            join collection on collection.id = d.collection_id
            join document_version v on v.document_id = d.id
            where d.id = :id and d.state <> 'to_be_deleted' and {readable_collections(actor)}
                and (cast(:version as int) is null or v.number = :version)
            order by {_NOW_FIRST} limit 1
        """),  # noqa: S608 - conditions of the permission gate, and columns of ours
        {"id": document_id, "version": version},
    )
    row = result.one_or_none()
    if row is None:
        raise ChappeError("not_found", 404)
    return row


async def read_document(
    database: Database,
    search: Search,
    actor: Actor,
    document_id: uuid.UUID,
    version: int | None = None,
    language: str = "fr",
) -> DocumentView:
    """One version of a document, whole.

    Raises:
        ChappeError: as :func:`find_version`.
    """
    async with database.session() as session:
        row = await find_version(
            session,
            actor,
            document_id,
            version,
            """d.id, d.external_id, d.kind, d.name, d.state, d.reason, d.parent_id,
               collection.slug, v.number as version, v.title, v.url, v.date, v.audience,
               v.theme_path, v.text, v.blocks, v.metadata, v.media_type, v.pages, v.issues,
               v.hidden, v.size, v.original_key is not null as original, v.valid_from,
               v.valid_to, v.superseded_at is not null as superseded""",
        )
    return DocumentView.model_validate(
        search.summary(row).model_dump()
        | {
            "name": row.name,
            "state": row.state,
            "reason": told_reason(row.reason, language),
            "issues": told_issues(row.issues, language),
            "version": row.version,
            "superseded": row.superseded,
            "media_type": row.media_type,
            "size": row.size,
            "original": row.original,
            "drawable": row.original and row.media_type in DRAWERS,
            "pages": row.pages,
            "hidden": row.hidden,
            "parent_id": row.parent_id,
            "audience": row.audience,
            "text": row.text,
            "blocks": row.blocks,
            "metadata": row.metadata,
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
        }
    )


async def list_versions(
    database: Database, actor: Actor, document_id: uuid.UUID
) -> list[VersionView]:
    """A document's versions, newest first.

    Raises:
        ChappeError: as :func:`find_version`.
    """
    async with database.session() as session:
        document = await find_version(session, actor, document_id, None, "d.state")
        rows = await session.execute(
            text("""
                select number, title, created_at, read_at, superseded_at, size,
                    original_key is not null as original, valid_from, valid_to
                from document_version where document_id = :id order by number desc
            """),
            {"id": document_id},
        )
        return [
            VersionView(
                number=row.number,
                title=row.title,
                state=_version_state(row, document.state),
                created_at=row.created_at,
                superseded_at=row.superseded_at,
                size=row.size,
                original=row.original,
                valid_from=row.valid_from,
                valid_to=row.valid_to,
            )
            for row in rows
        ]


def _version_state(row: Any, document_state: str) -> VersionState:
    if row.superseded_at is not None:
        return "superseded"
    if row.read_at is not None:
        return "served"
    return "failed" if document_state == "failed" else "waiting"


async def list_documents(
    database: Database,
    actor: Actor,
    slug: str,
    *,
    state: DocumentState | None = None,
    query: str = "",
    after: str | None = None,
    limit: int = 50,
    language: str = "fr",
) -> DocumentList:
    """A collection's documents, newest first.

    Args:
        query: part of their name or title.
        after: `next` of the page before.

    Raises:
        ChappeError: as :func:`find_collection`; `invalid_request`.
    """
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise ChappeError("invalid_request", 422, reason=at("after", wrong("cursor")))
    pattern = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    async with database.session() as session:
        found = await find_collection(session, actor, slug)
        rows = (
            await session.execute(
                text(f"""
                    select d.*, v.number as version, v.media_type, v.size, v.issues,
                        case when v.read_at is not null then v.title end as title
                    from document d left join lateral (
                        select v.* from document_version v where v.document_id = d.id
                        order by {_NOW_FIRST} limit 1) v on true
                    where d.collection_id = :collection
                        and (cast(:state as text) is null or d.state = :state)
                        and (cast(:after as bigint) is null or d.number < :after)
                        and (:query = '' or d.name ilike :pattern or v.title ilike :pattern)
                    order by d.number desc limit :limit
                """),  # noqa: S608 - the order is ours
                {
                    "collection": found.id,
                    "state": state,
                    "after": None if after is None else int(after),
                    "query": query,
                    "pattern": pattern,
                    "limit": limit + 1,
                },
            )
        ).all()
        counts = await session.execute(
            text("select state, count(*) from document where collection_id = :id group by state"),
            {"id": found.id},
        )
        counted = {row[0]: int(row[1]) for row in counts}
    return DocumentList(
        documents=[_item(row, language) for row in rows[:limit]],
        counts=counted,
        next=str(rows[limit - 1].number) if len(rows) > limit else None,
    )


def _item(row: Any, language: str) -> DocumentItem:
    return DocumentItem(
        id=row.id,
        name=row.name,
        title=row.title,
        kind=row.kind,
        state=row.state,
        reason=told_reason(row.reason, language),
        issues=told_issues(row.issues or [], language),
        version=row.version or 1,
        media_type=row.media_type or "",
        size=row.size,
        parent_id=row.parent_id,
        received_at=row.received_at,
        updated_at=row.updated_at,
        deletes_at=row.deletes_at,
    )


async def boxes_of(
    database: Database,
    actor: Actor,
    document_id: uuid.UUID,
    start: int,
    end: int,
    version: int | None = None,
) -> list[BoxView]:
    """Where a span of a document's text is drawn; empty for a format without pages.

    Raises:
        ChappeError: as :func:`find_version`; `invalid_request`, no such span, or too long a one.
    """
    async with database.session() as session:
        row = await find_version(
            session, actor, document_id, version, "v.boxes, length(v.text) as length"
        )
    if not start <= end <= row.length or end - start > _MOST_SPAN:
        raise ChappeError("invalid_request", 422, reason=at("end", wrong("span", most=_MOST_SPAN)))
    if row.boxes is None:
        return []
    return [
        BoxView(
            start=box.start,
            end=box.end,
            page=box.page,
            left=box.left,
            top=box.top,
            right=box.right,
            bottom=box.bottom,
        )
        for box in Boxes.from_bytes(bytes(row.boxes)).of(start, end)
    ]


async def retry_document(database: Database, actor: Actor, document_id: uuid.UUID) -> None:
    """Have a document read again from its original.

    Raises:
        ChappeError: as :func:`_editable`; `nothing_to_retry` (409).
    """
    async with database.session() as session:
        await hold(await connection_of(session))
        row = await _editable(session, actor, document_id)
        done = await session.scalar(
            text("""
                update document d set state = 'received', awaits = :urgent, awaits_from = now(),
                    attempts = 0, reason = null, updated_at = now()
                where id = :id and state in ('failed', 'partly_read', 'ready')
                    and (select original_key from document_version v where v.document_id = d.id
                         order by number desc limit 1) is not null
                returning true
            """),
            {"id": document_id, "urgent": URGENT},
        )
        if not done:
            raise ChappeError("nothing_to_retry", 409)
        await record_in(
            session,
            actor,
            "document.retry",
            f"{row.slug}/{row.name}",
            {"id": str(document_id)},
            organisation_id=row.organisation_id,
        )
        await session.execute(text(f"notify {CHANNEL}"))


async def remove_document(database: Database, actor: Actor, document_id: uuid.UUID) -> None:
    """Remove a document, and what came out of it: out of search at once.

    Raises:
        ChappeError: as :func:`_editable`; `document_kept` (409), a source would bring it back.
    """
    async with database.session() as session:
        await hold(await connection_of(session))
        row = await _editable(session, actor, document_id)
        if row.source and actor.kind != "system":
            raise ChappeError("document_kept", 409, name=row.name)
        await remove_documents(session, [document_id])
        await record_in(
            session,
            actor,
            "document.remove",
            f"{row.slug}/{row.name}",
            {"id": str(document_id)},
            organisation_id=row.organisation_id,
        )


async def _editable(session: AsyncSession, actor: Actor, document_id: uuid.UUID) -> Any:
    """A document that an actor may change.

    Raises:
        ChappeError: `scope_missing`; `not_found`, also when it may not read it;
            `collection_forbidden` (403), it may read it and no more.
    """
    require(actor, "search")
    result = await session.execute(
        text(f"""
            select d.name, d.source, collection.slug, collection.organisation_id,
                {editable_collections(actor)} as edits
            from document d join collection on collection.id = d.collection_id
            where d.id = :id and d.state <> 'to_be_deleted' and {readable_collections(actor)}
            for update of d
        """),  # noqa: S608 - conditions of the permission gate
        {"id": document_id},
    )
    row = result.one_or_none()
    if row is None:
        raise ChappeError("not_found", 404)
    if not row.edits:
        raise ChappeError("collection_forbidden", 403, name=row.slug)
    return row
