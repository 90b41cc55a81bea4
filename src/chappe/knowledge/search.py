"""Hybrid search: BM25 and dense vectors, fused, within what the actor may read."""

import asyncio
import datetime as dt
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import text
from sqlalchemy.engine import Row

from chappe.core import telemetry
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.gateway.catalogue.encoding import encoding
from chappe.identity.access import SYSTEM, Actor, readable_collections, require
from chappe.knowledge.analysis import terms
from chappe.knowledge.fusion import Ranking, fuse
from chappe.knowledge.generations import Generation
from chappe.knowledge.index import bm25, dense, lexical
from chappe.knowledge.index.follower import Index
from chappe.knowledge.index.rows import Scope
from chappe.knowledge.index.store import Snapshot
from chappe.knowledge.indexing import numbers, own_number
from chappe.knowledge.schemas import DocumentSummary, Hit, PassageView, Scores, SearchFilters

log = logging.getLogger(__name__)

# Depth of each half before fusion: deep enough that a passage good in both is seen in both.
CANDIDATES = 200
# Passages of documents whose number is asked for that come first.
_IDENTIFIED = 20


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, whether the dense half took part, and the time in milliseconds."""

    hits: list[Hit]
    dense: bool
    took_ms: float


@dataclass(frozen=True, slots=True)
class Ground:
    """What one search searches: collections by slug, the index up to an event, the vectors."""

    collections: dict[str, int]
    seq: int
    generation: Generation | None


class Search:
    """Searches one database. `stale_after_days` marks old sheets.

    ``index``: what is searched; None: one in memory, made at the first search.
    """

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        stale_after_days: int,
        index: Index | None = None,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._index = index or Index(database, None)
        self._stale_after = dt.timedelta(days=stale_after_days)

    async def __call__(
        self,
        actor: Actor,
        query: str,
        collections: Sequence[str] | None = None,
        limit: int = 10,
        *,
        date: dt.date | None = None,
        filters: SearchFilters | None = None,
    ) -> SearchResult:
        """The best passages for a query.

        Args:
            date: the day whose law is asked for; none: today.

        Raises:
            ChappeError: `scope_missing`, `unknown_collection`, `index_building` or
                `database_unreachable`.
        """
        require(actor, "search")
        began = time.perf_counter()
        ground = await self._ground(actor, collections)
        snapshot, scope, vector = await asyncio.gather(
            self._index.current(ground.seq),
            self._scope(ground, date, filters),
            self._try_vector(actor, query, ground.generation),
        )
        by_word, by_meaning, first = await asyncio.gather(
            asyncio.to_thread(_by_word, snapshot, scope, query),
            asyncio.to_thread(_by_meaning, snapshot, scope, ground.generation, vector),
            asyncio.to_thread(_identified, snapshot, scope, query),
        )
        fused = _first(self.rank(by_word, by_meaning, ground), first)
        hits = await self._hits(actor, fused, dict(by_word), dict(by_meaning), limit)
        took = time.perf_counter() - began
        telemetry.SEARCH_SECONDS.observe(took)
        return SearchResult(hits, vector is not None, took * 1000)

    def rank(self, by_word: Ranking, by_meaning: Ranking, ground: Ground) -> Ranking:
        """One ranking of both halves; how much the dense one counts follows its model."""
        share = encoding(ground.generation.model).share if ground.generation else None
        return fuse(by_word, by_meaning, share)

    async def lexical(
        self, query: str, collections: Sequence[int], date: dt.date | None = None
    ) -> Ranking:
        """The lexical half alone, without any gate."""
        ground = await self._ground(SYSTEM, None)
        snapshot = await self._index.current(ground.seq)
        scope = Scope(frozenset(collections), date or dt.date.today())
        return await asyncio.to_thread(_by_word, snapshot, scope, query)

    async def dense(
        self, query: str, collections: Sequence[int], date: dt.date | None = None
    ) -> Ranking:
        """The dense half alone, without any gate.

        Raises:
            ChappeError: the encoder can't be used.
        """
        ground = await self._ground(SYSTEM, None)
        if ground.generation is None:
            return []
        snapshot = await self._index.current(ground.seq)
        vector = await self._vector(SYSTEM, query, ground.generation)
        scope = Scope(frozenset(collections), date or dt.date.today())
        return await asyncio.to_thread(_by_meaning, snapshot, scope, ground.generation, vector)

    async def _ground(self, actor: Actor, slugs: Sequence[str] | None) -> Ground:
        """What may be read now, and how far the index has to be: one look at the database."""
        async with self._database.session() as session:
            result = await session.execute(
                text(f"""
                    select
                        (select coalesce(max(seq), 0) from index_event),
                        (select to_jsonb(g) from (
                            select id, model, dimensions, state from embedding_generation
                            where state = 'serving') g),
                        (select coalesce(jsonb_object_agg(slug, id), '{{}}') from collection
                         where {readable_collections(actor)})
                """)  # noqa: S608
            )
            seq, generation, readable = result.one()
        for slug in slugs or ():
            if slug not in readable:
                raise ChappeError("unknown_collection", 404, name=slug)
        wanted = readable if slugs is None else {slug: readable[slug] for slug in slugs}
        return Ground(wanted, seq, None if generation is None else Generation(**generation))

    async def _scope(
        self, ground: Ground, date: dt.date | None, filters: SearchFilters | None
    ) -> Scope:
        scope = Scope(frozenset(ground.collections.values()), date or dt.date.today())
        if filters is None:
            return scope
        versions = None
        if filters.metadata:
            async with self._database.session() as session:
                rows = await session.execute(
                    text("""
                        select v.id from document_version v
                        join document d on d.id = v.document_id
                        where v.metadata @> cast(:metadata as jsonb)
                            and d.collection_id = any(:collections)
                    """),
                    {
                        "metadata": json.dumps(filters.metadata),
                        "collections": list(scope.collections),
                    },
                )
                versions = frozenset(row[0] for row in rows)
        return replace(
            scope,
            kinds=None if filters.kinds is None else frozenset(filters.kinds),
            media_types=None if filters.media_types is None else frozenset(filters.media_types),
            since=filters.since,
            until=filters.until,
            versions=versions,
        )

    async def _vector(
        self, actor: Actor, query: str, generation: Generation
    ) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        asker = replace(SYSTEM, level=actor.level)
        (vector,) = await self._gateway.embed(
            asker, [query], model=generation.model, purpose="query"
        )
        values = np.frombuffer(vector, "<f4")
        if len(values) != generation.dimensions:
            raise ChappeError(
                "embedding_dimensions",
                502,
                model=generation.model,
                expected=generation.dimensions,
                given=len(values),
            )
        return values

    async def _try_vector(
        self, actor: Actor, query: str, generation: Generation | None
    ) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
        if generation is None:
            return None
        try:
            return await self._vector(actor, query, generation)
        except ChappeError as error:
            # Words alone still find; the answer says that the dense half is missing.
            log.warning("search_without_dense", extra={"reason": error.code})
            return None

    async def _hits(
        self,
        actor: Actor,
        ranked: Ranking,
        by_word: dict[int, float],
        by_meaning: dict[int, float],
        limit: int,
    ) -> list[Hit]:
        best = ranked[:limit]
        async with self._database.session() as session:
            # The index decides nothing: what it gave goes through the gate once more.
            rows = await session.execute(
                text(f"""
                    select p.id as passage_id, p.start_at, p.end_at, p.heading_path,
                           substr(v.text, p.start_at + 1, p.end_at - p.start_at) as passage_text,
                           d.id, d.external_id, v.title, v.url, v.date, d.kind, v.theme_path,
                           collection.slug
                    from passage p
                    join document_version v on v.id = p.version_id
                    join document d on d.id = v.document_id
                    join collection on collection.id = p.collection_id
                    where p.id = any(:ids) and {readable_collections(actor)}
                """),  # noqa: S608
                {"ids": [key for key, _ in best]},
            )
            found = {row.passage_id: row for row in rows}
        # A passage may have been replaced between the ranking and now: it is left out.
        return [
            Hit(
                document=self.summary(found[key]),
                passage=PassageView(
                    id=key,
                    text=found[key].passage_text,
                    start=found[key].start_at,
                    end=found[key].end_at,
                    heading_path=found[key].heading_path,
                ),
                scores=Scores(lexical=by_word.get(key), dense=by_meaning.get(key), fused=score),
            )
            for key, score in best
            if key in found
        ]

    def summary(self, row: Row[tuple[object, ...]]) -> DocumentSummary:
        """A document's summary from a row that has its columns and its collection's `slug`."""
        # An article in force doesn't grow old; a sheet that nobody revised may.
        stale = (
            row.kind != "article"
            and row.date is not None
            and dt.datetime.now(dt.UTC).date() - row.date > self._stale_after
        )
        return DocumentSummary(
            id=row.id,
            external_id=row.external_id,
            title=row.title,
            url=row.url,
            date=row.date,
            collection=row.slug,
            kind=row.kind,
            theme_path=row.theme_path,
            stale=stale,
        )


def _by_word(snapshot: Snapshot, scope: Scope, query: str) -> Ranking:
    seen = [segment.seen(scope) for segment in snapshot.lexical]
    weights = {term: float(repeats) for term, repeats in Counter(terms(query)).items()}
    return lexical.search(seen, weights, CANDIDATES, bm25.DEFAULT)


def _by_meaning(
    snapshot: Snapshot,
    scope: Scope,
    generation: Generation | None,
    vector: np.ndarray[tuple[int], np.dtype[np.float32]] | None,
) -> Ranking:
    if generation is None or vector is None:
        return []
    seen = [segment.seen(scope) for segment in snapshot.vectors(generation.id)]
    return dense.search(seen, vector, CANDIDATES)


def _identified(snapshot: Snapshot, scope: Scope, query: str) -> list[int]:
    """Passages of the documents whose own number the query gives."""
    wanted = dict.fromkeys(numbers(query))
    if not wanted:
        return []
    seen = [segment.seen(scope) for segment in snapshot.lexical]
    found: list[int] = []
    for number in wanted:
        found += lexical.holding(seen, own_number(number))[:_IDENTIFIED]
    return found


def _first(ranking: Ranking, identified: Sequence[int]) -> list[tuple[int, float]]:
    """The ranking with what was asked for by its number before all else."""
    scores = dict(ranking)
    best = max(scores.values(), default=1.0)
    front = sorted(identified, key=lambda key: (-scores.get(key, 0.0), key))
    there = set(front)
    # A score is at least that of whatever comes after it.
    return [(key, max(best, 1.0)) for key in front] + [
        (key, score) for key, score in ranking if key not in there
    ]
