"""Taking files in: the original is kept, the document waits to be read, all or nothing."""

import asyncio
import datetime
import hashlib
import json
import unicodedata
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.knowledge import loads
from chappe.knowledge.loads import Outcome
from chappe.knowledge.originals import Originals, digest_of

URGENT, BULK = 0, 1
"""Somebody waits for it; part of a load."""
CHANNEL = "chappe_documents"
"""Where it is told that a document awaits something."""

_NAME_CHARS = 300
# An index's entry holds 2,704 bytes at most.
_ID_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file to be taken in.

    Attributes:
        external_id: what it is known by in its collection; the same again is a version more.
        name: what people call it, its extension included.
        path: where it lies; it is read, and left there.
        source: what keeps it in line; '' for what people gave.
    """

    collection_id: int
    external_id: str
    name: str
    path: Path
    url: str = ""
    date: datetime.date | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    parent_id: uuid.UUID | None = None
    load_id: int | None = None
    urgency: int = BULK


async def receive(
    database: Database, originals: Originals, item: Incoming
) -> tuple[uuid.UUID, Outcome]:
    """Keep a file and have it read; gives its document, and what it meant to the collection.

    A file that is the same as the newest version changes nothing, whatever became of its reading.
    Called again after an interruption it goes on: nothing is lost, nothing is there twice.

    Raises:
        ChappeError: `unknown_collection` (it is gone), `external_id_kept` (another source keeps
            that document), `originals_unreachable`, `disk_full`, `database_unreachable`.
    """
    digest, size = await asyncio.to_thread(digest_of, item.path)
    name, external_id = clean(item.name), _identifier(item.external_id)
    async with database.session() as session:
        known = await _known(session, item, external_id)
        if known is not None and known.digest == digest:
            outcome: Outcome = "unchanged"
            if item.load_id is not None:
                if known.load_id == item.load_id:  # this load goes on after an interruption
                    outcome = "added" if known.versions == 1 else "changed"
                elif known.state == "failed":
                    await loads.count_unread(session, item.load_id, known.id, size)
                    return known.id, outcome
                await loads.count(session, item.load_id, outcome, size)
            return known.id, outcome
    document_id = uuid.uuid4() if known is None else known.id
    key = originals.key(item.collection_id, document_id, digest)
    await originals.put(key, item.path)
    try:
        kept, outcome = await _write(
            database, item, external_id, name, document_id, digest, size, key
        )
    except ChappeError as error:
        if error.code == "unknown_collection":
            await originals.remove([key])
        raise
    if kept != document_id and outcome == "unchanged":
        # Somebody else brought the same at the same moment.
        await originals.remove([key])
    return kept, outcome


async def _write(
    database: Database,
    item: Incoming,
    external_id: str,
    name: str,
    document_id: uuid.UUID,
    digest: str,
    size: int,
    key: str,
) -> tuple[uuid.UUID, Outcome]:
    async with database.session() as session:
        document_id = await _write_document(session, item, external_id, name, document_id)
        latest = await _latest(session, document_id)
        outcome: Outcome
        if latest == digest:
            outcome = "unchanged"
        else:
            outcome = "added" if latest is None else "changed"
            await _write_version(session, item, document_id, name, digest, size, key)
        if item.load_id is not None:
            await loads.count(session, item.load_id, outcome, size)
        await session.execute(text(f"notify {CHANNEL}"))
    return document_id, outcome


@dataclass(frozen=True, slots=True)
class _Known:
    id: uuid.UUID
    state: str
    load_id: int | None
    digest: str | None
    versions: int


async def _known(session: AsyncSession, item: Incoming, external_id: str) -> _Known | None:
    """The document of that name, with the digest of its newest version."""
    alive = await session.scalar(
        text("select true from collection where id = :id and removed_at is null"),
        {"id": item.collection_id},
    )
    if not alive:
        raise ChappeError("unknown_collection", 404, name="")
    result = await session.execute(
        text("""
            select d.id, d.source, d.state, d.load_id, v.content_hash,
                coalesce(v.number, 0) as versions
            from document d left join document_version v on v.document_id = d.id
            where d.collection_id = :collection and d.external_id = :name
            order by v.number desc limit 1
        """),
        {"collection": item.collection_id, "name": external_id},
    )
    row = result.one_or_none()
    if row is None:
        return None
    if row.source != item.source:
        raise ChappeError("external_id_kept", 409, name=item.name[:_NAME_CHARS])
    return _Known(row.id, row.state, row.load_id, row.content_hash, row.versions)


async def _latest(session: AsyncSession, document_id: uuid.UUID) -> str | None:
    found: str | None = await session.scalar(
        text("""
            select content_hash from document_version where document_id = :id
            order by number desc limit 1
        """),
        {"id": document_id},
    )
    return found


async def _write_document(
    session: AsyncSession, item: Incoming, external_id: str, name: str, document_id: uuid.UUID
) -> uuid.UUID:
    result = await session.execute(
        text("""
            insert into document (id, collection_id, external_id, kind, name, source, state,
                                  parent_id, load_id)
            select :id, c.id, :external_id, 'file', :name, :source, 'received', :parent, :load
            from collection c where c.id = :collection and c.removed_at is null
            on conflict (collection_id, external_id) do update set name = excluded.name
            returning id
        """),
        {
            "id": document_id,
            "collection": item.collection_id,
            "external_id": external_id,
            "name": name,
            "source": item.source,
            "parent": item.parent_id,
            "load": item.load_id,
        },
    )
    identifier: uuid.UUID | None = result.scalar_one_or_none()
    if identifier is None:
        raise ChappeError("unknown_collection", 404, name="")
    return identifier


async def _write_version(
    session: AsyncSession,
    item: Incoming,
    document_id: uuid.UUID,
    name: str,
    digest: str,
    size: int,
    key: str,
) -> None:
    await session.execute(
        text("""
            insert into document_version (document_id, number, title, url, date, metadata,
                                          content_hash, size, original_key)
            values (:id, (select coalesce(max(number), 0) + 1 from document_version
                          where document_id = :id),
                    :title, :url, :date, cast(:metadata as jsonb), :digest, :size, :key)
        """),
        {
            "id": document_id,
            "title": name,
            "url": item.url,
            "date": item.date,
            "metadata": json.dumps(item.metadata),
            "digest": digest,
            "size": size,
            "key": key,
        },
    )
    await session.execute(
        text("""
            update document d set state = 'received', reason = null, awaits = :urgency,
                awaits_from = now(), attempts = 0, updated_at = now(),
                load_id = coalesce(cast(:load as bigint), d.load_id),
                deletes_at = case when d.source = ''
                    then now() + c.retention_days * interval '1 day' end
            from collection c where d.id = :id and c.id = d.collection_id
        """),
        {"id": document_id, "urgency": item.urgency, "load": item.load_id},
    )


def clean(name: str) -> str:
    """A name for people: NFC, one line, no control character, 300 characters at most.

    Of one that is too long the end stays too, with its extension.
    """
    name = name.encode("utf-8", "replace").decode()
    name = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in name)
    name = " ".join(unicodedata.normalize("NFC", name).split()) or "?"
    if len(name) > _NAME_CHARS:
        name = name[: _NAME_CHARS - 41] + "…" + name[-40:]
    return name


def _identifier(external_id: str) -> str:
    """An identifier as it came, as far as the database can hold it."""
    data = external_id.replace("\x00", "\ufffd").encode("utf-8", "replace")
    if len(data) > _ID_BYTES:
        short = data[: _ID_BYTES - 70].decode(errors="ignore")
        return f"{short}#{hashlib.sha256(data).hexdigest()}"
    return data.decode()
