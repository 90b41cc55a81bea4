"""Hybrid search: BM25 and dense vectors, fused, within what the actor may read."""

import asyncio
import datetime
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Row

from chappe.core import telemetry
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM, Actor, readable_collections, require
from chappe.knowledge import bm25, vectors
from chappe.knowledge.analysis import terms
from chappe.knowledge.fusion import Ranking, fuse
from chappe.knowledge.schemas import DocumentSummary, Hit, PassageView, Scores

log = logging.getLogger(__name__)

# Depth of each half before fusion: deep enough that a passage good in both is seen in both.
CANDIDATES = 200


@dataclass(frozen=True)
class SearchResult:
    """Hits best first, whether the dense half took part, and the time in milliseconds."""

    hits: list[Hit]
    dense: bool
    took_ms: float


class Search:
    """Searches one database. `stale_after_days` marks old sheets."""

    def __init__(self, database: Database, gateway: Gateway, stale_after_days: int) -> None:
        self._database = database
        self._gateway = gateway
        self._stale_after = datetime.timedelta(days=stale_after_days)

    async def __call__(
        self,
        actor: Actor,
        query: str,
        collections: Sequence[str] | None = None,
        limit: int = 10,
    ) -> SearchResult:
        """The best passages for a query.

        Raises:
            ChappeError: `scope_missing`, `unknown_collection` or `database_unreachable`.
        """
        require(actor, "search")
        began = time.perf_counter()
        readable = await self._collections(actor, collections)
        lexical, (dense, with_dense) = await asyncio.gather(
            self.lexical(query, readable), self._try_dense(query, readable)
        )
        hits = await self._hits(lexical, dense, limit)
        took = time.perf_counter() - began
        telemetry.SEARCH_SECONDS.observe(took)
        return SearchResult(hits, with_dense, took * 1000)

    async def lexical(self, query: str, collections: Sequence[int]) -> Ranking:
        """The lexical half alone."""
        async with self._database.session() as session:
            return await bm25.rank(session, terms(query), collections, CANDIDATES)

    async def dense(self, query: str, collections: Sequence[int]) -> Ranking:
        """The dense half alone.

        Raises:
            ChappeError: the encoder can't be used.
        """
        encoder = self._gateway.encoder
        if encoder is None or not collections:
            return []
        vector = (await self._gateway.embed(SYSTEM, [query]))[0]
        return await vectors.rank(self._database, encoder.name, vector, collections, CANDIDATES)

    async def _try_dense(self, query: str, collections: Sequence[int]) -> tuple[Ranking, bool]:
        try:
            return await self.dense(query, collections), self._gateway.encoder is not None
        except ChappeError as error:
            # Words alone still find; the answer says that the dense half is missing.
            log.warning("search_without_dense", extra={"reason": error.code})
            return [], False

    async def _collections(self, actor: Actor, slugs: Sequence[str] | None) -> list[int]:
        async with self._database.session() as session:
            rows = await session.execute(
                text(f"select slug, id from collection where {readable_collections(actor)}")  # noqa: S608
            )
            readable = {row[0]: row[1] for row in rows}
        if slugs is None:
            return list(readable.values())
        for slug in slugs:
            if slug not in readable:
                raise ChappeError("unknown_collection", 404, name=slug)
        return [readable[slug] for slug in slugs]

    async def _hits(self, lexical: Ranking, dense: Ranking, limit: int) -> list[Hit]:
        fused = fuse(lexical, dense)[:limit]
        by_word, by_meaning = dict(lexical), dict(dense)
        async with self._database.session() as session:
            rows = await session.execute(
                text("""
                    select p.id as passage_id, p.start_at, p.end_at, p.heading_path,
                           substr(v.text, p.start_at + 1, p.end_at - p.start_at) as passage_text,
                           d.id, d.external_id, v.title, v.url, v.date, d.kind, v.theme_path,
                           c.slug
                    from passage p
                    join document_version v on v.id = p.version_id
                    join document d on d.id = v.document_id
                    join collection c on c.id = p.collection_id
                    where p.id = any(:ids)
                """),
                {"ids": [key for key, _ in fused]},
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
            for key, score in fused
            if key in found
        ]

    def summary(self, row: Row[tuple[object, ...]]) -> DocumentSummary:
        """A document's summary from a row that has its columns and its collection's `slug`."""
        # An article in force doesn't grow old; a sheet that nobody revised may.
        stale = (
            row.kind != "article"
            and row.date is not None
            and datetime.datetime.now(datetime.UTC).date() - row.date > self._stale_after
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
