"""Background work of knowledge: loading sources."""

import logging

import procrastinate
from procrastinate import JobContext, RetryStrategy

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.jobs import list_jobs, report
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge.catalogue import SOURCES, find_source, load_source
from chappe.knowledge.schemas import LoadView
from chappe.knowledge.sources.archive import SourceFormatError

SYNC = "knowledge:sync"
QUEUE = "loads"

log = logging.getLogger(__name__)


def tasks(settings: Settings, database: Database, gateway: Gateway) -> procrastinate.Blueprint:
    """The tasks of this room, for a queue."""
    blueprint = procrastinate.Blueprint()

    # A failure of the network, the disk or an engine may pass; a broken archive doesn't, but two
    # more readings cost little and the job's error says what to do meanwhile.
    @blueprint.task(
        name="sync",
        queue=QUEUE,
        pass_context=True,
        retry=RetryStrategy(max_attempts=2, linear_wait=10),
    )
    async def sync(
        context: JobContext, source: str, first_only: bool = False, refresh: bool = False
    ) -> None:
        assert context.job is not None and context.job.id is not None
        job_id = context.job.id

        async def progress(step: str, done: int, total: int | None) -> None:
            await report(database, job_id, step=step, done=done, total=total)

        try:
            result = await load_source(
                settings,
                database,
                gateway,
                find_source(source),
                first_only=first_only,
                refresh=refresh and context.job.attempts == 0,
                progress=progress,
            )
        except (ChappeError, SourceFormatError, OSError) as error:
            detail = error.detail("fr") if isinstance(error, ChappeError) else str(error)
            title = error.title("fr") if isinstance(error, ChappeError) else type(error).__name__
            await report(database, job_id, error=f"{title}. {detail}"[:1000])
            raise
        log.info(
            "source_loaded",
            extra={
                "source": source,
                "added": result.added,
                "changed": result.changed,
                "unchanged": result.unchanged,
                "removed": result.removed,
                "embedded": result.embedded,
                "seconds": {part: round(s, 2) for part, s in result.seconds.items()},
            },
        )

    return blueprint


async def request_sync(
    app: procrastinate.App, source: str, *, first_only: bool = False, refresh: bool = False
) -> int:
    """Queue the loading of a source; gives the job's id.

    Raises:
        ChappeError: `unknown_source`.
    """
    find_source(source)
    return await app.configure_task(SYNC, queue=QUEUE).defer_async(
        source=source, first_only=first_only, refresh=refresh
    )


_UNFINISHED = ("queued", "running")


async def loads(database: Database) -> list[LoadView]:
    """The newest load of each source that was ever asked for."""
    async with database.session() as session:
        jobs = await list_jobs(session, SYNC, limit=200)
    views: list[LoadView] = []
    for slug, source in SOURCES.items():
        own = [job for job in jobs if job.arguments.get("source") == slug]
        if not own:
            continue
        # Of a load in two parts (the first theme, then the rest), the part that is being done.
        part = next((j for j in reversed(own) if j.state in _UNFINISHED), own[0])
        state = part.state
        if state == "running" and part.step == "downloading":
            state = "downloading"
        views.append(
            LoadView(
                source=slug,
                title=source.title,
                state=state,
                step=part.step,
                done=part.done,
                total=part.total,
                message=None,
                error=part.error,
                priority_done=any(job.state == "succeeded" for job in own),
                complete=any(
                    job.state == "succeeded" and not job.arguments.get("first_only") for job in own
                ),
            )
        )
    return views
