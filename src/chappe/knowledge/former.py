"""What a source no longer has: versions that a newer one ended, and removals that look wrong."""

from sqlalchemy import text

from chappe.core.database import Database


def most_of(gone: int, known: int) -> bool:
    """Is it more than half of what was known: rather a fault of the source than a removal."""
    return gone * 2 > known


async def end_former(database: Database, collection_id: int, *, source: str) -> None:
    """End each version where the next one of its document begins.

    A source that gives the version in force only doesn't say so itself.
    """
    async with database.session() as session:
        await session.execute(
            text("""
                with following as (
                    select v.id, v.valid_to, min(n.valid_from) as ends
                    from document d
                    join document_version v on v.document_id = d.id
                    join document_version n on n.document_id = d.id
                    where d.collection_id = :collection and d.source = :source
                        and v.source_version is not null and n.source_version is not null
                        and v.superseded_at is null and n.superseded_at is null
                        and n.valid_from > v.valid_from
                    group by v.id
                ), ended as (
                    update document_version v set valid_to = f.ends from following f
                    where v.id = f.id and (f.valid_to is null or f.valid_to > f.ends)
                    returning v.id, v.valid_to
                )
                update passage p set valid_to = e.valid_to from ended e where p.version_id = e.id
            """),
            {"collection": collection_id, "source": source},
        )
