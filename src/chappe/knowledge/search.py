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

from chappe.core import telemetry
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.gateway.catalogue.encoding import encoding
from chappe.identity.access import SYSTEM, Actor, readable_collections, require
from chappe.knowledge import hits, ranking, reranking
from chappe.knowledge.analysis import terms
from chappe.knowledge.fusion import Ranking, fuse
from chappe.knowledge.generations import Generation
from chappe.knowledge.index import bm25, dense, lexical
from chappe.knowledge.index.follower import Index
from chappe.knowledge.index.rows import Scope
from chappe.knowledge.index.store import Snapshot
from chappe.knowledge.indexing import numbers, own_number
from chappe.knowledge.ranking import POOL
from chappe.knowledge.reads import Row
from chappe.knowledge.schemas import DocumentSummary, Hit, Scores, SearchFilters

log = logging.getLogger(__name__)

# Depth of each half before fusion: deep enough that a passage good in both is seen in both.
CANDIDATES = 200
# Passages of documents whose number is asked for that come first.
_IDENTIFIED = 20


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, whether the dense half and a reranking model took part, milliseconds."""

    hits: list[Hit]
    dense: bool
    took_ms: float
    reranked: bool = False


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
        neighbours: int = 0,
    ) -> SearchResult:
        """The best passages for a query.

        Args:
            date: the day whose law is asked for; none: today.
            neighbours: so many passages on each side of a hit come with it.

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
        # NumPy lets go of the interpreter: the halves run side by side.
        (by_word, first), by_meaning = await asyncio.gather(
            asyncio.to_thread(_by_word_and_number, snapshot, scope, query),
            asyncio.to_thread(_by_meaning, snapshot, scope, ground.generation, vector),
        )
        fused = self.rank(by_word, by_meaning, ground)
        ranked, found, reranked = await self.ordered(actor, query, fused, first, limit)
        scores = (dict(by_word), dict(by_meaning), dict(fused))
        result = [self._hit(found[key], score, *scores) for key, score in ranked]
        if neighbours:
            async with self._database.session() as session:
                await hits.add_neighbours(session, result, found, neighbours)
        took = time.perf_counter() - began
        telemetry.SEARCH_SECONDS.observe(took)
        return SearchResult(result, vector is not None, took * 1000, reranked)

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
        ((seq, generation, readable),) = await self._index.reads(
            f"""
                select
                    (select coalesce(max(seq), 0) from index_event) as seq,
                    (select to_jsonb(g) from (
                        select id, model, dimensions, state from embedding_generation
                        where state = 'serving') g) as generation,
                    (select coalesce(jsonb_object_agg(slug, id), '{{}}') from collection
                     where {readable_collections(actor)}) as readable
            """  # noqa: S608
        )
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

    async def ordered(
        self, actor: Actor, query: str, fused: Ranking, first: Sequence[int], limit: int
    ) -> tuple[Ranking, hits.Rows, bool]:
        """The best of a fused ranking in their last order, their rows; did a model order them.

        Args:
            first: passages that come before all others.
        """
        pool = [*dict.fromkeys([*first, *(key for key, _ in fused[:POOL])])]
        found = await hits.read(self._index.reads, actor, pool)
        ranked, reranked = await self._order(actor, query, found, fused)
        documents = {key: row.id for key, row in found.items()}
        return ranking.diversify(_first(ranked, first), documents)[:limit], found, reranked

    async def _order(
        self, actor: Actor, query: str, found: hits.Rows, fused: Ranking
    ) -> tuple[Ranking, bool]:
        """The passages of the pool with their text at hand; whether a model ordered them."""
        candidates = [hits.candidate(row) for row in found.values()]
        scores = dict(fused)
        known = [(key, scores.get(key, 0.0)) for key in found]
        ranked = await asyncio.to_thread(ranking.rerank, query, candidates, known)
        read = [found[key] for key, _ in ranked[: reranking.READ]]
        relevance = await reranking.relevance(
            self._gateway,
            actor,
            max((row.level for row in read), default=0),
            query,
            [f"{row.title}\n{' '.join(row.heading_path)}\n{row.passage_text}" for row in read],
        )
        if relevance is None:
            return ranked, False
        by_model = {row.passage_id: value for row, value in zip(read, relevance, strict=True)}
        return ranking.with_model(ranked, by_model), True

    def _hit(
        self,
        row: Row,
        score: float,
        by_word: dict[int, float],
        by_meaning: dict[int, float],
        fused: dict[int, float],
    ) -> Hit:
        key = row.passage_id
        return Hit(
            document=self.summary(row),
            passage=hits.passage_view(row),
            scores=Scores(
                lexical=by_word.get(key),
                dense=by_meaning.get(key),
                fused=fused.get(key, 0.0),
                final=score,
            ),
        )

    def summary(self, row: Row) -> DocumentSummary:
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


def _by_word_and_number(snapshot: Snapshot, scope: Scope, query: str) -> tuple[Ranking, list[int]]:
    return _by_word(snapshot, scope, query), _identified(snapshot, scope, query)


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


def _first(ranked: Ranking, identified: Sequence[int]) -> list[tuple[int, float]]:
    """The ranking with what was asked for by its number before all else."""
    there = set(identified)
    front = [(key, score) for key, score in ranked if key in there]
    return front + [(key, score) for key, score in ranked if key not in there]
