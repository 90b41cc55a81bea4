"""Files and batches through the official client, on a real database and a real folder."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from chappe.core.database import Database
from chappe.identity.keys import create_key
from gateway_tower import Server, Tower, tower


def lines(count: int, **changes: Any) -> bytes:
    return b"".join(
        json.dumps(
            {
                "custom_id": f"r{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": str(number)}]},
            }
            | changes
        ).encode()
        + b"\n"
        for number in range(count)
    )


async def submit(gate: Tower, content: bytes, key: str | None = None) -> Any:
    client = gate.client(key)
    file = await client.files.create(file=("in.jsonl", content), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"for": "test"},
    )


async def finished(gate: Tower, identifier: str, seconds: float = 30) -> Any:
    for _ in range(int(seconds * 10)):
        batch = await gate.client().batches.retrieve(identifier)
        if batch.status in ("completed", "failed", "cancelled", "expired"):
            return batch
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {batch.status}: {batch.request_counts}")


async def results(gate: Tower, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    text = (await gate.client().files.content(file_id)).text
    return [json.loads(line) for line in text.splitlines()]


async def test_a_batch_from_its_file_to_its_results(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    batch = await submit(gate, lines(30))
    assert batch.status == "validating" and batch.metadata == {"for": "test"}
    batch = await finished(gate, batch.id)
    assert batch.status == "completed" and batch.error_file_id is None
    assert (batch.request_counts.total, batch.request_counts.completed) == (30, 30)
    rows = await results(gate, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [f"r{n}" for n in range(30)]
    assert all(row["response"]["body"]["choices"] for row in rows)
    await gate.accounts(30)
    accounts = await gate.execute("select priority, count(*) from request_account group by 1")
    assert accounts == [("batch", 30)]
    listed = [item.id async for item in gate.client().batches.list(limit=1)]
    assert listed == [batch.id]
    names = [file.id async for file in gate.client().files.list()]
    assert set(names) == {batch.input_file_id, batch.output_file_id}


async def test_wrong_lines_are_told_before_anything_runs(gate: Tower) -> None:
    server = Server()
    await gate.add_model(server)
    good = lines(1)
    content = good + b"{not json\n" + good + lines(1, url="/v1/embeddings")
    content += lines(1, custom_id="other", body={"messages": []})
    batch = await finished(gate, (await submit(gate, content)).id)
    assert batch.status == "failed"
    assert [(e.line, e.code) for e in batch.errors.data] == [
        (2, "invalid_json_line"),
        (3, "duplicate_custom_id"),
        (4, "invalid_url"),
        (5, "missing_model"),
    ]
    assert not server.requests


async def test_what_fails_is_in_the_error_file(gate: Tower) -> None:
    await gate.add_model(Server())
    content = lines(2) + lines(1, custom_id="bad", body={"model": "nothing", "messages": []})
    batch = await finished(gate, (await submit(gate, content)).id)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
    (row,) = await results(gate, batch.error_file_id)
    assert row["custom_id"] == "bad" and row["error"]["code"] == "model_not_found"


async def test_a_busy_model_is_asked_again_later(gate: Tower) -> None:
    server = Server("busy")
    await gate.add_model(server)
    batch = await submit(gate, lines(3))
    await gate.until(lambda: len(server.requests) >= 3, 10)
    server.fault = ""
    batch = await finished(gate, batch.id)
    assert batch.request_counts.completed == 3


async def test_cancelling(gate: Tower) -> None:
    server = Server(pace=0.05)
    await gate.add_model(server, endpoint={"capacity": 2})
    batch = await submit(gate, lines(60))
    await gate.until(lambda: len(server.requests) >= 2, 10)
    await gate.client().batches.cancel(batch.id)
    batch = await finished(gate, batch.id)
    assert batch.status == "cancelled"
    done = await results(gate, batch.output_file_id) if batch.output_file_id else []
    undone = await results(gate, batch.error_file_id)
    assert len(done) + len(undone) == 60
    with pytest.raises(openai.ConflictError):
        await gate.client().batches.cancel(batch.id)


async def test_another_organisation_sees_nothing(gate: Tower) -> None:
    await gate.add_model(Server())
    await gate.execute("insert into organisation (slug, name) values ('other', 'x') returning id")
    database = Database(gate.database_url, 1)
    async with database.session() as session:
        other = await create_key(session, "other", organisation="other")
    await database.close()
    batch = await submit(gate, lines(1))
    client = gate.client(other)
    for call in (
        client.batches.retrieve(batch.id),
        client.batches.cancel(batch.id),
        client.files.retrieve(batch.input_file_id),
        client.files.content(batch.input_file_id),
        client.files.delete(batch.input_file_id),
        client.batches.create(
            input_file_id=batch.input_file_id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
    ):
        with pytest.raises(openai.NotFoundError):
            await call
    assert [item async for item in client.batches.list()] == []
    assert [item async for item in client.files.list()] == []


async def test_a_batch_goes_on_in_another_process(database_url: str, tmp_path: Path) -> None:
    server = Server(pace=0.02)
    async with tower(database_url, tmp_path) as gate:
        await gate.add_model(server)
        batch = await submit(gate, lines(40))
        await gate.until(lambda: len(server.requests) >= 5, 10)
        gate.servers.clear()  # the model's server outlives this process
    assert 5 <= len(server.requests) < 40
    async with tower(database_url, tmp_path) as again:
        batch = await finished(again, batch.id)
        assert batch.request_counts.completed == 40
        rows = await results(again, batch.output_file_id)
        assert len({row["custom_id"] for row in rows}) == len(rows) == 40


async def test_files_by_themselves(gate: Tower) -> None:
    client = gate.client()
    file = await client.files.create(file=("a.txt", b"x" * 3_000_000), purpose="user_data")
    assert file.bytes == 3_000_000
    assert len((await client.files.content(file.id)).content) == 3_000_000
    assert (await client.files.delete(file.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError):
        await client.files.create(file=("a.txt", b"x"), purpose="nonsense")  # type: ignore[arg-type]
