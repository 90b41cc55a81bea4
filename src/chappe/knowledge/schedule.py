"""Running sources when they are due, in the process that does background work.

What is due is written in the database; a run holds a lock there. So any number of processes may
look, one runs, and a run that was killed is still due.
"""

import asyncio
import contextlib
import logging

from sqlalchemy import text

from chappe.core.connections import Connections
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge.originals import Originals
from chappe.knowledge.source_admin import CHANNEL
from chappe.knowledge.source_sync import Synchroniser

log = logging.getLogger(__name__)

_POLL_SECONDS = 10.0
_AWAY_SECONDS = 5.0
# Sources at once in one process: they mostly wait for others.
_AT_ONCE = 3


class SourceWork:
    """Runs due sources until it is stopped.

    Args:
        connections: hears that a run was asked for.
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
        self._connections = connections
        self._synchroniser = Synchroniser(settings, database, gateway, originals)
        self._news = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._connections.listen(CHANNEL, self._news.set)
        self._task = asyncio.create_task(self._for_ever())

    async def stop(self) -> None:
        """Stop; what was running is still due, and goes on where it was."""
        tasks = [task for task in (self._task, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _for_ever(self) -> None:
        while True:
            try:
                self._news.clear()
                await self._begin_due()
            except Exception as error:
                # The database is away: requests say so; what is due stays due.
                log.warning("sources_postponed", extra={"reason": type(error).__name__})
                await asyncio.sleep(_AWAY_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _POLL_SECONDS)

    async def _begin_due(self) -> None:
        free = _AT_ONCE - len(self._running)
        if free <= 0:
            return
        async with self._database.session() as session:
            rows = await session.execute(
                text("""
                    select s.id, s.asked_by, s.forced
                    from source s join collection c on c.id = s.collection_id
                    where s.next_run_at <= now() and (s.enabled or s.asked_by is not null)
                        and c.removed_at is null and s.id <> all(:running)
                    order by s.next_run_at limit :free
                """),
                {"running": list(self._running), "free": free},
            )
            due = rows.all()
        for row in due:
            task = asyncio.create_task(self._run(row.id, row.asked_by or "schedule", row.forced))
            self._running[row.id] = task

    async def _run(self, source_id: int, requested_by: str, force: bool) -> None:
        try:
            load_id, run = await self._synchroniser.run(
                source_id, requested_by=requested_by, progress=_silent, force=force
            )
        except ChappeError as error:
            if error.code != "source_busy":  # another process runs it
                log.warning("source_failed", extra={"source": source_id, "code": error.code})
        except Exception:
            log.exception("source_broken", extra={"source": source_id})
            await self._put_off(source_id)
        else:
            log.info(
                "source_synchronised",
                extra={
                    "source": source_id,
                    "load": load_id,
                    "added": run.added,
                    "changed": run.changed,
                    "unchanged": run.unchanged,
                    "removed": run.removed,
                    "refused": run.refused,
                    "held": run.held,
                },
            )
        finally:
            self._running.pop(source_id, None)
            self._news.set()

    async def _put_off(self, source_id: int) -> None:
        """A fault of ours must not come again every moment."""
        with contextlib.suppress(ChappeError):
            async with self._database.session() as session:
                await session.execute(
                    text("""
                        update source set next_run_at = now() + interval '5 minutes' where id = :id
                    """),
                    {"id": source_id},
                )


async def _silent(_: str, __: int, ___: int | None) -> None:
    """What a run has done so far is told by its load."""
