"""Loading a source: what is new or changed is indexed, what is unchanged is left, what went is
removed; then the passages without vector get one. Each batch is committed: an interrupted load
goes on where it was.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import text

from chappe.core.database import Database
from chappe.gateway import Gateway
from chappe.knowledge import vectors
from chappe.knowledge.former import end_former, most_of
from chappe.knowledge.indexing import INDEX_VERSION, PreparedDocument, prepare
from chappe.knowledge.sources.archive import SourceItem
from chappe.knowledge.versions import Key, known_hashes, remove, store

BATCH = 20

Progress = Callable[[str, int, int | None], Awaitable[None]]


@dataclass
class SyncReport:
    """What a load did, and where its time went (seconds).

    `held`: what isn't in the source any more and was left, since it is most of what there was.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    held: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def spend(self, part: str, began: float) -> None:
        """Add the time since `began` (perf_counter) to a part."""
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began


@dataclass(frozen=True)
class _Batch:
    prepared: list[PreparedDocument]
    unchanged: int
    seen: list[Key]


def _take(items: Iterator[SourceItem], known: dict[Key, str], report: SyncReport) -> _Batch | None:
    """Read and prepare the next changed documents; runs in a thread."""
    prepared: list[PreparedDocument] = []
    seen: list[Key] = []
    unchanged = 0
    while len(prepared) < BATCH and len(seen) < 50 * BATCH:
        began = time.perf_counter()
        item = next(items, None)
        report.spend("read", began)
        if item is None:
            break
        key = (item.external_id, item.version)
        seen.append(key)
        digest = hashlib.sha256(f"{INDEX_VERSION} {item.content_hash}".encode()).hexdigest()
        if known.get(key) == digest:
            unchanged += 1
            continue
        began = time.perf_counter()
        document = item.parse()
        report.spend("parse", began)
        began = time.perf_counter()
        prepared.append(prepare(document, digest, item.version))
        report.spend("analyse", began)
    return _Batch(prepared, unchanged, seen) if seen else None


async def ensure_collection(database: Database, slug: str, title: str, source: str) -> int:
    """The id of a public collection, made if it isn't there."""
    async with database.session() as session:
        result = await session.execute(
            text("""
                insert into collection (slug, title, source, public)
                values (:slug, :title, :source, true)
                on conflict (slug) do update set title = excluded.title returning id
            """),
            {"slug": slug, "title": title, "source": source},
        )
        return int(result.scalar_one())


async def synchronise(
    database: Database,
    gateway: Gateway | None,
    collection_id: int,
    items: Iterable[SourceItem],
    *,
    total: int | None,
    complete: bool,
    progress: Progress,
    source: str = "",
    load_id: int | None = None,
    history: bool = True,
    force: bool = False,
) -> SyncReport:
    """Bring a collection in line with a source.

    Args:
        gateway: gives the vectors; None leaves them out.
        complete: are `items` the whole source, so that what isn't among them went away.
        history: of documents that keep their versions, does the source give all of them; if it
            gives the newest only, those before it stay, and end where it begins.
        force: remove what went away even if it is most of what there was.
        source: which source keeps these documents in line; others' are left alone.

    Raises:
        SourceFormatError: a document can't be read; what came before it is kept.
        ChappeError: the database or the encoder can't be reached.
    """
    report = SyncReport()
    async with database.session() as session:
        known = await known_hashes(session, collection_id, source=source)
    iterator = iter(items)
    seen: set[Key] = set()
    await progress("indexing", 0, total)
    while batch := await asyncio.to_thread(_take, iterator, known, report):
        if gateway is not None:
            await gateway.wait_no_chat(vectors.YIELD_SECONDS)
        began = time.perf_counter()
        if batch.prepared:
            async with database.session() as session:
                await store(session, collection_id, batch.prepared, source=source, load_id=load_id)
        report.spend("write", began)
        for item in batch.prepared:
            if (item.document.external_id, item.source_version) in known:
                report.changed += 1
            else:
                report.added += 1
        report.unchanged += batch.unchanged
        seen.update(batch.seen)
        await progress("indexing", len(seen), total)
    if complete:
        gone = list(set(known) - seen)
        if not history:
            there = {name for name, _ in seen}
            gone = [key for key in gone if key[0] not in there]
            await end_former(database, collection_id, source=source)
        if gone and not force and most_of(len(gone), len(known)):
            report.held = len(gone)
            gone = []
        for at in range(0, len(gone), 500):
            async with database.session() as session:
                await remove(session, collection_id, gone[at : at + 500], source=source)
        report.removed = len(gone)
    if gateway is not None and gateway.encoder is not None:
        began = time.perf_counter()
        missing = await vectors.count_missing(database, collection_id)
        if missing:
            await progress("embedding", 0, missing)

            async def embedded(done: int) -> None:
                await progress("embedding", done, missing)

            report.embedded = await vectors.fill(database, gateway, collection_id, embedded)
        report.spend("embed", began)
    await _analyse(database)
    return report


async def _analyse(database: Database) -> None:
    # Fresh statistics: without them what a load has just made is sought in the whole tables.
    async with database.engine.connect() as connection:
        automatic = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await automatic.execute(
            text("vacuum (analyze) passage, document, document_version, embedding")
        )
