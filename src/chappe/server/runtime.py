"""The parts of a running Chappe, started and stopped in order."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import procrastinate

from chappe.assistant.service import Assistant
from chappe.core.database import Database, migrate
from chappe.core.database_server import DatabaseServer
from chappe.core.jobs import queue, recover
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.gateway.catalogue import KINDS
from chappe.knowledge.index.follower import Index
from chappe.knowledge.jobs import QUEUE, tasks
from chappe.knowledge.originals import Originals
from chappe.knowledge.page_images import PageImages
from chappe.knowledge.schedule import SourceWork
from chappe.knowledge.search import Search
from chappe.knowledge.work import DocumentWork

log = logging.getLogger(__name__)

_STALLED_SECONDS = 30.0
_RECOVER_EVERY_SECONDS = 15.0
_RESTART_SECONDS = 5.0
_STOP_SECONDS = 6.0


class Runtime:
    """Database, gateway, queue and services of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.server = DatabaseServer(settings)
        self._worker: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._documents: DocumentWork | None = None
        self._sources: SourceWork | None = None
        self._owns_server = False
        self._stopping = False

    def open_database(self, *, migrated: bool = True) -> None:
        """Start or reach the database; call it before the event loop has threads.

        Raises:
            ChappeError: the database can't be used.
        """
        embedded = self.server.embedded
        self._owns_server = embedded is not None and not embedded.running()
        self.server.start()
        if migrated:
            migrate(self.server.url)

    async def start(self, kinds: Sequence[str] = KINDS) -> None:
        """Start the gateway with its engines of these kinds, if any, and build the services."""
        self.database = Database(self.server.url, self.settings.database_connections)
        self.gateway = Gateway(self.settings, self.server.url)
        if kinds:
            await self.gateway.start(kinds)
        self.queue: procrastinate.App = queue(self.server.url)
        self.queue.add_tasks_from(
            tasks(self.settings, self.database, self.gateway), namespace="knowledge"
        )
        await self.queue.open_async()
        self.originals = Originals(self.settings)
        self.page_images = PageImages(self.settings, self.database, self.originals)
        self.index = Index(self.database, self.settings.data_dir / "index")
        self.search = Search(
            self.database, self.gateway, self.settings.stale_after_days, self.index
        )
        self.assistant = Assistant(
            self.database, self.search, self.gateway, self.settings.citation_model
        )

    async def start_worker(self) -> None:
        """Do background work in this process, and take over what dead workers left."""
        # When we started the embedded server, no other worker can be alive on it.
        await recover(self.queue, stalled_seconds=0 if self._owns_server else _STALLED_SECONDS)
        self._worker = asyncio.create_task(self._work_for_ever())
        self._watch = asyncio.create_task(self._recover_for_ever())
        self.start_documents()
        self._sources = SourceWork(
            self.settings, self.database, self.gateway, self.gateway.connections, self.originals
        )
        self._sources.start()

    def start_documents(self) -> None:
        """Read the documents that wait for it, in this process."""
        self._documents = DocumentWork(
            self.settings, self.database, self.gateway, self.gateway.connections, self.originals
        )
        self._documents.start()

    async def _work_for_ever(self) -> None:
        while True:
            try:
                await self.queue.run_worker_async(
                    queues=[QUEUE],
                    concurrency=1,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=1.0,
                    fetch_job_polling_interval=2.0,
                )
                return
            except Exception as error:
                # A worker that is cancelled while the database is away ends with its error.
                if self._stopping:
                    return
                # The database went away: its jobs are taken up again when it is back.
                log.error("worker_ended", extra={"reason": type(error).__name__})
                await asyncio.sleep(_RESTART_SECONDS)

    async def wait_worker(self) -> None:
        """Until the worker ends."""
        assert self._worker is not None
        await asyncio.shield(self._worker)

    async def _recover_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_RECOVER_EVERY_SECONDS)
            try:
                await recover(self.queue, stalled_seconds=_STALLED_SECONDS)
            except Exception as error:
                # The database is away: the requests say so; we try again when it may be back.
                log.warning("recovery_postponed", extra={"reason": type(error).__name__})

    async def stop(self) -> None:
        """Stop what was started, last first."""
        self._stopping = True
        # Each of these may wait for a database that is away: together, and not for long.
        tasks = {task for task in (self._watch, self._worker) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            ended = asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.wait({ended}, timeout=_STOP_SECONDS)
        for work in (self._sources, self._documents):
            if work is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(work.stop(), _STOP_SECONDS)
        if hasattr(self, "index"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.index.stop(), _STOP_SECONDS)
        if hasattr(self, "page_images"):
            await self.page_images.close()
        if hasattr(self, "queue"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.queue.close_async(), _STOP_SECONDS)
        if hasattr(self, "gateway"):
            try:
                await self.gateway.stop()
            except Exception as error:
                log.warning("gateway_stop", extra={"reason": type(error).__name__})
        if hasattr(self, "database"):
            await self.database.close()

    def close_database(self) -> None:
        """Stop the embedded server if this process started it."""
        self.server.stop()
