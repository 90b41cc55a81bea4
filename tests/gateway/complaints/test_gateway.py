"""What users of other gateways suffer from, each complaint a test of ours (docs/explanation)."""

import asyncio
import gc
import io
import json
import logging
import random
import re
from pathlib import Path
from typing import Any

import httptools
import openai
import pytest

from chappe.core import telemetry
from chappe.core.database import Database
from chappe.identity.keys import create_key
from gateway_tower import WORDS, Server, Tower, tower

ROOT = Path(__file__).parents[3]
MESSAGES: Any = [{"role": "user", "content": "x"}]


async def raw(gate: Tower, body: dict[str, Any]) -> tuple[asyncio.StreamReader, Any]:
    """A request by hand, for clients that behave badly."""
    port = int(gate.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer "
        + gate.key.encode()
        + b"\r\ncontent-length: %d\r\n\r\n" % len(data)
        + data
    )
    return reader, writer


async def test_litellm_28376_accounts_are_not_keyed_on_the_providers_id(gate: Tower) -> None:
    await gate.add_model(Server(upstream_id="the same each time"))
    for _ in range(3):
        await gate.client().chat.completions.create(model="m", messages=MESSAGES)
    rows = await gate.accounts(3)
    assert len({row[7] for row in rows}) == 3


async def test_litellm_28160_cancellation_leaks_no_slot(gate: Tower) -> None:
    """Clients that leave at any moment: before the head, while queued, in mid-stream."""
    draw = random.Random(7)
    servers = [Server(pace=0.01), Server(pace=0.01, fault="cut"), Server("late")]
    await gate.add_model(*servers, endpoint={"capacity": 3})
    await gate.execute(
        "insert into quota_limit (subject_kind, measure, amount)"
        " values ('installation', 'concurrency', 50)"
    )
    await gate.until(lambda: gate.gateway.quotas.states() or True)

    async def client() -> None:
        reader, writer = await raw(
            gate, {"model": "m", "messages": MESSAGES, "stream": draw.random() < 0.7}
        )
        await asyncio.sleep(draw.random() * 0.4)
        if draw.random() < 0.5:
            await reader.read(draw.randrange(1, 2000))
        writer.transport.abort()

    for _ in range(4):
        await asyncio.gather(*(client() for _ in range(25)))
    await gate.until(gate.nothing_held, 10)
    held = [
        lease.used
        for lease in gate.gateway.quotas._leases.values()
        if lease.limit.measure == "concurrency"
    ]
    assert all(used == 0 for used in held)
    rows = await gate.accounts(1)
    assert {row[0] for row in rows} <= {
        "cancelled", "completed", "failed", "timed_out", "continued", "refused",
    }  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
async def test_litellm_36123_the_upstream_stops_when_the_client_leaves(
    gate: Tower, stream: bool
) -> None:
    server = Server(pace=0.5)
    await gate.add_model(server)
    _, writer = await raw(gate, {"model": "m", "messages": MESSAGES, "stream": stream})
    await asyncio.wait_for(server.began.wait(), 5)
    writer.transport.abort()
    await asyncio.wait_for(server.left.wait(), 1)
    (row,) = await gate.accounts(1)
    assert row[0] == "cancelled"


async def test_litellm_38358_the_time_out_fires_on_a_silent_upstream(gate: Tower) -> None:
    await gate.add_model(Server("late"), engine="openai")
    with pytest.raises(openai.InternalServerError) as caught:
        await gate.client().chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.status_code == 504
    (row,) = await gate.accounts(1)
    assert row[0] == "timed_out"


async def test_litellm_40404_a_stream_that_breaks_goes_on_elsewhere(gate: Tower) -> None:
    await gate.add_model(Server("cut"), Server("cut"), Server())
    gate.gateway.choices.budget("m")
    answers = 0
    for _ in range(6):
        stream = await gate.client().chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        text = ""
        try:
            async for chunk in stream:
                text += "".join(c.delta.content or "" for c in chunk.choices)
        except openai.APIError:
            continue
        assert text == "".join(f"mot{i} " for i in range(WORDS))
        answers += 1
    assert answers >= 4


async def test_litellm_37052_the_owner_of_a_key_cannot_raise_its_budget(
    database_url: str, tmp_path: Path
) -> None:
    import httpx2
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse

    from chappe.core.errors import ChappeError
    from chappe.gateway import routes as live
    from chappe.gateway.catalogue import routes

    async with tower(database_url, tmp_path) as gate:
        database = Database(database_url, 2)
        async with database.session() as session:
            manager = await create_key(session, "manager", ("models", "manage"))
        api = FastAPI()
        api.include_router(routes.router)
        api.include_router(live.router)
        api.state.gateway = gate.gateway
        api.state.database = database

        class Open:
            anonymous_page = False

        api.state.settings = Open()

        async def problem(_: Any, error: Exception) -> JSONResponse:
            assert isinstance(error, ChappeError)
            return JSONResponse({"code": error.code}, error.status)

        api.add_exception_handler(ChappeError, problem)
        transport = httpx2.ASGITransport(api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
            for key in (manager, gate.key):
                answer = await client.put(
                    "/api/admin/limits",
                    headers={"authorization": f"Bearer {key}"},
                    json={
                        "subject": "organisation:default", "measure": "tokens", "period": "day",
                        "amount": 1e12,
                    },
                )  # fmt: skip
                assert answer.status_code == 403
                put = await client.put(
                    "/api/admin/organisations/default",
                    headers={"authorization": f"Bearer {key}"},
                    json={"slug": "default", "weight": 1000},
                )
                assert put.status_code == 403
        assert await gate.execute("select count(*) from quota_limit") == [(0,)]
        refused = await gate.execute(
            "select action from audit_entry where outcome = 'refused' order by sequence"
        )
        assert ("limit.set",) in refused and ("organisation.put",) in refused
        await database.close()


async def test_litellm_30670_no_key_and_no_secret_in_logs(gate: Tower) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(telemetry.JsonFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        await gate.add_model(Server(), Server("refuse"), Server("cut"))
        secret = "sk-of-the-endpoint-42"
        for endpoint in gate.gateway.catalogue.endpoints():
            endpoint.api_key = secret
        gate.gateway._heads.clear()
        for number in range(6):
            try:
                await gate.client().chat.completions.create(
                    model="m", messages=[{"role": "user", "content": f"confidential {number}"}]
                )
            except openai.APIError:
                continue
        with pytest.raises(openai.AuthenticationError):
            await gate.client("chp_wrong-but-secret").models.list()
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    kept = str(await gate.execute("select a::text from request_account a"))
    for text in (written.getvalue(), kept):
        for secret_text in (gate.key, gate.key[8:], secret, "chp_wrong-but-secret", "confidential"):
            assert secret_text not in text


async def test_litellm_12685_memory_does_not_grow_with_requests(gate: Tower) -> None:
    await gate.add_model(Server())
    client = gate.client()

    async def some(count: int) -> int:
        for _ in range(count):
            await client.chat.completions.create(model="m", messages=MESSAGES)
        await asyncio.sleep(1.2)
        gc.collect()
        ours = [o for o in gc.get_objects() if str(type(o).__module__).startswith("chappe")]
        return len(ours)

    first = await some(150)
    assert await some(450) <= first + 60


def test_litellm_24512_every_dependency_is_pinned_by_hash() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text()
        pinned = re.findall(r"^([a-z0-9._-]+)==[^\s]+", text, re.MULTILINE | re.IGNORECASE)
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", text)
        bare = [b.split("==")[0] for b in blocks if "==" in b and "--hash=sha256:" not in b]
        assert len(pinned) > 30 and not bare
    install = (ROOT / "scripts" / "install.sh").read_text()
    assert "--require-hashes" in install and "--no-deps" in install
    assert "--only-binary :all:" in install


_PATIENT = {"first_byte_timeout": 60.0, "inter_token_timeout": 60.0}
"""One process plays clients, gateway and server here: on a busy machine all of them are late."""


async def test_production_stack_448_more_than_1000_at_once(
    database_url: str, tmp_path: Path
) -> None:
    server = Server(pace=0.05)
    async with tower(database_url, tmp_path, **_PATIENT) as gate:
        await gate.add_model(server, endpoint={"capacity": 2000}, queue_limit=2000)

        async def one() -> int:
            reader, writer = await raw(gate, {"model": "m", "messages": MESSAGES, "stream": True})
            data = await reader.readuntil(b"data: [DONE]\n\n")
            writer.close()
            return data.count(b'"content": "mot')

        counts = await asyncio.gather(*(one() for _ in range(1200)))
        assert set(counts) == {WORDS}
        assert len(await gate.accounts(1200)) == 1200


async def test_production_stack_767_no_silent_cap_on_connections(
    database_url: str, tmp_path: Path
) -> None:
    server = Server(pace=2.0)  # nothing is answered whole before all are there
    async with tower(database_url, tmp_path, **_PATIENT) as gate:
        await gate.add_model(server, endpoint={"capacity": 400})
        readers = [
            await raw(gate, {"model": "m", "messages": MESSAGES, "stream": True})
            for _ in range(300)
        ]
        await gate.until(lambda: server.working == 300, 20)
        server.pace = 0.0
        await asyncio.gather(*(reader.readuntil(b"[DONE]") for reader, _ in readers))
        assert server.most_working == 300


async def test_tensorzero_475_half_failed_streams_are_recorded(gate: Tower) -> None:
    await gate.add_model(Server("cut"), engine="openai")
    with pytest.raises(openai.APIError):
        stream = await gate.client().chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        )
        async for _ in stream:
            pass
    (row,) = await gate.accounts(1)
    assert row[0] == "failed" and row[2:4] == (4, "counted")


@pytest.mark.parametrize("fault", ["", "garbled", "dribble", "told", "undone"])
async def test_opengatellm_690_every_event_that_we_send_is_well_formed(
    gate: Tower, fault: str
) -> None:
    await gate.add_model(Server(fault), engine="openai")
    reader, writer = await raw(gate, {"model": "m", "messages": MESSAGES, "stream": True})

    class Body:
        data = b""
        complete = False

        def on_body(self, piece: bytes) -> None:
            self.data += piece

        def on_message_complete(self) -> None:
            self.complete = True

    body = Body()
    parser = httptools.HttpResponseParser(body)
    while not body.complete:
        parser.feed_data(await asyncio.wait_for(reader.read(65_536), 5))
    events = body.data.split(b"\n\n")
    assert events.pop() == b""
    for event in events:
        assert event.startswith(b"data: ")
        payload = event.removeprefix(b"data: ")
        assert payload == b"[DONE]" or isinstance(json.loads(payload), dict)
    writer.close()


async def test_opengatellm_446_no_transaction_stays_open_during_a_stream(gate: Tower) -> None:
    server = Server(pace=0.2)
    await gate.add_model(server)
    reader, writer = await raw(gate, {"model": "m", "messages": MESSAGES, "stream": True})
    await reader.readuntil(b"mot1")
    rows = await gate.execute(
        "select query from pg_stat_activity where datname = current_database()"
        " and state like 'idle in transaction%%' and xact_start < now() - interval '0.15 s'"
    )
    assert rows == []
    writer.close()
