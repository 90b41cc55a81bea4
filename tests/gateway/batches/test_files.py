"""Files through the official client, on a real database and a real folder."""

import asyncio
from pathlib import Path

import httpx2 as httpx
import openai
import pytest

from chappe.core.blobs import open_store
from chappe.core.connections import Connections
from chappe.core.settings import Settings
from chappe.gateway.batches import Batches, Limits, files
from gateway_tower import Tower


def blobs(folder: Path) -> list[Path]:
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]


async def test_a_file_from_upload_to_deletion(gate: Tower, tmp_path: Path) -> None:
    client = gate.client()
    content = bytes(range(256)) * 40_000
    made = await client.files.create(
        file=("é\x07/../in.jsonl", content),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )
    assert made.bytes == len(content) and made.purpose == "batch" and made.status == "processed"
    assert made.expires_at == made.created_at + 7200
    assert "\x07" not in made.filename
    assert await client.files.retrieve(made.id) == made
    assert (await client.files.content(made.id)).content == content
    assert (await client.files.delete(made.id)).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            await gone(made.id)
    assert not blobs(tmp_path)
    assert await gate.execute("select count(*) from stored_file") == [(0,)]


async def test_pages_of_files(gate: Tower) -> None:
    client = gate.client()
    made = [
        (await client.files.create(file=(f"{n}.jsonl", b"x"), purpose="batch")).id for n in range(5)
    ]
    page = await client.files.list(limit=2)
    assert [file.id for file in page.data] == made[:2:-1] and page.has_more
    assert [file.id async for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id async for file in client.files.list(limit=2, order="asc")] == made
    assert [file.id async for file in client.files.list(purpose="batch_output")] == []
    with pytest.raises(openai.NotFoundError):
        await client.files.list(after="file-" + "0" * 32)
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"order": "up"}):
        with pytest.raises(openai.BadRequestError):
            await client.files.list(**wrong)  # type: ignore[arg-type]


async def test_what_is_no_upload_is_refused_and_leaves_nothing(gate: Tower, tmp_path: Path) -> None:
    async with httpx.AsyncClient(
        base_url=gate.url, headers={"authorization": f"Bearer {gate.key}"}
    ) as client:
        file = {"file": ("a.jsonl", b"x" * 9_000_000)}
        for data, attached in (
            ({}, file),
            ({"purpose": "vision"}, file),
            ({"purpose": "batch"}, {"other": ("a", b"x")}),
            ({"purpose": "batch", "expires_after[seconds]": "7200"}, file),
            (
                {
                    "purpose": "batch",
                    "expires_after[anchor]": "created_at",
                    "expires_after[seconds]": "5",
                },
                file,
            ),
        ):
            answer = await client.post("/v1/files", data=data, files=attached)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["type"] == "invalid_request_error"
        two = [("file", ("a", b"x")), ("file", ("b", b"y"))]
        answer = await client.post("/v1/files", data={"purpose": "batch"}, files=two)
        assert answer.status_code == 400
        assert (await client.post("/v1/files", json={"purpose": "batch"})).status_code == 400
        assert (await client.put("/v1/files")).status_code == 405
        assert (await client.delete("/v1/batches/x")).status_code == 405
        assert (await client.get("/v1/filesystem")).status_code == 404
        assert (await client.get("/v1/files/a/b/c")).status_code == 404
    assert not blobs(tmp_path)
    assert await gate.execute("select count(*) from stored_file") == [(0,)]


async def test_an_upload_that_is_cut_leaves_nothing(gate: Tower, tmp_path: Path) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(gate.url.rsplit(":", 1)[1]))
    writer.write(
        b"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
        b"content-type: multipart/form-data; boundary=b\r\ncontent-length: 50000000\r\n\r\n"
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        % gate.key.encode()
    )
    for _ in range(100):
        writer.write(bytes(100_000))
        await writer.drain()
    for _ in range(100):
        if await gate.execute("select 1 from stored_file where not ready"):
            break
        await asyncio.sleep(0.05)
    writer.transport.abort()
    for _ in range(100):
        if await gate.execute("select count(*) from stored_file") == [(0,)]:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("its row stays")
    assert not blobs(tmp_path)


async def _answer(app: Batches, gate: Tower, *chunks: bytes) -> int:
    actor = await gate.gateway.keys.fetch(f"Bearer {gate.key}".encode())
    head = b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head += b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    pieces = [head, *chunks, b"\r\n--b--\r\n"]
    statuses = []

    async def receive() -> dict[str, object]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(
        {
            "type": "http",
            "method": "POST",
            "path": "/v1/files",
            "query_string": b"",
            "headers": [(b"content-type", b"multipart/form-data; boundary=b")],
            "chappe.actor": actor,
        },
        receive,
        send,
    )
    (status,) = statuses
    return int(status)


async def test_limits_of_size(gate: Tower, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    app = Batches(gate.gateway, settings, Limits(file_bytes=1000, organisation_bytes=1500))
    assert await _answer(app, gate, *[bytes(100)] * 11) == 413
    assert not blobs(tmp_path)
    assert await _answer(app, gate, *[bytes(100)] * 10) == 200
    assert await _answer(app, gate, bytes(1000)) == 200  # the last one may go over
    assert await _answer(app, gate, b"x") == 413
    assert await gate.execute("select sum(bytes), count(*) from stored_file") == [(2000, 2)]


async def test_what_is_past_or_was_never_finished_is_removed(gate: Tower, tmp_path: Path) -> None:
    client = gate.client()
    old = await client.files.create(file=("a", b"old"), purpose="batch")
    new = await client.files.create(file=("a", b"new"), purpose="batch")
    store = open_store(Settings(data_dir=tmp_path))
    connections = Connections(gate.database_url)
    await connections.open()
    actor = await gate.gateway.keys.fetch(f"Bearer {gate.key}".encode())
    assert actor.organisation_id and actor.key_id
    async with connections.transaction() as connection:
        begun = await files.begin(connection, actor.organisation_id, actor.key_id)
        fresh = await files.begin(connection, actor.organisation_id, actor.key_id)
    await connections.close()
    await store.put_async(begun.blob, b"half")
    (tmp_path / "blobs" / f"{begun.blob}#1").write_bytes(b"what a killed process leaves")
    await gate.execute("update stored_file set expires_at = now() where id = %s", old.id)
    await gate.execute(
        "update stored_file set created_at = now() - interval '2 days' where id = %s", begun.id
    )
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(old.id)
    await gate.gateway._batches._runner.sweep()
    rows = {row[0] for row in await gate.execute("select id from stored_file")}
    assert rows == {new.id, fresh.id}
    assert [path.name for path in blobs(tmp_path)] == [new.id]
