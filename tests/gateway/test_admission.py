"""Who waits, who is refused, and what they are told."""

import asyncio
from typing import Any

import openai
import pytest

from chappe.core.connections import Connections
from chappe.core.database import Database
from chappe.gateway.catalogue import administration as admin
from chappe.identity import SYSTEM
from chappe.identity.keys import create_key
from gateway_tower import WORDS, Server, Tower

MESSAGES: Any = [{"role": "user", "content": "x"}]


def ask(gate: Tower, **headers: str) -> Any:
    client = gate.client(default_headers=headers)
    return client.chat.completions.create(model="m", messages=MESSAGES)


async def test_a_full_queue_tells_the_place_and_when_to_come_back(gate: Tower) -> None:
    server = Server(pace=0.05)
    await gate.add_model(server, endpoint={"capacity": 1}, queue_limit=2)
    waiting = [asyncio.ensure_future(ask(gate)) for _ in range(3)]
    await gate.until(lambda: gate.gateway.queues()[0]["waiting"] == 2)
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(gate)
    assert caught.value.code == "queue_full"
    assert "number 3" in str(caught.value)
    assert int(caught.value.response.headers["retry-after"]) >= 1
    await asyncio.gather(*waiting)
    assert gate.nothing_held()
    assert gate.gateway.metrics.refusals() == [(("m", "queue_full"), 1)]


async def test_people_go_before_batches(gate: Tower) -> None:
    server = Server()
    server.free.clear()
    await gate.add_model(server, endpoint={"capacity": 1})
    first = asyncio.ensure_future(ask(gate))
    await gate.until(lambda: server.working == 1)
    done: list[str] = []

    async def one(priority: str) -> None:
        await ask(gate, **{"x-chappe-priority": priority})
        done.append(priority)

    tasks = [asyncio.ensure_future(one("batch")) for _ in range(2)]
    await gate.until(lambda: gate.gateway.queues()[0]["waiting"] == 2)
    tasks.append(asyncio.ensure_future(one("interactive")))
    await gate.until(lambda: gate.gateway.queues()[0]["waiting"] == 3)
    server.free.set()
    await asyncio.gather(first, *tasks)
    assert done == ["interactive", "batch", "batch"]


async def test_nobody_waits_longer_than_asked(gate: Tower) -> None:
    server = Server(pace=0.1)
    await gate.add_model(server, endpoint={"capacity": 1})
    first = asyncio.ensure_future(ask(gate))
    await gate.until(lambda: server.working == 1)
    with pytest.raises(openai.InternalServerError) as caught:
        await ask(gate, **{"x-chappe-max-wait": "0.3"})
    assert caught.value.status_code == 503 and caught.value.code == "queue_timeout"
    await first
    rows = await gate.accounts(2)
    assert sorted(row[0] for row in rows) == ["completed", "timed_out"]


async def test_draining_cuts_no_stream(gate: Tower) -> None:
    first, second = Server(pace=0.1), Server()
    await gate.add_model(first, second, endpoint={"capacity": 10})
    connections = Connections(gate.database_url, 1)
    await connections.open()

    async def drain(name: str, drained: bool) -> None:
        async with connections.transaction() as connection:
            await admin.set_drained(connection, SYSTEM, name, drained)
        await gate.until(
            lambda: {e.name: e.drained for e in gate.gateway.catalogue.endpoints()}[name] == drained
        )

    await drain("m-1", True)
    stream = await gate.client().chat.completions.create(model="m", messages=MESSAGES, stream=True)
    events = stream.__aiter__()
    await anext(events)
    await drain("m-1", False)
    await drain("m-0", True)
    for _ in range(3):
        await ask(gate)
    assert len(second.requests) == 3
    words = [chunk async for chunk in events if chunk.choices[0].delta.content]
    assert len(words) >= WORDS - 1
    await connections.close()


async def test_what_is_left_of_a_limit_is_told_and_so_is_its_end(gate: Tower) -> None:
    await gate.add_model(Server())
    for measure, amount in (("requests", 3), ("tokens", 100_000)):
        await gate.execute(
            "insert into quota_limit (subject_kind, measure, period, amount)"
            " values ('installation', %s, 'day', %s) returning id",
            measure,
            amount,
        )
    await gate.until(lambda: len(gate.gateway.quotas._limits) == 2)
    raw = await gate.client().chat.completions.with_raw_response.create(
        model="m", messages=MESSAGES
    )
    assert raw.headers["x-ratelimit-limit-requests"] == "3"
    assert raw.headers["x-ratelimit-remaining-requests"] == "2"
    assert int(raw.headers["x-ratelimit-remaining-tokens"]) < 100_000
    assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
    # The answer's length is bounded, since tokens are limited and the client set no bound.
    for _ in range(2):
        await ask(gate)
    with pytest.raises(openai.RateLimitError) as caught:
        await ask(gate)
    assert caught.value.code == "rate_limit_exceeded"
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 86_400
    assert len(await gate.accounts(3)) == 3


async def test_a_limit_on_tokens_bounds_answers_without_a_bound_of_their_own(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server, max_output_tokens=500)
    await gate.execute(
        "insert into quota_limit (subject_kind, measure, period, amount)"
        " values ('installation', 'tokens', 'day', 100000) returning id"
    )
    await gate.until(lambda: len(gate.gateway.quotas._limits) == 1)
    await ask(gate)
    assert server.requests[0]["max_tokens"] == 500


async def test_a_model_is_for_those_to_whom_it_is_granted(gate: Tower) -> None:
    await gate.execute("insert into organisation (slug, name) values ('other', 'x') returning id")
    database = Database(gate.database_url, 1)
    async with database.session() as session:
        other = await create_key(session, "other", organisation="other")
        sensitive = await create_key(session, "sensitive", level=2)
    await database.close()
    await gate.add_model(Server(), public=False)
    await gate.execute(
        "insert into model_grant select m.id, 'organisation', o.id from model m, organisation o"
        " where o.slug = 'other' returning 1"
    )
    await gate.until(lambda: bool(gate.gateway.catalogue.get("m").grants))
    assert [model.id async for model in gate.client(other).models.list()] == ["m"]
    await gate.client(other).chat.completions.create(model="m", messages=MESSAGES)
    assert [model.id async for model in gate.client().models.list()] == []
    for call in (gate.client().models.retrieve("m"), ask(gate)):
        with pytest.raises(openai.NotFoundError) as caught:
            await call
        assert caught.value.code == "model_not_found"
    await gate.add_model(Server(), name="n")
    with pytest.raises(openai.PermissionDeniedError):
        await gate.client(sensitive).chat.completions.create(model="n", messages=MESSAGES)


async def test_a_revoked_key_stops_at_once(gate: Tower) -> None:
    await gate.add_model(Server())
    await ask(gate)
    await gate.execute("update api_key set revoked_at = now() where true returning id")
    for _ in range(20):
        try:
            await ask(gate)
        except openai.AuthenticationError:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("still accepted after a second")
