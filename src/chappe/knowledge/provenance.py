"""Where passages come from: version, page, dates in force, what a reader doesn't see of them.

All of it within what the actor may read; what isn't is as what doesn't exist.
"""

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor, readable_collections
from chappe.knowledge.schemas import Hit, PassageView, Scores
from chappe.knowledge.search import Search

_LONGEST_HEADER = 500
_MOST_PASSAGES = 300


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a passage comes from.

    ``version``: its document's version, numbered from 1; ``version_id`` names it among all.
    ``valid_from``, ``valid_to``: of law, the first day in force and the first when it no longer
    is. ``level``: sensitivity of its collection. ``pages``: (number, start, end) in the
    document's text. ``hidden``: spans of that text that a reader doesn't see. ``table_header``:
    the first row of the table that the passage begins in the middle of.
    """

    passage_id: int
    document_id: uuid.UUID
    version_id: int
    version: int
    valid_from: datetime.date | None
    valid_to: datetime.date | None
    level: int
    pages: tuple[tuple[int, int, int], ...]
    hidden: tuple[tuple[int, int], ...]
    table_header: str = ""

    def page(self, start: int) -> int | None:
        """The page that holds a character of the document's text."""
        return next((number for number, first, end in self.pages if first <= start < end), None)


@dataclass(frozen=True, slots=True)
class OutlineBlock:
    """A heading or case of a version, with the words of its label cut out of the text."""

    kind: str
    level: int
    start: int
    end: int
    within: int | None
    label: str


@dataclass(frozen=True, slots=True)
class Outline:
    """The headings and cases of a version, in order, and the length of its text."""

    version_id: int
    length: int
    blocks: tuple[OutlineBlock, ...]


@dataclass(frozen=True, slots=True)
class Extent:
    """What may be searched: passages in all, and the highest sensitivity level among them."""

    passages: int
    level: int


async def provenance(
    database: Database, actor: Actor, passages: Sequence[int]
) -> dict[int, Provenance]:
    """Where passages come from, by identifier; without those that the actor may not read."""
    async with database.session() as session:
        rows = await session.execute(
            text(f"""
                select p.id, p.start_at, d.id as document_id, v.id as version_id, v.number,
                       v.valid_from, v.valid_to, v.pages, v.hidden, collection.level,
                       (with row_block as (
                            select (b->>'start')::int as first, (b->>'end')::int as last, ordinal,
                                   ordinal - row_number() over (order by ordinal) as of_table
                            from jsonb_array_elements(v.blocks) with ordinality as e(b, ordinal)
                            where b->>'kind' = 'row'
                        ), here as (
                            select of_table from row_block
                            where first <= p.start_at and p.start_at < last
                        )
                        select substr(v.text, first + 1, least(last - first, :longest))
                        from row_block join here using (of_table)
                        where last <= p.start_at order by first limit 1) as header
                from passage p
                join document_version v on v.id = p.version_id
                join document d on d.id = v.document_id
                join collection on collection.id = d.collection_id
                where p.id = any(:ids) and {readable_collections(actor)}
            """),  # noqa: S608
            {"ids": list(passages), "longest": _LONGEST_HEADER},
        )
        return {
            row.id: Provenance(
                row.id,
                row.document_id,
                row.version_id,
                row.number,
                row.valid_from,
                row.valid_to,
                row.level,
                tuple((page["number"], page["start"], page["end"]) for page in row.pages),
                tuple((start, end) for start, end in row.hidden),
                row.header or "",
            )
            for row in rows
        }


async def outlines(database: Database, actor: Actor, versions: Sequence[int]) -> dict[int, Outline]:
    """The headings and cases of versions, by identifier of the version."""
    async with database.session() as session:
        rows = await session.execute(
            text(f"""
                select v.id, length(v.text) as length, e.b->>'kind' as kind,
                       (e.b->>'level')::int as level, (e.b->>'start')::int as first,
                       (e.b->>'end')::int as last, (e.b->>'within')::int as within,
                       substr(v.text, (e.b->>'start')::int + 1,
                              (e.b->>'end')::int - (e.b->>'start')::int) as label
                from document_version v
                join document d on d.id = v.document_id
                join collection on collection.id = d.collection_id
                cross join jsonb_array_elements(v.blocks) with ordinality as e(b, ordinal)
                where v.id = any(:ids) and {readable_collections(actor)}
                  and (e.b->>'kind' in ('heading', 'case') or e.b->>'within' is not null)
                order by v.id, e.ordinal
            """),  # noqa: S608
            {"ids": list(versions)},
        )
        found: dict[int, list[OutlineBlock]] = {}
        lengths: dict[int, int] = {}
        for row in rows:
            lengths[row.id] = row.length
            label = row.label if row.kind in ("heading", "case") else ""
            found.setdefault(row.id, []).append(
                OutlineBlock(row.kind, row.level, row.first, row.last, row.within, label)
            )
        return {
            version: Outline(version, lengths[version], tuple(blocks))
            for version, blocks in found.items()
        }


async def extent(
    database: Database, actor: Actor, collections: Sequence[str] | None = None
) -> Extent:
    """How much the actor may search, in the collections of these slugs or in all."""
    async with database.session() as session:
        row = (
            await session.execute(
                text(f"""
                    select coalesce(sum(passages), 0) as passages, coalesce(max(level), 0) as level
                    from collection where {readable_collections(actor)}
                      and (cast(:slugs as text[]) is null or slug = any(:slugs))
                """),  # noqa: S608
                {"slugs": None if collections is None else list(collections)},
            )
        ).one()
        return Extent(int(row.passages), int(row.level))


async def titles(
    database: Database, actor: Actor, documents: Sequence[uuid.UUID]
) -> dict[uuid.UUID, str]:
    """The titles of documents that the actor may read, as their newest version has them."""
    async with database.session() as session:
        rows = await session.execute(
            text(f"""
                select distinct on (d.id) d.id, v.title from document d
                join document_version v on v.document_id = d.id
                join collection on collection.id = d.collection_id
                where d.id = any(:ids) and {readable_collections(actor)}
                order by d.id, v.number desc
            """),  # noqa: S608
            {"ids": list(documents)},
        )
        return {row.id: row.title for row in rows}


async def served_version(
    database: Database, actor: Actor, document_id: uuid.UUID, date: datetime.date
) -> int:
    """The version of a document that answers at a date.

    Raises:
        ChappeError: `not_found` (404), also when the actor may not read it.
    """
    async with database.session() as session:
        version = await session.scalar(
            text(f"""
                select v.id from document_version v
                join document d on d.id = v.document_id
                join collection on collection.id = d.collection_id
                where d.id = :id and {readable_collections(actor)}
                  and v.superseded_at is null
                  and (v.valid_from is null or v.valid_from <= :date)
                  and (v.valid_to is null or v.valid_to > :date)
                order by v.number desc limit 1
            """),  # noqa: S608
            {"id": document_id, "date": date},
        )
    if version is None:
        raise ChappeError("not_found", 404)
    return int(version)


async def passages_of(
    database: Database, search: Search, actor: Actor, version_id: int, start: int, end: int
) -> list[Hit]:
    """The passages of a part of a version's text, in its order; their scores are zero."""
    async with database.session() as session:
        rows = await session.execute(
            text(f"""
                select p.id as passage_id, p.start_at, p.end_at, p.heading_path,
                       substr(v.text, p.start_at + 1, p.end_at - p.start_at) as passage_text,
                       d.id, d.external_id, v.title, v.url, v.date, d.kind, v.theme_path,
                       collection.slug
                from passage p
                join document_version v on v.id = p.version_id
                join document d on d.id = v.document_id
                join collection on collection.id = d.collection_id
                where p.version_id = :version and {readable_collections(actor)}
                  and p.start_at < :end and p.end_at > :start
                order by p.start_at limit :most
            """),  # noqa: S608
            {"version": version_id, "start": start, "end": end, "most": _MOST_PASSAGES},
        )
        return [
            Hit(
                document=search.summary(row),
                passage=PassageView(
                    id=row.passage_id,
                    text=row.passage_text,
                    start=row.start_at,
                    end=row.end_at,
                    heading_path=row.heading_path,
                ),
                scores=Scores(lexical=None, dense=None, fused=0.0, final=None),
            )
            for row in rows
        ]
