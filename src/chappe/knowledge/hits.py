"""From passages to what is ordered and shown of them: their words and documents, by the gate."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.identity.access import Actor, readable_collections
from chappe.knowledge.analysis import identifiers
from chappe.knowledge.ranking import Candidate, neighbours
from chappe.knowledge.reads import Reads, Row
from chappe.knowledge.schemas import Hit, PassageView

# A passage's words. `substr` counts the characters of all that may come before the passage's end,
# four bytes each, then walks to its start; `right` walks once, but needs the whole text: where that
# is read anyway.
_WORDS = """
    case when p.start_at > 0 and 4 * p.end_at > octet_length(v.text)
    then left(right(v.text, -p.start_at), p.end_at - p.start_at)
    else substr(v.text, p.start_at + 1, p.end_at - p.start_at) end
"""

Rows = dict[int, Row]
"""Rows of passages with their document's columns, by passage."""


async def read(reads: Reads, actor: Actor, passages: Sequence[int]) -> Rows:
    """Those of these passages that are there and that the actor may read now.

    The index decides nothing: what it gave goes through the gate once more. A passage that was
    replaced since is left out.
    """
    rows = await reads(
        f"""
            select p.id as passage_id, p.version_id, p.ordinal, p.start_at, p.end_at,
                   p.heading_path, {_WORDS} as passage_text,
                   d.id, d.external_id, v.title, v.url, v.date, d.kind, v.theme_path,
                   v.metadata->>'number' as number, collection.id as collection_id,
                   collection.slug, collection.level
            from passage p
            join document_version v on v.id = p.version_id
            join document d on d.id = v.document_id
            join collection on collection.id = p.collection_id
            where p.id = any(%(ids)s) and {readable_collections(actor)}
        """,  # noqa: S608
        ids=list(passages),
    )
    return {row.passage_id: row for row in rows}


def candidate(row: Row) -> Candidate:
    """A passage as the last ordering reads it."""
    article = row.kind == "article"
    return Candidate(
        passage=row.passage_id,
        document=row.id,
        text=row.passage_text,
        context=" ".join(
            (*row.theme_path[1:], *row.heading_path) if article else (row.title, *row.heading_path)
        ),
        # An article is cut finer than its subject: its section is around it.
        section=(row.collection_id, *row.theme_path) if article else None,
        numbers=frozenset(identifiers(row.number)) if row.number else frozenset(),
        code=row.collection_id if article else None,
    )


def passage_view(row: Row) -> PassageView:
    """A passage as it is told."""
    return PassageView(
        id=row.passage_id,
        text=row.passage_text,
        start=row.start_at,
        end=row.end_at,
        heading_path=row.heading_path,
    )


async def add_neighbours(
    session: AsyncSession, hits: Sequence[Hit], found: Rows, reach: int
) -> None:
    """Give each hit the passages beside it that aren't hits themselves."""
    places = [(found[hit.passage.id].version_id, found[hit.passage.id].ordinal) for hit in hits]
    beside = neighbours(places, reach)
    wanted = [(version, place) for (version, _), own in beside.items() for place in own]
    rows = await session.execute(
        text("""
            select p.id as passage_id, p.version_id, p.ordinal, p.start_at, p.end_at,
                   p.heading_path,
                   substr(v.text, p.start_at + 1, p.end_at - p.start_at) as passage_text
            from unnest(cast(:versions as bigint[]), cast(:places as int[])) as w(version, place)
            join passage p on p.version_id = w.version and p.ordinal = w.place
            join document_version v on v.id = p.version_id
        """),
        {"versions": [v for v, _ in wanted], "places": [p for _, p in wanted]},
    )
    views = {(row.version_id, row.ordinal): passage_view(row) for row in rows}
    for hit, place in zip(hits, places, strict=True):
        own = [(place[0], other) for other in beside.get(place, [])]
        hit.neighbours = [views[key] for key in own if key in views]
