"""Vectors of passages, written with the models of the active generations."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM
from chappe.knowledge import generations
from chappe.knowledge.generations import Generation

BATCH = 32
# A load stands aside while somebody is being answered, but not for ever.
YIELD_SECONDS = 60.0
_TEXT_LIMIT = 1_500
_ABOUT_LIMIT = 400
# « Section 4 : Période d'essai » says no more than « Période d'essai ».
_RANK = re.compile(r"^[^:]{0,40} : ?")

_READ = """
    select p.id, c.level, v.title, p.heading_path,
           case when exists (select from document d where d.id = v.document_id
                             and d.kind = 'article') then v.theme_path[2:] else '{}' end,
           substr(v.text, p.start_at + 1, p.end_at - p.start_at)"""
_MISSING = """
    from passage p join document_version v on v.id = p.version_id
    join collection c on c.id = p.collection_id
    where not exists (
        select from embedding e where e.passage_id = p.id and e.generation_id = :generation)
    and p.id > :after
"""

Progress = Callable[[int], Awaitable[None]]


def literal(vector: bytes) -> str:
    """A vector of little-endian float32 as pgvector's text form."""
    return "[" + ",".join(f"{value:.6g}" for value in np.frombuffer(vector, "<f4").tolist()) + "]"


def embedded_text(
    title: str, headings: Sequence[str], body: str, sections: Sequence[str] = ()
) -> str:
    """What the encoder reads of a passage: what it is about, and its words.

    Args:
        title: of its document, read with its last heading.
        sections: of an article of law, from the code's parts to the section around it: they say
            what it is about, and are read in place of a title that is a number.
    """
    if sections:
        about = " > ".join(_RANK.sub("", section) for section in sections[1:])[-_ABOUT_LIMIT:]
    else:
        about = "\n".join((title, *headings[-1:]))
    return f"{about}\n{body}".strip()[:_TEXT_LIMIT]


async def count_missing(database: Database, collection_id: int) -> int:
    """Vectors that passages of a collection lack: one of each generation, of the first to be."""
    async with database.session() as session:
        result = await session.execute(
            text("""
                select count(*) from passage p
                left join embedding_generation g on g.state <> 'retired'
                where p.collection_id = :collection and not exists (
                    select from embedding e where e.passage_id = p.id and e.generation_id = g.id)
            """),
            {"collection": collection_id},
        )
        return int(result.scalar_one())


async def fill(
    database: Database,
    gateway: Gateway,
    collection_id: int,
    progress: Progress,
    versions: Sequence[int] | None = None,
) -> int:
    """Give each passage of a collection the vectors that it lacks, oldest first; how many.

    Each batch is committed, so that an interrupted run goes on where it was. The first vectors
    of an installation are made with the gateway's encoder.

    Args:
        versions: only of these documents' versions.

    Raises:
        ChappeError: the encoder can't be reached.
    """
    written = 0

    async def counted(more: int) -> None:
        await progress(written + more)

    for generation in await _active(database, gateway):
        condition = " and p.collection_id = :collection"
        values: dict[str, Any] = {"collection": collection_id}
        if versions is not None:
            condition += " and p.version_id = any(:versions)"
            values["versions"] = list(versions)
        written += await _fill(database, gateway, generation, condition, values, counted)
    return written


async def fill_generation(
    database: Database, gateway: Gateway, generation: Generation, progress: Progress
) -> int:
    """Give every passage its vector of one generation; gives the number written.

    Raises:
        ChappeError: the encoder can't be reached.
    """
    return await _fill(database, gateway, generation, "", {}, progress)


async def _active(database: Database, gateway: Gateway) -> list[Generation]:
    async with database.session() as session:
        there = [
            generation
            for generation in await generations.active(session)
            if generations.usable(gateway, generation)
        ]
    if there or gateway.encoder is None:
        return there
    return [await generations.begin(database, gateway, gateway.encoder.name)]


async def _fill(
    database: Database,
    gateway: Gateway,
    generation: Generation,
    condition: str,
    values: dict[str, Any],
    progress: Progress,
) -> int:
    written, after = 0, 0
    while True:
        async with database.session() as session:
            rows = (
                await session.execute(
                    text(_READ + _MISSING + condition + " order by p.id limit :batch"),
                    values | {"generation": generation.id, "after": after, "batch": BATCH},
                )
            ).all()
        if not rows:
            return written
        after = rows[-1][0]
        # What is sensitive goes to models that are cleared for it, or to none.
        for level in sorted({row[1] for row in rows}):
            some = [row for row in rows if row[1] == level]
            texts = [
                embedded_text(title, headings, body, sections)
                for _, _, title, headings, sections, body in some
            ]
            await gateway.wait_no_chat(YIELD_SECONDS)
            vectors = await gateway.embed(
                replace(SYSTEM, level=level),
                texts,
                "batch",
                model=generation.model,
                purpose="passage",
            )
            if any(len(vector) != 4 * generation.dimensions for vector in vectors):
                raise ChappeError(
                    "embedding_dimensions",
                    502,
                    model=generation.model,
                    expected=generation.dimensions,
                    given=len(vectors[0]) // 4,
                )
            await _write(database, generation, [row[0] for row in some], vectors)
            written += len(some)
        await progress(written)


async def _write(
    database: Database, generation: Generation, passages: list[int], vectors: list[bytes]
) -> None:
    async with database.session() as session:
        # A passage may have been replaced meanwhile, or the generation given up: no row then.
        await session.execute(
            text("""
                insert into embedding (passage_id, generation_id, vector)
                select p.id, g.id, cast(v.vector as halfvec)
                from unnest(cast(:ids as bigint[]), cast(:vectors as text[])) as v(id, vector)
                join passage p on p.id = v.id
                join embedding_generation g on g.id = :generation and g.state <> 'retired'
                on conflict do nothing
            """),
            {
                "generation": generation.id,
                "ids": passages,
                "vectors": [literal(vector) for vector in vectors],
            },
        )
