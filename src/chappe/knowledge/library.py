"""Documents and collections as people read them."""

import uuid

from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor, readable_collections, require
from chappe.knowledge.schemas import CollectionView, DocumentView
from chappe.knowledge.search import Search


async def read_document(
    database: Database, search: Search, actor: Actor, document_id: uuid.UUID
) -> DocumentView:
    """One document, whole.

    Raises:
        ChappeError: `not_found`, also when the actor may not read it.
    """
    require(actor, "search")
    async with database.session() as session:
        result = await session.execute(
            text(f"""
                select document.id, document.external_id, document.kind, collection.slug,
                       v.title, v.url, v.date, v.audience, v.theme_path, v.text, v.blocks,
                       v.metadata
                from document
                join collection on collection.id = document.collection_id
                join document_version v on v.document_id = document.id
                where document.id = :id and {readable_collections(actor)}
                order by v.superseded_at is null desc,
                    (v.valid_from is null or v.valid_from <= current_date)
                        and (v.valid_to is null or v.valid_to > current_date) desc,
                    v.number desc
                limit 1
            """),  # noqa: S608
            {"id": document_id},
        )
        row = result.one_or_none()
    if row is None:
        raise ChappeError("not_found", 404)
    return DocumentView(
        **search.summary(row).model_dump(),
        audience=row.audience,
        text=row.text,
        blocks=row.blocks,
        metadata=row.metadata,
    )


async def list_collections(database: Database, actor: Actor) -> list[CollectionView]:
    """The collections that the actor may read."""
    async with database.session() as session:
        rows = await session.execute(
            text(f"""
                select slug, title, passages,
                       (select count(*) from document d where d.collection_id = collection.id)
                from collection where {readable_collections(actor)} order by id
            """)  # noqa: S608
        )
        return [
            CollectionView(slug=row[0], title=row[1], passages=row[2], documents=row[3])
            for row in rows
        ]
