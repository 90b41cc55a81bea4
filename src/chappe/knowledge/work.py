"""Background work on documents: reading, vectors, deletion, and the rules of collections.

The documents' own states are the queue (`document.awaits`), so what is to be done is written in
the transaction that makes it so. Any number of processes work on it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import psycopg

from chappe.core.connections import Connections
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge import leftovers, loads, settling, vectors
from chappe.knowledge.claims import Claim, Claims
from chappe.knowledge.file_reading import FileReading, limits_of
from chappe.knowledge.intake import CHANNEL
from chappe.knowledge.originals import Originals
from chappe.knowledge.removal import delete_collections, delete_document, expire

log = logging.getLogger(__name__)

_POLL_SECONDS = 2.0
_UPKEEP_SECONDS = 15.0
_AGAIN_SECONDS = 30.0
_AWAY_SECONDS = 3.0
_MOST_ATTEMPTS = 5
# So many documents' passages go to the encoder together.
_VECTOR_BATCH = 64


class DocumentWork:
    """Works until it is stopped.

    Args:
        connections: hears of new work.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        gateway: Gateway,
        connections: Connections,
        originals: Originals,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._originals = originals
        self._claims = Claims(database.url)
        self._connections = connections
        folder = self._folder = settings.data_dir / "reading"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        limits = limits_of(settings.document_max_bytes)
        self._readings = [
            FileReading(database, originals, limits, folder) for _ in range(settings.readers)
        ]
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._connections.listen(CHANNEL, self._news.set)
        steps: list[Callable[[], Awaitable[bool]]] = [
            *(self._reading_step(reading) for reading in self._readings),
            self._vectors,
            self._delete,
        ]
        self._tasks = [asyncio.create_task(self._for_ever(step)) for step in steps]
        self._tasks.append(asyncio.create_task(self._upkeep_for_ever()))

    async def stop(self) -> None:
        """Stop; what was being done is taken up by whoever comes next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for reading in self._readings:
            await reading.close()
        # A database that is away keeps what it knows: the next worker takes it from there.
        with contextlib.suppress(psycopg.Error, ChappeError):
            await settling.give_back(self._database, self._claims.held)
            await self._claims.close()

    async def _for_ever(self, step: Callable[[], Awaitable[bool]]) -> None:
        worked = False
        while True:
            try:
                if await step():
                    worked = True
                    continue
                if worked:
                    worked = False
                    async with self._database.session() as session:
                        await loads.finish_settled(session)
            except (ChappeError, psycopg.Error) as error:
                reason = error.code if isinstance(error, ChappeError) else type(error).__name__
                log.warning("document_work_postponed", extra={"reason": reason})
                await asyncio.sleep(_AWAY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._news.wait()
            self._news.clear()

    def _reading_step(self, reading: FileReading) -> Callable[[], Awaitable[bool]]:
        async def step() -> bool:
            claims = await self._claims.take(("received", "reading"))
            for claim in claims:
                async with self._claims.working(claim):
                    await self._read(reading, claim)
            return bool(claims)

        return step

    async def _read(self, reading: FileReading, claim: Claim) -> None:
        pending = await settling.begin_reading(self._database, claim.id)
        if pending is None:
            return
        if claim.attempts >= _MOST_ATTEMPTS:
            # Whoever read it never came to an end, not even to a failure.
            await settling.settle_failure(self._database, pending, "crashed", {})
            return
        await self._gateway.wait_no_chat(vectors.YIELD_SECONDS)
        by_meaning = self._gateway.encoder is not None
        try:
            await reading.read(pending, claim.awaits, by_meaning=by_meaning)
        except ChappeError as error:
            if error.code == "original_missing":
                await settling.settle_failure(self._database, pending, "original_missing", {})
                return
            await self._postpone([claim], error)
        self._news.set()

    async def _vectors(self) -> bool:
        claims = await self._claims.take(("indexing",), _VECTOR_BATCH)
        async with self._claims.working(*claims):
            by_collection: dict[int, list[Claim]] = {}
            for claim in claims:
                by_collection.setdefault(claim.collection_id, []).append(claim)
            for collection_id, several in by_collection.items():
                await self._give_vectors(collection_id, several)
        return bool(claims)

    async def _give_vectors(self, collection_id: int, claims: list[Claim]) -> None:
        documents = [claim.id for claim in claims]
        versions = await settling.served_versions(self._database, documents)
        try:
            await vectors.fill(
                self._database, self._gateway, collection_id, _quiet, list(versions.values())
            )
        except ChappeError as error:
            await self._postpone(claims, error)
            return
        await settling.settle_meaning(self._database, documents)

    async def _postpone(self, claims: list[Claim], error: ChappeError) -> None:
        log.warning("document_postponed", extra={"reason": error.code, "documents": len(claims)})
        for claim in claims:
            await settling.postpone(
                self._database, claim.id, error.code, error.values, _AGAIN_SECONDS
            )

    async def _delete(self) -> bool:
        claims = await self._claims.take(("to_be_deleted",))
        for claim in claims:
            async with self._claims.working(claim):
                try:
                    await delete_document(self._database, self._originals, claim.id)
                except ChappeError as error:
                    await self._postpone([claim], error)
        return bool(claims)

    async def _upkeep_for_ever(self) -> None:
        while True:
            try:
                async with self._database.session() as session:
                    await loads.finish_settled(session)
                while await expire(self._database):
                    pass
                await delete_collections(self._database, self._originals)
                await asyncio.to_thread(leftovers.clear, self._folder)
            except (ChappeError, OSError) as error:
                reason = error.code if isinstance(error, ChappeError) else type(error).__name__
                log.warning("upkeep_postponed", extra={"reason": reason})
            await asyncio.sleep(_UPKEEP_SECONDS)


async def _quiet(done: int) -> None:
    pass
