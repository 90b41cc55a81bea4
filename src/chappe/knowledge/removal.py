"""Taking documents and collections away: out of search at once, the rest by the worker."""

import uuid
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.knowledge.indexing import withdraw
from chappe.knowledge.intake import CHANNEL
from chappe.knowledge.originals import Originals

_BATCH = 500
_MOST_NAMES = 100


async def remove_documents(session: AsyncSession, documents: Sequence[uuid.UUID]) -> int:
    """Take documents and what came out of them out of search, to be deleted; gives their number.

    What they were known by is free from then on.
    """
    if not documents:
        return 0
    rows = await session.execute(
        text("""
            with recursive whole(id) as (
                select cast(unnest(cast(:ids as uuid[])) as uuid)
                union select d.id from document d join whole on d.parent_id = whole.id
            )
            update document d set state = 'to_be_deleted', awaits = 2, awaits_from = now(),
                reason = null, updated_at = now(), parent_id = null, deletes_at = null,
                external_id = '~' || d.number
            from whole where d.id = whole.id and d.state <> 'to_be_deleted'
            returning d.id, d.collection_id
        """),
        {"ids": list(documents)},
    )
    by_collection: dict[int, list[uuid.UUID]] = {}
    for document_id, collection_id in rows:
        by_collection.setdefault(collection_id, []).append(document_id)
    for collection_id, gone in by_collection.items():
        versions = await session.scalars(
            text("""
                select id from document_version where document_id = any(:ids)
                    and read_at is not null and superseded_at is null
            """),
            {"ids": gone},
        )
        await withdraw(session, collection_id, list(versions))
    await session.execute(text(f"notify {CHANNEL}"))
    return sum(map(len, by_collection.values()))


async def delete_document(database: Database, originals: Originals, document_id: uuid.UUID) -> None:
    """Delete a document that is to be deleted: its originals, then all that is known of it.

    Raises:
        ChappeError: `originals_unreachable`; it stays to be deleted.
    """
    async with database.session() as session:
        keys = await session.scalars(
            text("""
                select v.original_key
                from document_version v join document d on d.id = v.document_id
                where d.id = :id and d.state = 'to_be_deleted' and v.original_key is not null
            """),
            {"id": document_id},
        )
        found = list(keys)
    await originals.remove(found)
    async with database.session() as session:
        await session.execute(
            text("delete from document where id = :id and state = 'to_be_deleted'"),
            {"id": document_id},
        )


async def delete_collections(database: Database, originals: Originals) -> int:
    """Delete the collections that were removed, some documents at a time; gives their number.

    Raises:
        ChappeError: `originals_unreachable`; what is left goes next time.
    """
    async with database.session() as session:
        removed = list(
            await session.scalars(
                text("select id from collection where removed_at is not null order by id")
            )
        )
    for collection_id in removed:
        while await _delete_some(database, collection_id):
            pass
        await originals.remove_collection(collection_id)
        async with database.session() as session:
            await session.execute(
                text("delete from collection where id = :id and removed_at is not null"),
                {"id": collection_id},
            )
    return len(removed)


async def _delete_some(database: Database, collection_id: int) -> int:
    async with database.session() as session:
        documents = list(
            await session.scalars(
                text("""
                    select id from document where collection_id = :id
                    order by number desc limit :most for update skip locked
                """),
                {"id": collection_id, "most": _BATCH},
            )
        )
        versions = await session.scalars(
            text("select id from document_version where document_id = any(:ids)"),
            {"ids": documents},
        )
        await withdraw(session, collection_id, list(versions))
        await session.execute(text("delete from document where id = any(:ids)"), {"ids": documents})
    return len(documents)


async def expire(database: Database) -> int:
    """Have what is older than its collection's rule allows deleted, told by a load; its number."""
    total = 0
    async with database.session() as session:
        rows = (
            await session.execute(
                text("""
                    select collection_id, id, name from document
                    where deletes_at <= now() and state <> 'to_be_deleted'
                    order by collection_id, number limit :most for update skip locked
                """),
                {"most": _BATCH},
            )
        ).all()
        by_collection: dict[int, list[tuple[uuid.UUID, str]]] = {}
        for collection_id, document_id, name in rows:
            by_collection.setdefault(collection_id, []).append((document_id, name))
        for collection_id, documents in by_collection.items():
            removed = await remove_documents(session, [key for key, _ in documents])
            total += removed
            await session.execute(
                text("""
                    insert into load (collection_id, origin, requested_by, state, removed,
                                      listed_at, finished_at, detail)
                    values (:collection, 'retention', 'system', 'done', :removed, now(), now(),
                            jsonb_build_object('names', cast(:names as text[])))
                """),
                {
                    "collection": collection_id,
                    "removed": removed,
                    "names": [name for _, name in documents][:_MOST_NAMES],
                },
            )
    return total
