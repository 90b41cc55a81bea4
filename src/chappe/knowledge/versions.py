"""What documents said, version by version: the one place that writes it.

A source that keeps its documents' versions itself (law) names each of them, and all are served.
Of any other document the newest version is served; the ones before stay readable, out of search.
"""

import json
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.knowledge.document import SourceDocument
from chappe.knowledge.indexing import (
    PreparedDocument,
    VersionPassages,
    driver_connection,
    withdraw,
    write,
)

Key = tuple[str, str | None]
"""An external id, and the version's name where the source names versions."""

_SAME = ("title", "url", "date", "audience", "theme_path", "text", "blocks", "metadata")


async def store(
    session: AsyncSession,
    collection_id: int,
    documents: Sequence[PreparedDocument],
    *,
    source: str = "",
    load_id: int | None = None,
) -> None:
    """Write what a source says now, and index it; the documents are ready.

    A version that says something else is superseded, out of search in the same transaction. One
    that says the same (the way of cutting it changed) is indexed anew under its own number.
    """
    connection = await driver_connection(session)
    versions: list[VersionPassages] = []
    async with connection.cursor() as cursor:
        for item in documents:
            document_id = await _document(cursor, collection_id, item.document, source, load_id)
            served = await _served(cursor, document_id, item.source_version)
            values = _values(item.document)
            if served is not None:
                await withdraw(session, collection_id, [served["id"]])
            if served is not None and all(served[name] == values[name] for name in _SAME):
                version_id = int(served["id"])
                await cursor.execute(
                    "update document_version set content_hash = %s, valid_from = %s, valid_to = %s"
                    " where id = %s",
                    (item.content_hash, item.document.valid_from, item.document.valid_to,
                     version_id),
                )  # fmt: skip
            else:
                if served is not None:
                    await cursor.execute(
                        "update document_version set superseded_at = now() where id = %s",
                        (served["id"],),
                    )
                version_id = await _insert(cursor, document_id, item, values)
            versions.append(VersionPassages(document_id, version_id, item))
    await write(session, collection_id, versions)


async def remove(
    session: AsyncSession, collection_id: int, keys: Collection[Key], *, source: str = ""
) -> None:
    """Take versions out of a collection; a document of which none is served goes whole."""
    rows = await session.execute(
        text("""
            select v.id, d.id from document d join document_version v on v.document_id = d.id
            join unnest(cast(:names as text[]), cast(:versions as text[])) as k(name, version)
                on k.name = d.external_id and k.version is not distinct from v.source_version
            where d.collection_id = :collection and d.source = :source
                and v.superseded_at is null and v.read_at is not null
        """),
        {
            "collection": collection_id,
            "source": source,
            "names": [key[0] for key in keys],
            "versions": [key[1] for key in keys],
        },
    )
    found = [(int(row[0]), row[1]) for row in rows]
    await withdraw(session, collection_id, [version for version, _ in found])
    await session.execute(
        text("update document_version set superseded_at = now() where id = any(:ids)"),
        {"ids": [version for version, _ in found]},
    )
    await session.execute(
        text("""
            delete from document d where d.id = any(:ids) and not exists (
                select from document_version v
                where v.document_id = d.id and v.superseded_at is null)
        """),
        {"ids": list({document for _, document in found})},
    )


async def known_hashes(
    session: AsyncSession, collection_id: int, *, source: str = ""
) -> dict[Key, str]:
    """Content hash of each version that is served and that this source keeps."""
    rows = await session.execute(
        text("""
            select d.external_id, v.source_version, v.content_hash
            from document d join document_version v on v.document_id = d.id
            where d.collection_id = :id and d.source = :source
                and v.superseded_at is null and v.read_at is not null
        """),
        {"id": collection_id, "source": source},
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _values(document: SourceDocument) -> dict[str, Any]:
    values = {name: getattr(document, name) for name in _SAME}
    values["theme_path"] = list(document.theme_path)
    # As they come back from the database: lists, and no tuples.
    values["blocks"] = msgspec.json.decode(msgspec.json.encode(document.blocks))
    return values


async def _document(
    cursor: psycopg.AsyncCursor[Any],
    collection_id: int,
    document: SourceDocument,
    source: str,
    load_id: int | None,
) -> uuid.UUID:
    await cursor.execute(
        """
        insert into document (collection_id, external_id, kind, name, source, state, load_id)
        values (%s, %s, %s, %s, %s, 'ready', %s)
        on conflict (collection_id, external_id) do update set
            kind = excluded.kind, name = excluded.name, source = excluded.source,
            state = 'ready', reason = null, updated_at = now(),
            load_id = coalesce(excluded.load_id, document.load_id)
        returning id
        """,
        (collection_id, document.external_id, document.kind, document.title, source, load_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    identifier: uuid.UUID = row[0]
    return identifier


async def _served(
    cursor: psycopg.AsyncCursor[Any], document_id: uuid.UUID, source_version: str | None
) -> dict[str, Any] | None:
    names = ("id", *_SAME)
    await cursor.execute(
        f"select {', '.join(names)} from document_version where document_id = %s"  # noqa: S608
        " and source_version is not distinct from %s and superseded_at is null"
        " and read_at is not null",
        (document_id, source_version),
    )
    row = await cursor.fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


async def _insert(
    cursor: psycopg.AsyncCursor[Any],
    document_id: uuid.UUID,
    item: PreparedDocument,
    values: dict[str, Any],
) -> int:
    document = item.document
    await cursor.execute(
        """
        insert into document_version (document_id, number, source_version, title, url, date,
            audience, theme_path, text, blocks, metadata, content_hash, valid_from, valid_to,
            read_at)
        values (%s, (select coalesce(max(number), 0) + 1 from document_version
                     where document_id = %s),
                %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now()) returning id
        """,
        (
            document_id, document_id, item.source_version, document.title, document.url,
            document.date, document.audience, list(document.theme_path), document.text,
            json.dumps(values["blocks"]), json.dumps(document.metadata), item.content_hash,
            document.valid_from, document.valid_to,
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
