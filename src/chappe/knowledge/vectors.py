"""Dense vectors of passages: written with the encoder of the catalogue, searched exactly.

The search reads every readable vector. At the size of an official corpus (tens of thousands of
passages) that is a few tens of milliseconds and loses nothing, whatever the filter.
"""

import struct
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text

from chappe.core.database import Database
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM

BATCH = 32
# A load stands aside while somebody is being answered, but not for ever.
YIELD_SECONDS = 60.0
_TEXT_LIMIT = 1_500

_MISSING = """
    from passage p join document_version v on v.id = p.version_id
    where p.collection_id = :collection and not exists (
        select from embedding e where e.passage_id = p.id and e.model = :model)
"""


def literal(vector: bytes) -> str:
    """A vector of little-endian float32 as pgvector's text form."""
    values = struct.unpack(f"<{len(vector) // 4}f", vector)
    return "[" + ",".join(f"{value:.6g}" for value in values) + "]"


async def count_missing(database: Database, collection_id: int, model: str) -> int:
    """Passages of a collection that have no vector of `model` yet."""
    async with database.session() as session:
        result = await session.execute(
            text("select count(*) " + _MISSING), {"collection": collection_id, "model": model}
        )
        return int(result.scalar_one())


async def fill(
    database: Database,
    gateway: Gateway,
    collection_id: int,
    progress: Callable[[int], Awaitable[None]],
    versions: Sequence[int] | None = None,
) -> int:
    """Give a vector to each passage that lacks one, oldest first; gives the number written.

    Each batch is committed, so that an interrupted run goes on where it was.

    Args:
        versions: only of these documents' versions.

    Raises:
        ChappeError: the encoder can't be reached.
    """
    encoder = gateway.encoder
    if encoder is None:
        return 0
    written, after = 0, 0
    while True:
        async with database.session() as session:
            rows = (
                await session.execute(
                    text(
                        "select p.id, v.title, p.heading_path,"
                        " substr(v.text, p.start_at + 1, p.end_at - p.start_at)"
                        + _MISSING
                        + " and p.id > :after"
                        + (" and p.version_id = any(:versions)" if versions else "")
                        + " order by p.id limit :batch"
                    ),
                    {
                        "collection": collection_id,
                        "model": encoder.name,
                        "after": after,
                        "batch": BATCH,
                    }
                    | ({"versions": list(versions)} if versions else {}),
                )
            ).all()
        if not rows:
            return written
        after = rows[-1][0]
        texts = [
            "\n".join((title, *headings[-1:], body))[:_TEXT_LIMIT]
            for _, title, headings, body in rows
        ]
        await gateway.wait_no_chat(YIELD_SECONDS)
        vectors = await gateway.embed(SYSTEM, texts, "batch")
        async with database.session() as session:
            # A passage may have been replaced meanwhile: its row is simply not there any more.
            await session.execute(
                text("""
                    insert into embedding (passage_id, model, collection_id, vector)
                    select p.id, :model, p.collection_id, cast(v.vector as halfvec)
                    from unnest(cast(:ids as bigint[]), cast(:vectors as text[])) as v(id, vector)
                    join passage p on p.id = v.id
                    on conflict do nothing
                """),
                {
                    "model": encoder.name,
                    "ids": [row[0] for row in rows],
                    "vectors": [literal(vector) for vector in vectors],
                },
            )
        written += len(rows)
        await progress(written)


async def rank(
    database: Database, model: str, vector: bytes, collections: Sequence[int], limit: int
) -> list[tuple[int, float]]:
    """The nearest passages: (passage id, cosine similarity), nearest first."""
    async with database.session() as session:
        rows = await session.execute(
            text("""
                select passage_id, -(vector <#> cast(:vector as halfvec)) as similarity
                from embedding
                where model = :model and collection_id = any(:collections)
                order by vector <#> cast(:vector as halfvec), passage_id limit :limit
            """),
            {
                "model": model,
                "vector": literal(vector),
                "collections": list(collections),
                "limit": limit,
            },
        )
        return [(row[0], row[1]) for row in rows]
