"""Background work: procrastinate's queue in our database, and a progress that people can read.

The state of a job is procrastinate's own; `job_progress` adds only what the queue doesn't know.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import procrastinate
from procrastinate import PsycopgConnector
from sqlalchemy import BigInteger, DateTime, Text, func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from chappe.core.database import Base, Database


class JobProgress(Base):
    """How far a job is, in its own unit, and why it failed."""

    __tablename__ = "job_progress"

    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    step: Mapped[str] = mapped_column(Text, server_default="")
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


@dataclass(frozen=True)
class JobView:
    """A job as people see it. `state`: queued, running, succeeded, failed or cancelled."""

    id: int
    task: str
    arguments: dict[str, Any]
    state: str
    attempts: int
    step: str
    done: int
    total: int | None
    error: str | None


_STATES = {"todo": "queued", "doing": "running", "aborted": "cancelled"}

_VIEW = """
    select j.id, j.task_name, j.args, j.status::text, j.attempts,
           coalesce(p.step, '') as step, coalesce(p.done, 0) as done, p.total, p.error
    from procrastinate_jobs j left join job_progress p on p.job_id = j.id
"""


def queue(database_url: str) -> procrastinate.App:
    """The queue on a database; tasks are added to it with `add_tasks_from`."""
    # The worker's connections are its own, so that a long load never starves the requests.
    connector = PsycopgConnector(conninfo=database_url, min_size=1, max_size=4)
    return procrastinate.App(connector=connector)


async def report(
    database: Database,
    job_id: int,
    *,
    step: str | None = None,
    done: int | None = None,
    total: int | None = None,
    error: str | None = None,
) -> None:
    """Say how far a job is. What isn't given stays as it was; an error is cleared by a new step."""
    async with database.session() as session:
        await session.execute(
            text("""
                insert into job_progress (job_id, step, done, total, error)
                values (:job_id, coalesce(cast(:step as text), ''),
                        coalesce(cast(:done as int), 0), cast(:total as int), :error)
                on conflict (job_id) do update set
                    step = coalesce(cast(:step as text), job_progress.step),
                    done = coalesce(cast(:done as int), job_progress.done),
                    total = coalesce(cast(:total as int), job_progress.total),
                    error = :error, updated_at = now()
            """),
            {"job_id": job_id, "step": step, "done": done, "total": total, "error": error},
        )


async def list_jobs(session: AsyncSession, task: str, limit: int = 50) -> list[JobView]:
    """The newest jobs of one task, newest first."""
    rows = await session.execute(
        text(_VIEW + " where j.task_name = :task order by j.id desc limit :limit"),
        {"task": task, "limit": limit},
    )
    return [
        JobView(row[0], row[1], row[2], _STATES.get(str(row[3]), str(row[3])), *row[4:])
        for row in rows
    ]


async def recover(app: procrastinate.App, *, stalled_seconds: float) -> int:
    """Put back in the queue the jobs whose worker died; gives their number."""
    stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_seconds)
    count = 0
    for job in stalled:
        await app.job_manager.retry_job(job)
        count += 1
    return count
