"""BM25, computed in PostgreSQL from the postings (Robertson & Zaragoza 2009, eq. 3.15).

score(d, q) = Σ_t idf(t) · f(t,d)·(k1 + 1) / (f(t,d) + k1·(1 − b + b·|d| / avg|d|)), with
idf(t) = ln(1 + (N − n(t) + ½) / (n(t) + ½)), over the collections searched and no other: what a
person may not read doesn't weigh on what they find.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

K1 = 1.2
B = 0.75


def idf(passages: int, containing: int) -> float:
    """Inverse document frequency of a term in `containing` of `passages` passages."""
    return math.log(1 + (passages - containing + 0.5) / (containing + 0.5))


def weight(
    frequency: int, length: int, average_length: float, k1: float = K1, b: float = B
) -> float:
    """How much a term's `frequency` counts in a passage of `length` terms; below k1 + 1."""
    return frequency * (k1 + 1) / (frequency + k1 * (1 - b + b * length / average_length))


def scores(query: Sequence[str], passages: Mapping[int, Sequence[str]]) -> dict[int, float]:
    """BM25 of each passage that holds a term of the query: the formula itself, for reference."""
    average = sum(map(len, passages.values())) / len(passages)
    counts = {key: Counter(terms) for key, terms in passages.items()}
    result: dict[int, float] = {}
    for term, repeated in Counter(query).items():
        containing = [key for key, count in counts.items() if term in count]
        for key in containing:
            gain = idf(len(passages), len(containing)) * weight(
                counts[key][term], len(passages[key]), average
            )
            result[key] = result.get(key, 0.0) + repeated * gain
    return result


_QUERY = text("""
    with question as (
        select * from unnest(cast(:terms as text[]), cast(:repeats as int[])) as q(term, repeated)
    ),
    size as (
        select sum(passages)::float8 as n, sum(tokens)::float8 / sum(passages) as average
        from collection where id = any(:collections)
    ),
    hit as materialized (
        select p.term, p.passage_id, p.frequency::float8 as f, p.length::float8 as l, q.repeated
        from question q join posting p
            on p.term = q.term collate "C" and p.collection_id = any(:collections)
    ),
    rarity as (
        select term, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) as idf
        from hit, size group by term, n
    )
    select passage_id,
           sum(repeated * idf * f * (:k1 + 1) / (f + :k1 * (1 - :b + :b * l / average))) as score
    from hit join rarity using (term), size
    group by passage_id order by score desc, passage_id limit :limit
""")


async def rank(
    session: AsyncSession, query: Sequence[str], collections: Sequence[int], limit: int
) -> list[tuple[int, float]]:
    """The best passages of `collections` for the terms of a query: (id, BM25), best first."""
    counts = Counter(query)
    if not counts or not collections:
        return []
    rows = await session.execute(
        _QUERY,
        {
            "terms": list(counts),
            "repeats": list(counts.values()),
            "collections": list(collections),
            "k1": K1,
            "b": B,
            "limit": limit,
        },
    )
    return [(row[0], row[1]) for row in rows]
