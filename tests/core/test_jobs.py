"""Jobs: progress, failure, retry, and recovery from a worker that died."""

from chappe.core.database import Database
from chappe.core.jobs import list_jobs, queue, recover, report


async def test_progress_and_failure_can_be_read(database: Database) -> None:
    app = queue(database.url)

    @app.task(name="work", queue="q")
    async def work() -> None:
        raise RuntimeError("no luck")

    async with app.open_async():
        job_id = await app.configure_task("work", queue="q").defer_async()
        async with database.session() as session:
            (view,) = await list_jobs(session, "work")
        assert (view.state, view.done) == ("queued", 0)
        await report(database, job_id, step="reading", done=3, total=10)
        await report(database, job_id, error="the disk is full")
        await app.run_worker_async(wait=False, install_signal_handlers=False)
        async with database.session() as session:
            (view,) = await list_jobs(session, "work")
    assert view.state == "failed"
    assert (view.step, view.done, view.total) == ("reading", 3, 10)
    assert view.error == "the disk is full"


async def test_a_dead_worker_gives_its_job_back(database: Database) -> None:
    from sqlalchemy import text

    app = queue(database.url)
    done: list[int] = []

    @app.task(name="work", queue="q")
    async def work() -> None:
        done.append(1)

    async with app.open_async():
        await app.configure_task("work", queue="q").defer_async()
        worker = await app.job_manager.register_worker()
        assert await app.job_manager.fetch_job(queues=["q"], worker_id=worker) is not None
        async with database.session() as session:
            await session.execute(
                text(
                    "update procrastinate_workers set last_heartbeat = now() - interval '5 minutes'"
                )
            )
        assert await recover(app, stalled_seconds=30) == 1
        await app.run_worker_async(wait=False, install_signal_handlers=False)
    assert done == [1]
