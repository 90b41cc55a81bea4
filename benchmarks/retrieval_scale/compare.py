"""What PostgreSQL alone does with the same passages, and how soon a change is seen."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import psycopg

from chappe.identity.access import Actor
from chappe.knowledge.analysis import terms
from chappe.knowledge.index.terms import digest, unpack
from chappe.knowledge.search import Search
from chappe.knowledge.vectors import literal

_POSTINGS = """
create table posting (
    collection_id integer not null, term bigint not null, passage_id bigint not null,
    frequency smallint not null, length integer not null
);
"""
_BM25 = """
    with question as (select * from unnest(%(terms)s::bigint[], %(repeats)s::int[]) q(term, n)),
    size as (
        select count(*)::float8 as n, avg(body_length + context_length)::float8 as average
        from passage where collection_id = any(%(collections)s)
    ),
    hit as materialized (
        select p.term, p.passage_id, p.frequency::float8 f, p.length::float8 l, q.n as repeats
        from question q join posting p
            on p.term = q.term and p.collection_id = any(%(collections)s)
    ),
    rarity as (
        select term, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) as idf
        from hit, size group by term, n
    )
    select passage_id, sum(repeats * idf * f * 2.2 / (f + 1.2 * (0.6 + 0.4 * l / average))) score
    from hit join rarity using (term), size
    group by passage_id order by score desc, passage_id limit 50
"""
_NEAREST = """
    select e.passage_id from embedding e join passage p on p.id = e.passage_id
    where p.collection_id = any(%(collections)s)
    order by e.vector <#> %(vector)s::halfvec(DIMENSIONS) limit 50
"""


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _times(work: Callable[[int], object], count: int) -> dict[str, float]:
    work(0)
    times = []
    for at in range(count):
        began = time.perf_counter()
        work(at)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
    }


def postgresql(
    connection: psycopg.Connection,
    queries: Sequence[str],
    encoded: np.ndarray,
    readable: Callable[[str], list[str]],
    count: int = 40,
) -> dict[str, object]:
    """BM25 from a table of postings, and dense search exact and by HNSW with filters."""
    result: dict[str, object] = {}
    _build_postings(connection, result)
    ids = dict(connection.execute("select slug, id from collection").fetchall())
    words = [Counter(_signed(digest(t)) for t in terms(query)) for query in queries[:count]]
    vectors = [literal(vector.astype("<f4").tobytes()) for vector in encoded[:count]]
    nearest = _NEAREST.replace("DIMENSIONS", str(encoded.shape[1]))
    exact: dict[str, list[set[int]]] = {}
    connection.execute("set enable_indexscan = off")
    for share in ("1 % together", "10 % spread", "100 %"):
        collections = [ids[slug] for slug in readable(share)]
        found: dict[str, object] = {}

        def lexical(at: int, collections: list[int] = collections) -> object:
            asked = words[at]
            return connection.execute(
                _BM25,
                {
                    "terms": list(asked),
                    "repeats": list(asked.values()),
                    "collections": collections,
                },
            ).fetchall()

        connection.execute("set enable_indexscan = on")
        found["bm25"] = _times(lexical, count)
        exact[share] = []

        def dense(at: int, collections: list[int] = collections) -> set[int]:
            rows = connection.execute(
                nearest, {"vector": vectors[at], "collections": collections}
            ).fetchall()
            return {row[0] for row in rows}

        found["exact"] = _times(dense, count)
        exact[share] = [dense(at) for at in range(count)]
        result[share] = found
    began = time.perf_counter()
    connection.execute("set maintenance_work_mem = '2GB'")
    connection.execute(
        "create index hnsw on embedding using hnsw"
        f" ((vector::halfvec({encoded.shape[1]})) halfvec_ip_ops)"
    )
    result["hnsw_build_seconds"] = round(time.perf_counter() - began, 1)
    nearest = nearest.replace("e.vector <#>", f"e.vector::halfvec({encoded.shape[1]}) <#>")
    connection.execute("set hnsw.ef_search = 400")
    connection.execute("set enable_seqscan = off")
    connection.execute("set enable_sort = off")
    for iterative in ("off", "relaxed_order"):
        connection.execute(f"set hnsw.iterative_scan = {iterative}")
        for share, right in exact.items():
            collections = [ids[slug] for slug in readable(share)]

            def approximate(at: int, collections: list[int] = collections) -> set[int]:
                rows = connection.execute(
                    nearest, {"vector": vectors[at], "collections": collections}
                ).fetchall()
                return {row[0] for row in rows}

            figures = _times(approximate, count)
            kept = [len(approximate(at) & right[at]) / len(right[at]) for at in range(count)]
            figures["recall_50"] = round(statistics.mean(kept), 3)
            own = result[share]
            assert isinstance(own, dict)
            own[f"hnsw, iterative scan {iterative}"] = figures
    connection.rollback()
    return result


def _build_postings(connection: psycopg.Connection, result: dict[str, object]) -> None:
    began = time.perf_counter()
    connection.execute(_POSTINGS)
    rows = connection.execute(
        "select id, collection_id, terms, body_length + context_length from passage"
    ).fetchall()
    with connection.cursor() as cursor:
        columns = "collection_id, term, passage_id, frequency, length"
        with cursor.copy(f"copy posting ({columns}) from stdin") as copy:
            for passage, collection, packed, length in rows:
                digests, body, context = unpack(packed)
                counts = body.astype(int) + context
                for term, frequency in zip(digests.tolist(), counts.tolist(), strict=True):
                    copy.write_row((collection, _signed(term), passage, frequency, length))
    connection.execute(
        "alter table posting add primary key (collection_id, term, passage_id)"
        " include (frequency, length)"
    )
    connection.commit()
    connection.autocommit = True
    connection.execute("vacuum (analyze) posting")
    connection.autocommit = False
    result["postings_build_seconds"] = round(time.perf_counter() - began, 1)
    size = connection.execute("select pg_total_relation_size('posting')").fetchone()
    assert size is not None
    result["postings_mib"] = size[0] // 2**20


async def changes(
    connection: psycopg.Connection, search: Search, actor: Actor, count: int = 30
) -> dict[str, float]:
    """Milliseconds of the first search after a document was removed, all freshness included."""
    query = next(iter(search._gateway._vectors))  # type: ignore[attr-defined]
    times = []
    for _ in range(count):
        result = await search(actor, query, limit=10)
        gone = result.hits[0]
        connection.execute("delete from document where id = %s", (gone.document.id,))
        connection.commit()
        began = time.perf_counter()
        after = await search(actor, query, limit=10)
        times.append((time.perf_counter() - began) * 1000)
        assert gone.document.id not in {hit.document.id for hit in after.hits}
        await asyncio.sleep(0)
    times.sort()
    return {"p50": round(statistics.median(times), 1), "p95": round(times[-2], 1)}
