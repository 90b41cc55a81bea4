"""kill -9 of replicas, at any point of a batch's life: every item stands once in the results."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import psycopg
import pytest

from batch_jobs import finished, lines, results, submit
from gateway_tower import Server, tower

COUNT = 200


class Replica:
    """A gateway process, and a client of it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self.process = process
        self.client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=3)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def replicas(database_url: str, folder: Path, count: int) -> AsyncIterator[list[Replica]]:
    started: list[Replica] = []
    try:
        for _ in range(count):
            started.append(await start(database_url, folder))
        yield started
    finally:
        for replica in started:
            await replica.kill()


async def start(database_url: str, folder: Path) -> Replica:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "batch_replica",
        database_url,
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    url, key = (await process.stdout.readline()).decode().split()
    return Replica(process, url, key)


@asynccontextmanager
async def served(database_url: str, folder: Path, server: Server) -> AsyncIterator[None]:
    """A model in the catalogue, whose server outlives every gateway."""
    async with tower(database_url, folder) as gate:
        await gate.add_model(server, endpoint={"capacity": 20})
        servers, gate.servers = gate.servers, []
    yield
    for item in servers:
        item.close()


async def asked(server: Server, count: float) -> None:
    for _ in range(6000):
        if len(server.requests) >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(server.requests)} requests came, not {count}")


async def check(client: openai.AsyncOpenAI, name: str, server: Server) -> None:
    batch = await finished(client, name, 90)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (COUNT, COUNT, 0)
    rows = await results(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [f"r{number}" for number in range(COUNT)]
    asked = [request["messages"][0]["content"] for request in server.requests]
    assert set(asked) == {str(number) for number in range(COUNT)}
    # What was under way in a killed process is asked again, and nothing else.
    assert len(asked) <= COUNT + 3 * 32


async def test_replicas_killed_in_the_middle(database_url: str, tmp_path: Path) -> None:
    server = Server(pace=0.02)
    async with (
        served(database_url, tmp_path, server),
        replicas(database_url, tmp_path, 2) as running,
    ):
        first, second = running
        name = (await submit(first.client, lines(COUNT))).id
        for share in (0.2, 0.5):
            await asked(server, COUNT * share)
            await running[0].kill()
            replacement = await start(database_url, tmp_path)
            running[0] = replacement
        await asked(server, COUNT * 0.7)
        await second.kill()
        await check(running[0].client, name, server)


# A dozen seconds of real processes each; replicas are killed in the middle of their work above.
@pytest.mark.slow
@pytest.mark.parametrize("status", ["validating", "finalizing"])
async def test_a_replica_killed_while_it_validates_or_finishes(
    database_url: str, tmp_path: Path, status: str
) -> None:
    server = Server(pace=0.005)
    async with (
        served(database_url, tmp_path, server),
        replicas(database_url, tmp_path, 1) as running,
    ):
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            if status == "validating":
                # It can't get further than this while the table is held.
                await connection.execute("lock table batch_item in share mode")
            name = (await submit(running[0].client, lines(COUNT))).id
            if status == "finalizing":
                while True:
                    batch = await running[0].client.batches.retrieve(name)
                    if batch.request_counts.total:
                        break
                    await asyncio.sleep(0.02)
                # Result files can't be announced while this is held.
                await connection.execute("lock table stored_file in share mode")
            for _ in range(600):
                found = await connection.execute(
                    "select 1 from pg_stat_activity, batch where wait_event_type = 'Lock'"
                    " and wait_event = 'relation' and datname = current_database()"
                    " and status = %s",
                    (status,),
                )
                if await found.fetchone() is not None:
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError("it never came to the lock")
            await running[0].kill()
        running.append(await start(database_url, tmp_path))
        await check(running[1].client, name, server)
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            ready = await connection.execute("select count(*) from stored_file where ready")
            assert await ready.fetchone() == (2,)
