"""Batches through the official client, on a real database, before servers that misbehave."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import psycopg
import pytest

from batch_jobs import finished, lines, results, submit
from chappe.core.database import Database
from chappe.identity.keys import create_key
from gateway_tower import Server, Tower, tower


async def new_key(gate: Tower, organisation: str = "default", **options: Any) -> str:
    database = Database(gate.database_url, 1)
    try:
        async with database.session() as session:
            return await create_key(session, "other", organisation=organisation, **options)
    finally:
        await database.close()


async def test_a_batch_from_its_file_to_its_results(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    client = gate.client()
    batch = await submit(client, lines(30), metadata={"for": "test"})
    assert batch.status == "validating" and batch.metadata == {"for": "test"}
    assert batch.expires_at == batch.created_at + 86_400
    batch = await finished(client, batch.id)
    assert batch.status == "completed" and batch.error_file_id is None
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    assert batch.model == "m" and batch.errors is None
    assert (batch.request_counts.total, batch.request_counts.completed) == (30, 30)
    rows = await results(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [f"r{n}" for n in range(30)]
    assert len({row["id"] for row in rows}) == 30
    assert all(row["error"] is None and row["response"]["status_code"] == 200 for row in rows)
    assert all(row["response"]["body"]["choices"] for row in rows)
    assert batch.usage.input_tokens == 30 * 5 and batch.usage.output_tokens == 30 * 12
    accounts = await gate.accounts(30)
    assert {row[7].hex for row in accounts} == {row["response"]["request_id"] for row in rows}
    assert await gate.execute("select priority, count(*) from request_account group by 1") == [
        ("batch", 30)
    ]
    output = await client.files.retrieve(batch.output_file_id)
    assert output.purpose == "batch_output" and output.filename == f"{batch.id}_output.jsonl"
    assert await gate.execute("select count(*) from batch_item") == [(0,)]


async def test_pages_of_batches(gate: Tower) -> None:
    client = gate.client()
    made = [(await submit(client, b"")).id for _ in range(3)]
    assert [batch.id async for batch in client.batches.list(limit=1)] == made[::-1]
    page = await client.batches.list(limit=2)
    assert len(page.data) == 2 and page.has_more
    with pytest.raises(openai.NotFoundError):
        await client.batches.list(after="batch_" + "0" * 32)
    with pytest.raises(openai.BadRequestError):
        await client.batches.list(limit=101)


async def test_a_body_arrives_byte_for_byte(gate: Tower) -> None:
    """jsonb would have changed the number, kept one of the twins and refused the zero."""
    server = Server()
    await gate.add_model(server)
    body = '{"model": "m", "messages": [{"role": "user", "content": "a\\u0000b"}], "t": 1.10}'
    line = f'{{"custom_id": "é", "method": "POST", "url": "/v1/chat/completions", "body": {body}}}'
    batch = await finished(gate.client(), (await submit(gate.client(), line.encode())).id)
    assert batch.status == "completed"
    assert server.requests == [json.loads(body)]
    (row,) = await results(gate.client(), batch.output_file_id)
    assert row["custom_id"] == "é"


async def test_wrong_lines_are_told_before_anything_runs(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    content = lines(1) + b"{not json\n" + lines(1) + b"\n"
    content += lines(1, custom_id="u", url="/v1/embeddings")
    content += lines(1, custom_id="v", url="/v1/nothing")
    content += lines(1, custom_id="w", body={"messages": []})
    content += lines(1, custom_id="x", body={"model": "other", "messages": []})
    client = gate.client()
    batch = await finished(client, (await submit(client, content)).id)
    assert batch.status == "failed" and batch.failed_at and batch.output_file_id is None
    assert [(e.line, e.code) for e in batch.errors.data] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (5, "mismatched_url"),
        (6, "invalid_url"),
        (7, "invalid_request"),
        (8, "mismatched_model"),
    ]
    assert "r0" in batch.errors.data[1].message
    french = gate.client(default_headers={"accept-language": "fr"})
    told = (await french.batches.retrieve(batch.id)).errors.data[1].message
    assert "figure déjà" in told
    assert not server.requests


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\n \n", "empty_file"),
        (lines(1, body={"model": "nothing", "messages": []}), "model_not_found"),
        (lines(1, body={"model": "m", "messages": [], "stream": True}), "stream_not_allowed"),
        (b"x" * 1_100_000, "line_too_long"),
    ],
)
async def test_files_that_fail(
    database_url: str, tmp_path: Path, content: bytes, code: str
) -> None:
    async with tower(database_url, tmp_path, max_body_bytes=1_000_000) as gate:
        await gate.add_model(Server())
        client = gate.client()
        batch = await finished(client, (await submit(client, content)).id)
        assert batch.status == "failed"
        assert [error.code for error in batch.errors.data] == [code]


async def test_what_cannot_be_made_is_refused(gate: Tower) -> None:
    client = gate.client()
    file = await client.files.create(file=("in.jsonl", lines(1)), purpose="batch")
    good = {
        "input_file_id": file.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    for wrong in (
        {"endpoint": "/v1/images"},
        {"endpoint": "/v1/audio/transcriptions"},
        {"completion_window": "0h"},
        {"completion_window": "15d"},
        {"completion_window": "soon"},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {"k": "\x00"}},
        {"metadata": {str(n): "v" for n in range(17)}},
        {"output_expires_after": {"anchor": "created_at", "seconds": 5}},
    ):
        with pytest.raises(openai.BadRequestError):
            await client.batches.create(**(good | wrong))  # type: ignore[arg-type]
    for name in ("file-" + "0" * 32, "\x00", "x"):
        with pytest.raises(openai.NotFoundError):
            await client.batches.create(**(good | {"input_file_id": name}))  # type: ignore[arg-type]
    batch = await finished(client, (await client.batches.create(**good)).id)  # type: ignore[arg-type]
    assert batch.status == "failed"


async def test_what_is_refused_for_itself_is_in_the_error_file(gate: Tower) -> None:
    await gate.add_model(Server())
    await gate.execute(
        "insert into quota_limit (subject_kind, measure, period, amount)"
        " values ('installation', 'tokens', 'minute', 3000)"
    )
    await asyncio.sleep(0.5)
    large = {"model": "m", "max_tokens": 9000, "messages": [{"role": "user", "content": "x"}]}
    small = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "x"}]}
    content = lines(1, custom_id="good", body=small) + lines(1, custom_id="bad", body=large)
    client = gate.client()
    batch = await finished(client, (await submit(client, content)).id)
    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    (good,) = await results(client, batch.output_file_id)
    (bad,) = await results(client, batch.error_file_id)
    assert good["custom_id"] == "good" and bad["custom_id"] == "bad"
    assert bad["error"] is None and bad["response"]["status_code"] == 429
    assert bad["response"]["body"]["error"]["code"] == "quota_too_small"


async def test_a_busy_model_is_asked_again_later(gate: Tower) -> None:
    server = Server("busy")
    await gate.add_model(server)
    client = gate.client()
    batch = await submit(client, lines(3))
    await gate.until(lambda: len(server.requests) >= 2, 10)
    server.fault = ""
    batch = await finished(client, batch.id)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (3, 0)


async def test_a_request_that_keeps_failing_fails(gate: Tower) -> None:
    server = Server("cut")
    await gate.add_model(server)
    client = gate.client()
    batch = await finished(client, (await submit(client, lines(1))).id)
    assert (batch.status, batch.request_counts.failed) == ("completed", 1)
    (row,) = await results(client, batch.error_file_id)
    assert row["response"]["status_code"] == 502
    assert row["response"]["body"]["error"]["code"] == "engine_cut"


async def test_a_request_whose_process_always_dies_is_given_up(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    async with gate.gateway.connections.transaction() as connection:
        await connection.execute("lock table batch_item in exclusive mode")
        client = gate.client()
        batch = await submit(client, lines(2))
        await connection.execute("alter table batch_item alter column attempts set default 6")
    batch = await finished(client, batch.id)
    assert (batch.request_counts.failed, batch.status) == (2, "completed")
    rows = await results(client, batch.error_file_id)
    assert {row["response"]["body"]["error"]["code"] for row in rows} == {"batch_item_interrupted"}
    assert not server.requests


async def test_cancelling(gate: Tower) -> None:
    server = Server(pace=0.05)
    await gate.add_model(server, endpoint={"capacity": 2})
    client = gate.client()
    batch = await submit(client, lines(60))
    await gate.until(lambda: len(server.requests) >= 2, 10)
    cancelling = await client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling" and cancelling.cancelling_at
    batch = await finished(client, batch.id)
    assert batch.status == "cancelled" and batch.cancelled_at
    done = await results(client, batch.output_file_id)
    undone = await results(client, batch.error_file_id)
    # What ran could end, and counts.
    assert len(done) == batch.request_counts.completed >= 2
    assert sorted(int(row["custom_id"][1:]) for row in done + undone) == list(range(60))
    assert {row["error"]["code"] for row in undone} == {"batch_cancelled"}
    assert all(row["response"] is None for row in undone)
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)


async def test_expiring(gate: Tower) -> None:
    server = Server(pace=0.1)
    await gate.add_model(server, endpoint={"capacity": 2})
    client = gate.client()
    batch = await submit(client, lines(60))
    await gate.accounts(2)
    server.pace = 5.0
    await asyncio.sleep(2)
    await gate.execute("update batch set expires_at = now() where id = %s", batch.id)
    batch = await finished(client, batch.id)
    assert batch.status == "expired" and batch.expired_at
    done = await results(client, batch.output_file_id)
    undone = await results(client, batch.error_file_id)
    assert len(done) == batch.request_counts.completed >= 1
    assert len(done) + len(undone) == 60
    assert {row["error"]["code"] for row in undone} == {"batch_expired"}
    # What ran is stopped: its slots are for others.
    await gate.until(gate.nothing_held)
    await gate.until(server.left.is_set)


async def test_another_organisation_sees_nothing(gate: Tower) -> None:
    await gate.add_model(Server())
    await gate.execute("insert into organisation (slug, name) values ('other', 'x')")
    client = gate.client()
    batch = await submit(client, lines(1))
    stranger = gate.client(await new_key(gate, "other"))
    for call in (
        stranger.batches.retrieve(batch.id),
        stranger.batches.cancel(batch.id),
        stranger.batches.list(after=batch.id),
        stranger.files.retrieve(batch.input_file_id),
        stranger.files.content(batch.input_file_id),
        stranger.files.delete(batch.input_file_id),
        stranger.files.list(after=batch.input_file_id),
        stranger.batches.create(
            input_file_id=batch.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
    ):
        with pytest.raises(openai.NotFoundError):
            await call
    assert [item async for item in stranger.batches.list()] == []
    assert [item async for item in stranger.files.list()] == []
    colleague = gate.client(await new_key(gate))
    assert (await colleague.batches.retrieve(batch.id)).id == batch.id
    assert (await finished(client, batch.id)).status == "completed"


async def test_a_revoked_key_asks_nothing_more(gate: Tower) -> None:
    server = Server(pace=0.05)
    await gate.add_model(server, endpoint={"capacity": 1})
    batch = await submit(gate.client(), lines(200))
    await gate.until(lambda: len(server.requests) >= 2, 10)
    other = gate.client(await new_key(gate))
    await gate.execute("update api_key set revoked_at = now() where name = 'test'")
    batch = await finished(other, batch.id, 90)
    assert batch.status == "completed" and batch.request_counts.failed > 100
    codes = {
        row["response"]["body"]["error"]["code"]
        for row in await results(other, batch.error_file_id)
    }
    assert codes == {"invalid_api_key"}


async def test_a_sensitive_batch_goes_to_no_server_that_is_not_cleared(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server, clearance=0)
    client = gate.client()
    batch = await submit(client, lines(2), extra_headers={"x-chappe-sensitivity": "restricted"})
    batch = await finished(client, batch.id)
    assert batch.request_counts.failed == 2
    rows = await results(client, batch.error_file_id)
    assert {row["response"]["body"]["error"]["code"] for row in rows} == {"not_cleared"}
    assert not server.requests


async def test_the_input_may_go_once_it_was_read(gate: Tower) -> None:
    server = Server(pace=0.02)
    await gate.add_model(server, endpoint={"capacity": 1})
    client = gate.client()
    batch = await submit(client, lines(5))
    await gate.until(lambda: server.requests, 10)
    await client.files.delete(batch.input_file_id)
    batch = await finished(client, batch.id)
    assert batch.request_counts.completed == 5


async def test_a_batch_goes_on_in_another_process_at_once(
    database_url: str, tmp_path: Path
) -> None:
    server = Server(pace=0.02)
    async with tower(database_url, tmp_path) as gate:
        await gate.add_model(server)
        batch = await submit(gate.client(), lines(40))
        await gate.until(lambda: len(server.requests) >= 5, 10)
        gate.servers.clear()  # the model's server outlives this process
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        held = await connection.execute(
            "select count(*) from batch_item where taken_by is not null"
        )
        assert await held.fetchone() == (0,)
    async with tower(database_url, tmp_path) as again:
        client = again.client()
        batch = await finished(client, batch.id)
        assert batch.request_counts.completed == 40
        rows = await results(client, batch.output_file_id)
        assert [row["custom_id"] for row in rows] == [f"r{n}" for n in range(40)]


async def test_an_answer_outlives_the_database_being_away(gate: Tower) -> None:
    """What was asked is written when the connections are back, and not asked again."""
    server = Server(pace=0.1)
    await gate.add_model(server)
    client = gate.client()
    batch = await submit(client, lines(2))
    await gate.until(lambda: len(server.requests) == 2, 10)
    name = gate.database_url.rsplit("/", 1)[1].split("?")[0]
    admin = gate.database_url.replace(f"/{name}?", "/postgres?")
    async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
        await connection.execute(f"alter database {name} allow_connections false")
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        await asyncio.sleep(3)
        await connection.execute(f"alter database {name} allow_connections true")
    batch = await finished(client, batch.id)
    assert batch.request_counts.completed == 2
    assert len(server.requests) == 2


async def test_batches_leave_room_for_people(gate: Tower) -> None:
    """With one slot and a long batch, a person waits for one answer at most, not for the batch."""
    server = Server(pace=0.02)
    await gate.add_model(server, endpoint={"capacity": 1})
    client = gate.client()
    batch = await submit(client, lines(100))
    await gate.until(lambda: len(server.requests) >= 1, 10)
    for number in range(3):
        seen = len(server.requests)
        await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": f"person {number}"}]
        )
        before = [r["messages"][0]["content"] for r in server.requests[seen:]]
        assert before.index(f"person {number}") <= 1
    assert (await client.batches.retrieve(batch.id)).status == "in_progress"
