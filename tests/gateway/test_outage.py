"""The database goes away and comes back; replicas share limits, and one of them is killed."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import psycopg
import pytest

import support
from chappe.core.database import Database, migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.identity.keys import create_key
from gateway_tower import Server, Tower, tower

MESSAGES: Any = [{"role": "user", "content": "x"}]


async def test_inference_goes_on_without_the_database_and_nothing_is_lost(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    migrate(postgres.url)
    try:
        async with tower(postgres.url, tmp_path / "data") as gate:
            await gate.add_model(Server())
            await gate.execute(
                "insert into quota_limit (subject_kind, measure, period, amount)"
                " values ('installation', 'requests', 'day', 10000)"
            )
            client = gate.client()
            await asyncio.sleep(0.3)
            # What is held of a daily limit follows the use of the last minutes.
            for _ in range(10):
                for _ in range(5):
                    await client.chat.completions.create(model="m", messages=MESSAGES)
                await asyncio.sleep(0.3)
            await gate.until(lambda: _held(gate) >= 100, 20)
            postgres.stop()
            for _ in range(100):
                await client.chat.completions.create(model="m", messages=MESSAGES)
            with pytest.raises(openai.InternalServerError) as caught:
                await gate.client("chp_unknown").models.list()
            assert caught.value.status_code == 503
            await gate.until(lambda: gate.gateway.quotas.database_away, 10)
            assert gate.gateway.accounts.lag()[0] >= 100
            postgres.start()
            rows = await gate.accounts(150)
            assert len(rows) == 150 and {row[0] for row in rows} == {"completed"}
            summed = await gate.execute("select sum(requests)::int from usage_hour")
            assert summed == [(150,)]
            await gate.until(lambda: not gate.gateway.quotas.database_away, 15)
    finally:
        postgres.stop()


async def test_a_gateway_starts_without_the_database_with_the_catalogue_of_last_time(
    tmp_path: Path,
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    migrate(postgres.url)
    try:
        async with tower(postgres.url, tmp_path / "data") as gate:
            await gate.add_model(Server())
        postgres.stop()
        from chappe.core.settings import Settings
        from chappe.gateway import Gateway

        settings = Settings(data_dir=tmp_path / "data", embedded_chat=False, embedded_encoder=False)
        gateway = Gateway(settings, postgres.url)
        await gateway.start(())
        try:
            assert gateway.catalogue.get("m") is not None
        finally:
            await gateway.stop()
    finally:
        postgres.stop()


def _held(gate: Tower) -> float:
    """What the gateway holds unused of the only limit."""
    return sum(lease.held - lease.used for lease in gate.gateway.quotas._leases.values())


async def _replicas(gate: Tower, folder: Path, count: int) -> list[support.Running]:
    started = []
    for number in range(count):
        data = folder / f"replica{number}"
        data.mkdir(exist_ok=True)
        started.append(
            support.start(
                ["gateway"],
                data,
                CHAPPE_DATABASE_URL=gate.database_url,
                CHAPPE_EMBEDDED_CHAT="false",
                CHAPPE_EMBEDDED_ENCODER="false",
                CHAPPE_LOG_LEVEL="warning",
            )
        )
    for running in started:
        await asyncio.to_thread(running.wait_line, "^ready ", 60)
    return started


async def _ask(running: support.Running, key: str, count: int) -> Counter[int]:
    found: Counter[int] = Counter()
    client = openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0)
    for _ in range(count):
        try:
            await client.chat.completions.create(model="m", messages=MESSAGES)
            found[200] += 1
        except openai.APIStatusError as error:
            found[error.status_code] += 1
        except openai.APIConnectionError:
            found[0] += 1
    return found


async def test_three_replicas_share_a_limit_exactly_and_one_is_killed(
    gate: Tower, tmp_path: Path
) -> None:
    """LiteLLM #40291: limits were effectively multiplied by the replicas."""
    await gate.add_model(Server())
    database = Database(gate.database_url, 1)
    async with database.session() as session:
        key = await create_key(session, "limited")
    await database.close()
    await gate.execute(
        "insert into quota_limit (subject_kind, subject_id, measure, period, amount)"
        " select 'key', id, 'requests', 'day', 100 from api_key where name = 'limited'"
    )
    replicas = await _replicas(gate, tmp_path, 3)
    try:
        await asyncio.sleep(1.2)
        first = await asyncio.gather(*(_ask(running, key, 15) for running in replicas))
        assert sum(found[200] for found in first) == 45
        replicas[0].process.send_signal(signal.SIGKILL)
        replicas[0].process.wait()
        rest = await asyncio.gather(*(_ask(running, key, 60) for running in replicas[1:]))
        served = 45 + sum(found[200] for found in rest)
        assert served <= 100
        # What the killed one held unused stays counted: a tenth of the limit, shared, at most.
        assert served >= 90
        assert all(found[429] > 0 for found in rest)
        again = (await _replicas(gate, tmp_path, 1))[0]
        replicas.append(again)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            rows = await gate.execute(
                "select outcome, count(*)::int from request_account group by 1"
            )
            if sum(row[1] for row in rows) >= served:
                break
            await asyncio.sleep(0.2)
        outcomes = dict(rows)
        assert sum(outcomes.values()) == served
        # The killed one's last answer can be out a moment before its account says so.
        assert outcomes.pop("interrupted", 0) <= 1
        assert set(outcomes) == {"completed"}
    finally:
        for running in replicas:
            running.stop()


async def test_replicas_see_each_others_load(gate: Tower, tmp_path: Path) -> None:
    server = Server(pace=0.3)
    await gate.add_model(server, endpoint={"capacity": 50})
    (other,) = await _replicas(gate, tmp_path, 1)
    try:
        asking = asyncio.gather(*(_ask(other, gate.key, 1) for _ in range(6)))
        endpoint = gate.gateway.catalogue.endpoints()[0].id
        pool = gate.gateway.dispatcher._queues["m"].pool
        await gate.until(lambda: pool[endpoint].others >= 5, 4)
        await asking
    finally:
        other.stop()


def test_the_embedded_database_can_be_stopped_and_started(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    postgres.stop()
    postgres.start()
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    postgres.stop()
