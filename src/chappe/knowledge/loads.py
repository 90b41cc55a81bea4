"""Loads: what was brought into a collection at a time, and how far its reading is."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor, readable_collections, require
from chappe.knowledge.document_schemas import DocumentState, LoadReport
from chappe.knowledge.storable import storable

Origin = Literal["upload", "ingest", "folder", "s3", "web", "webdav", "official", "retention"]
Outcome = Literal["added", "changed", "unchanged"]

_REPORT = """
    select load.*, collection.slug,
        (select count(*) from document d where d.load_id = load.id and d.awaits is null
            or d.load_id = load.id and d.state = 'to_be_deleted') as settled,
        (select count(*) from document d where d.load_id = load.id and d.state = 'failed')
            as failing,
        extract(epoch from coalesce(load.finished_at, now()) - load.started_at)::float8 as seconds
    from load join collection on collection.id = load.collection_id
"""


async def open_load(
    session: AsyncSession,
    collection_id: int,
    origin: Origin,
    requested_by: str,
    source_id: int | None = None,
) -> int:
    """Begin a load; gives its identifier."""
    result = await session.execute(
        text("""
            insert into load (collection_id, origin, requested_by, source_id)
            values (:collection, :origin, :by, :source) returning id
        """),
        {"collection": collection_id, "origin": origin, "by": requested_by, "source": source_id},
    )
    return int(result.scalar_one())


async def resume_or_open(
    session: AsyncSession, collection_id: int, requested_by: str, paths: Sequence[str]
) -> int:
    """The load of these paths that was interrupted, from its beginning; else one more."""
    detail = json.dumps({"paths": list(paths)})
    resumed = await session.scalar(
        text("""
            update load set found = 0, added = 0, changed = 0, unchanged = 0, failed = 0,
                bytes = 0, listed_at = null
            where id = (select id from load where collection_id = :collection
                    and origin = 'ingest' and state = 'running'
                    and detail->'paths' = cast(:detail as jsonb)->'paths'
                order by id desc limit 1)
            returning id
        """),
        {"collection": collection_id, "detail": detail},
    )
    if resumed is not None:
        return int(resumed)
    load_id = await open_load(session, collection_id, "ingest", requested_by)
    await session.execute(
        text("update load set detail = cast(:detail as jsonb) where id = :id"),
        {"id": load_id, "detail": detail},
    )
    return load_id


async def tell(session: AsyncSession, load_id: int, detail: Mapping[str, Any]) -> None:
    """Add to what is told of a load."""
    await session.execute(
        text("update load set detail = detail || cast(:detail as jsonb) where id = :id"),
        {"id": load_id, "detail": json.dumps(storable(detail))},
    )


async def count(session: AsyncSession, load_id: int, outcome: Outcome, size: int) -> None:
    """One more was found, of so many bytes."""
    await session.execute(
        text(f"""
            update load set found = found + 1, {outcome} = {outcome} + 1, bytes = bytes + :size
            where id = :id
        """),  # noqa: S608 - the outcome is one of three words of ours
        {"id": load_id, "size": size},
    )


async def count_unread(
    session: AsyncSession, load_id: int, document_id: uuid.UUID, size: int
) -> None:
    """One more was found, as it was when it could not be read: this load tells that again."""
    await session.execute(
        text("update document set load_id = :load where id = :id"),
        {"load": load_id, "id": document_id},
    )
    await session.execute(
        text("update load set found = found + 1, bytes = bytes + :size where id = :id"),
        {"id": load_id, "size": size},
    )


async def state_of(session: AsyncSession, document_id: uuid.UUID) -> DocumentState:
    """A document's state."""
    state: DocumentState | None = await session.scalar(
        text("select state from document where id = :id"), {"id": document_id}
    )
    return state or "to_be_deleted"


async def listed(session: AsyncSession, load_id: int) -> None:
    """All that it brings was received: it is done once all of it is read."""
    await session.execute(
        text("update load set listed_at = coalesce(listed_at, now()) where id = :id"),
        {"id": load_id},
    )
    await finish_settled(session)


async def finish_settled(session: AsyncSession) -> None:
    """Close the loads of which nothing is left to be read."""
    await session.execute(
        text("""
            update load set state = 'done', finished_at = now(),
                failed = (select count(*) from document d
                          where d.load_id = load.id and d.state = 'failed')
            where state = 'running' and listed_at is not null and not exists (
                select from document d where d.load_id = load.id and d.awaits < 2)
        """)
    )


async def list_loads(
    database: Database, actor: Actor, collection: str | None = None, limit: int = 50
) -> list[LoadReport]:
    """The newest loads of what the actor may read, newest first.

    Raises:
        ChappeError: `unknown_collection`, also when the actor may not read it.
    """
    require(actor, "search")
    readable = readable_collections(actor)
    async with database.session() as session:
        if collection is not None:
            known = await session.scalar(
                text(f"select id from collection where slug = :slug and {readable}"),  # noqa: S608
                {"slug": collection},
            )
            if known is None:
                raise ChappeError("unknown_collection", 404, name=collection)
        rows = await session.execute(
            text(
                _REPORT + f" where {readable} and (cast(:slug as text) is null"
                " or collection.slug = :slug) order by load.id desc limit :limit"
            ),
            {"slug": collection, "limit": limit},
        )
        return [_report(row) for row in rows]


async def read_load(database: Database, actor: Actor, load_id: int) -> LoadReport:
    """One load.

    Raises:
        ChappeError: `not_found`, also when the actor may not read its collection.
    """
    require(actor, "search")
    async with database.session() as session:
        result = await session.execute(
            text(_REPORT + f" where load.id = :id and {readable_collections(actor)}"),
            {"id": load_id},
        )
        row = result.one_or_none()
    if row is None:
        raise ChappeError("not_found", 404)
    return _report(row)


async def unread(database: Database, load_id: int) -> list[tuple[str, Mapping[str, Any] | None]]:
    """The first hundred documents of a load that could not be read: name, and reason as kept."""
    async with database.session() as session:
        result = await session.execute(
            text("""
                select name, reason from document
                where load_id = :id and state = 'failed' order by name limit 100
            """),
            {"id": load_id},
        )
        return [(row.name, row.reason) for row in result]


def _report(row: Any) -> LoadReport:
    settled = row.settled + row.unchanged
    rate = settled / row.seconds if row.seconds > 0 else 0.0
    left = max(row.found - settled, 0)
    running = row.state == "running"
    return LoadReport(
        id=row.id,
        collection=row.slug,
        origin=row.origin,
        state=row.state,
        found=row.found,
        added=row.added,
        changed=row.changed,
        unchanged=row.unchanged,
        removed=row.removed,
        failed=row.failing if running else row.failed,
        settled=settled,
        listed=row.listed_at is not None,
        bytes=row.bytes,
        started_at=row.started_at,
        finished_at=row.finished_at,
        rate=round(rate, 2),
        remaining_seconds=round(left / rate, 1) if running and rate > 0 else None,
        detail=row.detail,
    )
