"""What becomes of a document: from received to ready, partly read or failed, or gone.

Each step is one transaction that checks that the document still awaits it: a step that is done
twice, after a kill or a lost connection, changes nothing the second time.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.knowledge.indexing import PreparedDocument, VersionPassages, withdraw, write
from chappe.knowledge.reading.model import Issue, ReadDocument
from chappe.knowledge.storable import storable

_SETTLED = """case when v.issues @> '[{"loss": true}]' then 'partly_read' else 'ready' end"""


@dataclass(frozen=True, slots=True)
class Pending:
    """A version that is to be read, and what is known of it already."""

    document_id: uuid.UUID
    version_id: int
    collection_id: int
    external_id: str
    name: str
    url: str
    date: Any
    metadata: dict[str, Any]
    original_key: str
    content_hash: str
    source: str
    load_id: int | None
    language: str
    depth: int


async def begin_reading(database: Database, document_id: uuid.UUID) -> Pending | None:
    """The newest version of a document, now being read; None if it isn't to be read any more."""
    async with database.session() as session:
        result = await session.execute(
            text("""
                update document d set state = 'reading', attempts = attempts + 1,
                    updated_at = now()
                from document_version v, collection c
                where d.id = :id and d.awaits is not null and d.state in ('received', 'reading')
                    and c.id = d.collection_id and v.document_id = d.id
                    and v.number = (select max(number) from document_version
                                    where document_id = d.id)
                    and v.original_key is not null
                returning d.id, v.id, d.collection_id, d.external_id, d.name, v.url, v.date,
                    v.metadata, v.original_key, v.content_hash, d.source, d.load_id, c.language,
                    (with recursive up(id, parent) as (
                        select d.id, d.parent_id
                        union all select p.id, p.parent_id
                            from document p join up on p.id = up.parent
                    ) select count(*) - 1 from up)
            """),
            {"id": document_id},
        )
        row = result.one_or_none()
    return None if row is None else Pending(*row)


async def settle_words(
    database: Database,
    pending: Pending,
    read: ReadDocument,
    prepared: PreparedDocument,
    issues: Sequence[Issue],
    *,
    by_meaning: bool,
) -> bool:
    """Write what was read and index it by words, in place of what was served before.

    Args:
        by_meaning: whether its vectors are still to come.

    Returns:
        Whether it was still to be done.
    """
    async with database.session() as session:
        if not await _still_reading(session, pending):
            return False
        await _replace_served(session, pending)
        document = prepared.document
        await session.execute(
            text("""
                update document_version set title = :title, date = :date, text = :text,
                    blocks = cast(:blocks as jsonb), metadata = cast(:metadata as jsonb),
                    media_type = :media_type, pages = cast(:pages as jsonb), boxes = :boxes,
                    issues = cast(:issues as jsonb), hidden = cast(:hidden as jsonb),
                    read_at = now(), superseded_at = null
                where id = :id
            """),
            {
                "id": pending.version_id,
                "title": document.title,
                "date": document.date,
                "text": document.text,
                "blocks": _json(document.blocks),
                "metadata": json.dumps(document.metadata),
                "media_type": read.media_type,
                "pages": _json(read.pages),
                "boxes": read.boxes.to_bytes() if len(read.boxes) else None,
                "issues": json.dumps(storable(msgspec.to_builtins(list(issues)))),
                "hidden": _json(read.hidden),
            },
        )
        await write(
            session,
            pending.collection_id,
            [VersionPassages(pending.document_id, pending.version_id, prepared)],
        )
        if prepared.passages and by_meaning:
            await session.execute(
                text("""
                    update document set state = 'indexing', reason = null, attempts = 0,
                        updated_at = now() where id = :id
                """),
                {"id": pending.document_id},
            )
        else:
            await _settle(session, [pending.document_id], "reading")
    return True


async def settle_meaning(database: Database, documents: Sequence[uuid.UUID]) -> None:
    """Their vectors are there: they are ready."""
    async with database.session() as session:
        await _settle(session, documents, "indexing")


async def served_versions(
    database: Database, documents: Sequence[uuid.UUID]
) -> dict[uuid.UUID, int]:
    """The version of each document that is served."""
    async with database.session() as session:
        rows = await session.execute(
            text("""
                select document_id, id from document_version
                where document_id = any(:ids) and read_at is not null and superseded_at is null
            """),
            {"ids": list(documents)},
        )
        return {row[0]: int(row[1]) for row in rows}


async def settle_failure(
    database: Database, pending: Pending, code: str, values: Mapping[str, str]
) -> bool:
    """It can't be read: said, and what was served before isn't any more.

    An answer from a file that was replaced would be wrong without a sign of it.
    """
    async with database.session() as session:
        if not await _still_reading(session, pending):
            return False
        await _replace_served(session, pending)
        await session.execute(
            text("""
                update document set state = 'failed', awaits = null, updated_at = now(),
                    reason = cast(:reason as jsonb) where id = :id
            """),
            {"id": pending.document_id, "reason": _reason(f"reading.{code}", values)},
        )
    return True


async def postpone(
    database: Database, document_id: uuid.UUID, code: str, values: Mapping[str, Any], seconds: float
) -> None:
    """Something that isn't the document's fault is in the way: later again, and said why."""
    async with database.session() as session:
        await session.execute(
            text("""
                update document set reason = cast(:reason as jsonb), attempts = 0,
                    state = case state when 'reading' then 'received' else state end,
                    awaits_from = now() + :seconds * interval '1 second'
                where id = :id and awaits is not null
            """),
            {
                "id": document_id,
                "seconds": seconds,
                "reason": _reason(f"errors.{code}.title", values),
            },
        )


async def give_back(database: Database, numbers: Sequence[int]) -> None:
    """These were being read by a worker that stops: they are as they were before."""
    async with database.session() as session:
        await session.execute(
            text("""
                update document set attempts = greatest(attempts - 1, 0), state = 'received'
                where number = any(:numbers) and state = 'reading'
            """),
            {"numbers": list(numbers)},
        )


async def _still_reading(session: AsyncSession, pending: Pending) -> bool:
    found = await session.scalar(
        text("""
            select (select max(v.id) from document_version v where v.document_id = d.id)
            from document d where d.id = :id and d.state = 'reading' and d.awaits is not null
            for update
        """),
        {"id": pending.document_id},
    )
    return bool(found == pending.version_id)


async def _replace_served(session: AsyncSession, pending: Pending) -> None:
    served = list(
        await session.scalars(
            text("""
                select id from document_version where document_id = :id and read_at is not null
                    and superseded_at is null
            """),
            {"id": pending.document_id},
        )
    )
    await withdraw(session, pending.collection_id, served)
    await session.execute(
        text("update document_version set superseded_at = now() where id = any(:ids)"),
        {"ids": served},
    )


async def _settle(session: AsyncSession, documents: Sequence[uuid.UUID], state: str) -> None:
    await session.execute(
        text(f"""
            update document d set state = {_SETTLED}, awaits = null, reason = null, attempts = 0,
                updated_at = now()
            from document_version v
            where d.id = any(:ids) and d.state = :state and v.document_id = d.id
                and v.read_at is not null and v.superseded_at is null
        """),  # noqa: S608 - the expression is ours
        {"ids": list(documents), "state": state},
    )


def _reason(key: str, values: Mapping[str, Any]) -> str:
    plain = {name: str(value) for name, value in values.items()}
    return json.dumps(storable({"code": key, "values": plain}))


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(list(values)).decode()
