"""The index of one process: opened from disk, kept in step with the database, searched."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chappe.core.connections import Connection, Connections
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.knowledge.index import changes, segments
from chappe.knowledge.index.changes import Event, VectorRow
from chappe.knowledge.index.lexical import Array, PassageTerms
from chappe.knowledge.index.segments import P, Segment
from chappe.knowledge.index.store import IndexUnusableError, Position, Snapshot, Store
from chappe.knowledge.indexing import driver_connection, reanalyse
from chappe.knowledge.reads import Reads

log = logging.getLogger(__name__)

_AT_ONCE = 5_000
_ANALYSED_AT_ONCE = 500
_EVENTS_AT_ONCE = 200
# A merge of more rows than this goes on beside searches and changes, and to files.
_LARGE = 20_000
_POLL_SECONDS = 1.0
_SAVE_SECONDS = 30.0
_SWEEP_SECONDS = 3600.0
_EVENTS_KEPT_DAYS = 7
# How long a search waits for the index to be in step, and to be there at all.
CATCH_UP_SECONDS = 5.0
BUILD_SECONDS = 20.0

Progress = Callable[[str, int], Awaitable[None]]


async def _quiet(step: str, done: int) -> None:
    pass


class Index:
    """Follows a database. ``folder``: where it is kept; None: in memory alone.

    ``reads``: what a search reads of the database beside the index.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self.reads = Reads(database.url)
        self._listening = Connections(database.url, 1)
        self._folder = folder
        self._store: Store | None = None
        self._snapshot: Snapshot | None = None
        self._changing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._opened: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._rebuilding: asyncio.Task[Snapshot] | None = None
        self._saved_at = 0.0
        self._saved: Snapshot | None = None

    async def start(self) -> None:
        """Begin to open it, and to follow the database; doesn't wait for either."""
        if self._opened is None:
            self._opened = asyncio.create_task(self._open())

    async def follow(self) -> None:
        """Keep it in step in the background, so that searches needn't wait for it."""
        await self.start()
        self._listening.listen(changes.CHANNEL, self._wake.set)
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Save what isn't saved, and leave."""
        begun = (self._following, self._opened, self._rebuilding)
        tasks = [task for task in begun if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._save()
        await self._listening.close()
        await self.reads.close()
        if self._store is not None:
            self._store.close()

    @property
    def snapshot(self) -> Snapshot | None:
        """The index as it is now; None until it was opened."""
        return self._snapshot

    async def current(self, seq: int) -> Snapshot:
        """The index with all that was committed up to event `seq`.

        Raises:
            ChappeError: `index_building` (503), it is being made; `database_unreachable`.
        """
        snapshot = self._snapshot
        if snapshot is not None and snapshot.position.seq >= seq:
            return snapshot
        try:
            async with asyncio.timeout(BUILD_SECONDS if snapshot is None else CATCH_UP_SECONDS):
                await self.ready()
                await self.catch_up(seq)
        except TimeoutError:
            error = ChappeError("index_building", 503)
            error.retry_after = CATCH_UP_SECONDS
            raise error from None
        assert self._snapshot is not None
        return self._snapshot

    async def ready(self) -> None:
        """Until it was opened or made.

        Raises:
            ChappeError: `database_unreachable`.
        """
        await self.start()
        assert self._opened is not None
        if self._opened.done() and not self._opened.cancelled() and self._opened.exception():
            # The database was away: try again.
            self._opened = asyncio.create_task(self._open())
        await asyncio.shield(self._opened)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._database.session() as session:
            yield await driver_connection(session)

    # Opening and building

    async def _open(self) -> None:
        await self._open_store()
        found = await self._from_disk()
        if found is None:
            await self.rebuild()
            return
        async with self._changing:
            self._snapshot = self._saved = found

    async def _open_store(self) -> None:
        if self._folder is not None and self._store is None:
            self._store = await asyncio.to_thread(Store, self._folder)

    async def _from_disk(self) -> Snapshot | None:
        if self._store is None or self._store.empty:
            return None
        try:
            found = await asyncio.to_thread(self._store.open)
        except IndexUnusableError as error:
            log.warning("index_unusable", extra={"reason": str(error)})
            return None
        async with self._transaction() as connection:
            if await changes.continues(connection, found.position):
                return found
        log.warning("index_unusable", extra={"reason": "it is of another history"})
        return None

    async def _anew(self) -> None:
        """Made anew, once for all who find that it is of another history."""
        if self._rebuilding is None or self._rebuilding.done():
            log.warning("index_unusable", extra={"reason": "it is of another history"})
            self._rebuilding = asyncio.create_task(self.rebuild())
        # A search that waits no longer doesn't end it.
        await asyncio.shield(self._rebuilding)

    async def rebuild(self, progress: Progress = _quiet) -> Snapshot:
        """Make it anew from the database; what it was is searched meanwhile, if it was there."""
        await self._open_store()
        await self._reanalyse(progress)
        async with self._changing:
            began = time.perf_counter()
            async with self._transaction() as connection:
                snapshot = Snapshot(await changes.head(connection))
                kept = await changes.generations(connection)
            after = 0
            while True:
                async with self._transaction() as connection:
                    rows = await changes.passages_after(connection, after, _AT_ONCE)
                if not rows:
                    break
                after = rows[-1].key.passage
                snapshot = await asyncio.to_thread(self._with_passages, snapshot, rows, True)
                await progress("passages", len(rows))
            for generation in kept:
                after = 0
                while True:
                    async with self._transaction() as connection:
                        found = await changes.vectors_after(connection, generation, after, _AT_ONCE)
                    if not found:
                        break
                    after = found[-1].key.passage
                    snapshot = await asyncio.to_thread(
                        self._with_vectors, snapshot, generation, found, True
                    )
                    await progress("vectors", len(found))
            self._snapshot = snapshot
        await self._save()
        log.info(
            "index_built",
            extra={
                "passages": sum(segment.size for segment in snapshot.lexical),
                "seconds": round(time.perf_counter() - began, 2),
            },
        )
        return snapshot

    async def _reanalyse(self, progress: Progress = _quiet) -> None:
        while True:
            async with self._database.session() as session:
                done = await reanalyse(session, _ANALYSED_AT_ONCE)
            if not done:
                return
            await progress("analysis", done)

    def _with_passages(
        self, snapshot: Snapshot, rows: Sequence[PassageTerms], large: bool = False
    ) -> Snapshot:
        added = segments.lexical_segment(rows)
        return replace(snapshot, lexical=self._merged((*snapshot.lexical, added), large))

    def _with_vectors(
        self,
        snapshot: Snapshot,
        generation: int,
        rows: Sequence[VectorRow],
        large: bool = False,
    ) -> Snapshot:
        added = segments.dense_segment(
            [row.key for row in rows], np.stack([row.vector for row in rows])
        )
        return snapshot.with_vectors(
            generation, self._merged((*snapshot.vectors(generation), added), large)
        )

    # Changes

    async def catch_up(self, seq: int) -> None:
        """Apply what was committed, at least up to event `seq`.

        Raises:
            ChappeError: `database_unreachable`.
        """
        while True:
            async with self._changing:
                snapshot = self._snapshot
                assert snapshot is not None
                if snapshot.position.seq >= seq:
                    return
                async with self._transaction() as connection:
                    known = await changes.continues(connection, snapshot.position)
                    if known:
                        await self._apply(connection, snapshot)
            if not known:
                await self._anew()

    async def _apply(self, connection: Any, snapshot: Snapshot) -> None:
        events = await changes.since(connection, snapshot.position.seq, _EVENTS_AT_ONCE)
        if not events:
            # What `seq` spoke of is of another history: the next look finds out.
            raise ChappeError("index_building", 503)
        kept = await changes.generations(connection)
        snapshot = replace(
            snapshot, dense=tuple(item for item in snapshot.dense if item[0] in kept)
        )
        changed = sorted({key for e in events if e.generation is None for key in e.passages})
        for begin in range(0, len(changed), _AT_ONCE):
            some = changed[begin : begin + _AT_ONCE]
            rows = await changes.passages(connection, some)
            snapshot = await asyncio.to_thread(self._changed_passages, snapshot, some, rows)
        for generation in kept:
            touched = _touched(events, generation, changed)
            for begin in range(0, len(touched), _AT_ONCE):
                some = touched[begin : begin + _AT_ONCE]
                found = await changes.vectors(connection, generation, some)
                snapshot = await asyncio.to_thread(
                    self._changed_vectors, snapshot, generation, some, found
                )
        position = Position(snapshot.position.identity, events[-1].seq, events[-1].token)
        self._snapshot = replace(snapshot, position=position)

    def _changed_passages(
        self, snapshot: Snapshot, ids: Sequence[int], rows: Sequence[PassageTerms]
    ) -> Snapshot:
        left = segments.without(snapshot.lexical, np.array(ids, np.int64))
        snapshot = replace(snapshot, lexical=left)
        return self._with_passages(snapshot, rows) if rows else snapshot

    def _changed_vectors(
        self, snapshot: Snapshot, generation: int, ids: Sequence[int], rows: Sequence[VectorRow]
    ) -> Snapshot:
        left = segments.without(snapshot.vectors(generation), np.array(ids, np.int64))
        snapshot = snapshot.with_vectors(generation, left)
        return self._with_vectors(snapshot, generation, rows) if rows else snapshot

    # Merging and saving

    def _merged(self, items: tuple[Segment[P], ...], large: bool) -> tuple[Segment[P], ...]:
        """Merge what is quickly merged, and with `large` the rest too; else it is for `tidy`."""
        while sources := segments.to_merge(items):
            if sum(source.size for source in sources) > _LARGE and not large:
                break
            items = segments.replaced(items, sources, self._merge(sources))
        return items

    def _merge(self, sources: Sequence[Segment[P]]) -> Segment[P]:
        large = sum(source.size for source in sources) > _LARGE
        if not large or self._store is None or not self._store.writable:
            return segments.merged(sources, _in_memory, None)
        folder = self._store.new_folder()
        return segments.merged(sources, self._store.allocate(folder), folder)

    async def tidy(self) -> None:
        """Merge what has to be, beside searches and changes."""
        while True:
            snapshot = self._snapshot
            if snapshot is None:
                return
            if lexical := segments.to_merge(snapshot.lexical):
                merged = await asyncio.to_thread(self._merge, lexical)
                async with self._changing:
                    left = segments.replaced(self._snapshot.lexical, lexical, merged)  # type: ignore[union-attr]
                    self._snapshot = replace(self._snapshot, lexical=left)  # type: ignore[type-var]
                continue
            for generation, items in snapshot.dense:
                if dense := segments.to_merge(items):
                    combined = await asyncio.to_thread(self._merge, dense)
                    async with self._changing:
                        assert self._snapshot is not None
                        now = self._snapshot.vectors(generation)
                        self._snapshot = self._snapshot.with_vectors(
                            generation, segments.replaced(now, dense, combined)
                        )
                    break
            else:
                return

    async def _save(self) -> None:
        if self._store is None or not self._store.writable:
            return
        async with self._changing:
            snapshot = self._snapshot
            if snapshot is None or snapshot is self._saved:
                return
            # The lock is held: what is saved must be what is searched.
            self._saved = self._snapshot = await asyncio.to_thread(self._store.save, snapshot)
            self._saved_at = time.monotonic()

    async def _follow(self) -> None:
        swept, analysed = 0.0, False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.ready()
                if not analysed:
                    await self._reanalyse()
                    analysed = True
                async with self._transaction() as connection:
                    last = await changes.head(connection)
                    if time.monotonic() - swept > _SWEEP_SECONDS:
                        await changes.sweep(connection, _EVENTS_KEPT_DAYS)
                        swept = time.monotonic()
                    assert self._snapshot is not None
                    known = await changes.continues(connection, self._snapshot.position)
                if known:
                    await self.catch_up(last.seq)
                else:
                    await self._anew()
                await self.tidy()
                if time.monotonic() - self._saved_at > _SAVE_SECONDS:
                    await self._save()
            except Exception as error:
                # Searches catch up by themselves, and say what is wrong; we try again.
                log.error("index_behind", extra={"reason": type(error).__name__})
                await asyncio.sleep(_POLL_SECONDS)


def _in_memory(name: str, length: int, dtype: Any) -> Array:
    return np.empty(length, dtype)


def _touched(events: Sequence[Event], generation: int, changed: Sequence[int]) -> list[int]:
    # A passage that changed may be elsewhere now: its vectors' rows are made anew too.
    own = {key for e in events if e.generation == generation for key in e.passages}
    return sorted(own | set(changed))
