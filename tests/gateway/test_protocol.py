"""The short way from the connection is as strict as the long one."""

import asyncio
import json
from pathlib import Path

import pytest

from chappe.gateway.http import protocol
from gateway_tower import Server, Tower, tower
from raw_client import BODY, answer, connect, request


async def test_pipelined_requests_are_answered_in_order(gate: Tower) -> None:
    await gate.add_model(Server(pace=0.01))
    reader, writer = await connect(gate)
    other = BODY.replace(b'"m"', b'"nothing"')
    writer.write(request(gate.key) + request(gate.key, other) + request(gate.key))
    assert [(await answer(reader))[0] for _ in range(3)] == [200, 404, 200]
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" + request(gate.key))
    assert [(await answer(reader))[0] for _ in range(2)] == [200, 200]
    writer.close()


async def test_a_body_in_any_pieces(gate: Tower) -> None:
    await gate.add_model(Server())
    reader, writer = await connect(gate)
    for byte in request(gate.key):
        writer.write(bytes((byte,)))
        if byte == ord("\n"):
            await writer.drain()
            await asyncio.sleep(0)
    assert (await answer(reader))[0] == 200
    chunked = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {gate.key}"
        "\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()
    for start in range(0, len(BODY), 7):
        piece = BODY[start : start + 7]
        chunked += b"%x\r\n%b\r\n" % (len(piece), piece)
    writer.write(chunked + b"0\r\n\r\n")
    assert (await answer(reader))[0] == 200
    writer.close()


async def test_old_and_polite_clients(gate: Tower) -> None:
    await gate.add_model(Server())
    reader, writer = await connect(gate)
    writer.write(request(gate.key, BODY, "1.0"))
    status, headers, _ = await answer(reader)
    assert status == 200 and headers["connection"] == "close"
    assert await reader.read() == b""
    reader, writer = await connect(gate)
    whole = request(gate.key, BODY, "1.1", "expect: 100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await answer(reader))[0] == 200
    writer.close()


@pytest.mark.parametrize(
    "bad",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"content-length: -1\r\n",
        b"x: a\x00b\r\ncontent-length: 0\r\n",
    ],
)
async def test_what_two_servers_could_read_differently_is_refused(gate: Tower, bad: bytes) -> None:
    server = Server()
    await gate.add_model(server)
    reader, writer = await connect(gate)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {gate.key}\r\n"
    writer.write(head.encode() + bad + b"\r\n0\r\n\r\n")
    data = await asyncio.wait_for(reader.read(), 5)
    assert data == b"" or b" 400 " in data.split(b"\r\n")[0]
    assert not server.requests


async def test_too_large(database_url: str, tmp_path: Path) -> None:
    async with tower(database_url, tmp_path, max_body_bytes=1_000_000) as gate:
        server = Server()
        await gate.add_model(server)
        reader, writer = await connect(gate)
        writer.write(request(gate.key, BODY[:-1] + b" " * 1_100_000 + b"}"))
        status, headers, body = await answer(reader)
        assert status == 413 and json.loads(body)["error"]["code"] == "body_too_large"
        assert headers["connection"] == "close"
        reader, writer = await connect(gate)
        writer.write(request(gate.key, BODY, "1.1", "x: " + "y" * 70_000))
        assert b" 200 " not in (await asyncio.wait_for(reader.read(), 5))[:20]
        assert not server.requests


async def test_a_client_that_never_finishes_is_let_go(
    gate: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_SLOW_SENDER_SECONDS", 0.2)
    reader, writer = await connect(gate)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_the_host_is_checked_here_too(database_url: str, tmp_path: Path) -> None:
    async with tower(database_url, tmp_path) as gate:
        await gate.add_model(Server())
        reader, writer = await connect(gate)
        writer.write(request(gate.key).replace(b"host: localhost", b"host: evil.example"))
        status, _, body = await answer(reader)
        assert status == 421 and json.loads(body)["error"]["code"] == "unknown_host"
        writer.close()


async def test_json_nested_without_end_is_a_bad_request(gate: Tower) -> None:
    await gate.add_model(Server())
    reader, writer = await connect(gate)
    deep = b"[" * 200_000 + b"]" * 200_000
    writer.write(request(gate.key, b'{"model":"m","messages":' + deep + b"}"))
    status, _, body = await answer(reader)
    assert status == 400
    assert json.loads(body)["error"]["code"] == "invalid_request"
    writer.close()


async def test_errors_speak_the_readers_language(gate: Tower) -> None:
    reader, writer = await connect(gate)
    asked = request(gate.key, BODY.replace(b'"m"', b'"nothing"'))
    for language, begins in (("fr", "Modèle inconnu\u00a0: "), ("en", "Unknown model: ")):
        line = f"\r\naccept-language: {language}\r\n\r\n".encode()
        writer.write(asked.replace(b"\r\n\r\n", line, 1))
        status, _, body = await answer(reader)
        assert status == 404
        assert json.loads(body)["error"]["message"].startswith(begins)
    writer.close()
