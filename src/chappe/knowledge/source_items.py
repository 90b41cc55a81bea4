"""What is remembered of a source's items, and their documents."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text

from chappe.core.database import Database
from chappe.knowledge import loads
from chappe.knowledge.connectors.base import Found, Known
from chappe.knowledge.removal import remove_documents
from chappe.knowledge.source_admin import Spec, kept_by


@dataclass(frozen=True, slots=True)
class Source:
    """A source as its run needs it."""

    id: int
    collection_id: int
    kind: loads.Origin
    spec: Spec
    secret: bytes | None

    @property
    def key(self) -> str:
        """What its documents say that keeps them in line."""
        return kept_by(self.id, self.spec)


def external_id(source_id: int, item: str) -> str:
    """What an item's document is known by in its collection."""
    return f"{source_id}/{item}"


async def known_items(database: Database, source_id: int) -> dict[str, Known]:
    """What was remembered of a source's items."""
    async with database.session() as session:
        rows = await session.execute(
            text("select external_id, tag, state from source_item where source_id = :id"),
            {"id": source_id},
        )
        return {row.external_id: Known(row.tag, row.state) for row in rows}


async def remember(database: Database, source_id: int, found: Found) -> None:
    """Remember an item as it was listed now."""
    async with database.session() as session:
        await session.execute(
            text("""
                insert into source_item (source_id, external_id, tag, state)
                values (:source, :item, :tag, cast(:state as jsonb))
                on conflict (source_id, external_id)
                    do update set tag = excluded.tag, state = excluded.state
            """),
            {
                "source": source_id,
                "item": found.external_id,
                "tag": found.tag,
                "state": json.dumps(dict(found.state)),
            },
        )


async def count_unchanged(database: Database, load_id: int, number: int) -> None:
    """So many more were listed as they were before."""
    if not number:
        return
    async with database.session() as session:
        await session.execute(
            text("""
                update load set found = found + :number, unchanged = unchanged + :number
                where id = :id
            """),
            {"id": load_id, "number": number},
        )


async def remove_gone(
    database: Database, source: Source, load_id: int, gone: Iterable[str]
) -> None:
    """Remove what went away, out of search at once."""
    names = list(gone)
    for at in range(0, len(names), 200):
        part = names[at : at + 200]
        async with database.session() as session:
            identifiers = list(
                await session.scalars(
                    text("""
                        select id from document where collection_id = :collection
                            and source = :key and external_id = any(:names)
                    """),
                    {
                        "collection": source.collection_id,
                        "key": source.key,
                        "names": [external_id(source.id, name) for name in part],
                    },
                )
            )
            await remove_documents(session, identifiers)
            await session.execute(
                text("""
                    delete from source_item
                    where source_id = :id and external_id = any(:names)
                """),
                {"id": source.id, "names": part},
            )
            await session.execute(
                text("update load set removed = removed + :number where id = :id"),
                {"id": load_id, "number": len(part)},
            )
