"""A client of /v1 that writes its bytes itself."""

import asyncio
import json

from gateway_tower import Tower

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()


def request(key: str, body: bytes = BODY, version: str = "1.1", *headers: str) -> bytes:
    lines = [
        f"POST /v1/chat/completions HTTP/{version}", "host: localhost",
        f"authorization: Bearer {key}", f"content-length: {len(body)}", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


async def connect(gate: Tower) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(gate.url.rpartition(":")[2]))


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers, body
