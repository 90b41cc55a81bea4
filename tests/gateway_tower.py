"""A gateway in the test's own loop, on a real database, before servers that misbehave."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import psycopg

from chappe.core.database import Database
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.identity.keys import create_key
from chappe.server.light import LightApp, make_gateway_server

WORDS = 12


@dataclass
class Server:
    """An OpenAI-compatible server. Its answer is `mot0 mot1 … mot11`, or what comes after the
    beginning of it that the request already holds.

    Attributes:
        fault: "" (none), "refuse" (500), "busy" (503), "late" (first byte after 30 s), "hang"
            (silence after 4 words), "cut" (connection cut there), "garbled" (bad JSON there),
            "told" (an error event there), "early" (ends there without saying so), "undone" (no
            `[DONE]`), "lies" (impossible usage), "huge" (one event of 2 MB), "dribble" (a byte at a
            time), "nohttp".
        pace: seconds between words.
        announces: names in its list of models.
        free: answers wait while it is cleared.
    """

    fault: str = ""
    pace: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    working: int = 0
    most_working: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    upstream_id: str = "up"
    announces: list[str] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if head.startswith("GET"):
                    data = [{"id": name} for name in self.announces]
                    self._whole(writer, 200, {"object": "list", "data": data})
                    continue
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                body = await reader.readexactly(length)
                self.headers.append(head)
                if "multipart" in head.lower():
                    self.requests.append({"raw": body})
                    self._whole(writer, 200, {"text": "bonjour", "duration": 2.5})
                    continue
                self.requests.append(json.loads(body))
                self.working += 1
                self.most_working = max(self.most_working, self.working)
                self.began.set()
                gone = asyncio.create_task(reader.read(1))
                work = asyncio.create_task(self._answer(self.requests[-1], writer))
                try:
                    await asyncio.wait({gone, work}, return_when=asyncio.FIRST_COMPLETED)
                    if not work.done():
                        self.left.set()
                        break
                    work.result()
                    if writer.is_closing():
                        break
                    data = await gone if gone.done() else b""
                    if gone.done() and not data:
                        break
                finally:
                    self.working -= 1
                    work.cancel()
                    if not gone.done():
                        gone.cancel()
                        with suppress(asyncio.CancelledError):
                            await gone
        writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await self.free.wait()
        if self.fault == "nohttp":
            writer.write(b"hello?\r\n\r\n")
            writer.close()
            return
        if self.fault == "late":
            await asyncio.sleep(30)
        if self.fault in ("refuse", "busy"):
            status = 500 if self.fault == "refuse" else 503
            self._whole(writer, status, {"error": {"message": "out of memory"}})
            return
        if "input" in request or "documents" in request:
            usage = {"prompt_tokens": 3, "total_tokens": 3}
            self._whole(writer, 200, {"object": "list", "data": [], "usage": usage})
            return
        words = [f"mot{i} " for i in range(WORDS)]
        last = request["messages"][-1] if request.get("messages") else {}
        before = last.get("content", "") if last.get("role") == "assistant" else ""
        words = words[len(before.split()) :]
        limit = request.get("max_tokens")
        reason = "stop"
        if limit is not None and limit < len(words):
            words, reason = words[:limit], "length"
        usage = {
            "prompt_tokens": 5 + len(before.split()),
            "completion_tokens": len(words),
            "prompt_tokens_details": {"cached_tokens": 2},
        }
        if self.fault == "lies":
            usage = {"prompt_tokens": -4, "completion_tokens": 10**12}
        if not request.get("stream"):
            await asyncio.sleep(self.pace * len(words))
            if self.fault in ("cut", "hang"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
                if self.fault == "cut":
                    writer.transport.abort()
                else:
                    await asyncio.sleep(30)
                return
            message = {"role": "assistant", "content": "".join(words)}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            self._whole(writer, 200, self._object(choices=[choice], usage=usage))
            return
        await self._stream(writer, words, reason, usage)

    async def _stream(
        self,
        writer: asyncio.StreamWriter,
        words: list[str],
        reason: str,
        usage: dict[str, Any],
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        await self._event(writer, choices=[{"index": 0, "delta": {"role": "assistant"}}])
        for number, word in enumerate(words):
            if number == 4 and self.fault in ("cut", "hang", "garbled", "told", "early"):
                await asyncio.sleep(0.02)
                if self.fault == "cut":
                    writer.transport.abort()
                elif self.fault == "hang":
                    await asyncio.sleep(30)
                elif self.fault == "garbled":
                    self._chunk(writer, b"data: {not json\n\n")
                    await asyncio.sleep(30)
                elif self.fault == "told":
                    self._chunk(writer, b'data: {"error": {"message": "CUDA error"}}\n\n')
                    await asyncio.sleep(30)
                else:
                    writer.write(b"0\r\n\r\n")
                return
            text = "x" * 2_000_000 if self.fault == "huge" and number == 2 else word
            await self._event(writer, choices=[{"index": 0, "delta": {"content": text}}])
            await asyncio.sleep(self.pace)
        await self._event(writer, choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
        await self._event(writer, choices=[], usage=usage)
        if self.fault != "undone":
            self._chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _object(self, **fields: Any) -> dict[str, Any]:
        return {"id": self.upstream_id, "object": "x", "created": 1, "model": "m"} | fields

    async def _event(self, writer: asyncio.StreamWriter, **fields: Any) -> None:
        data = b"data: " + json.dumps(self._object(**fields)).encode() + b"\n\n"
        if self.fault == "dribble":
            for byte in data:
                self._chunk(writer, bytes((byte,)))
                await asyncio.sleep(0)
        else:
            self._chunk(writer, data)
        await writer.drain()

    @staticmethod
    def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    @staticmethod
    def _whole(writer: asyncio.StreamWriter, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )


@dataclass
class Tower:
    """A running gateway."""

    gateway: Gateway
    url: str
    database_url: str
    key: str
    servers: list[asyncio.Server] = field(default_factory=list)

    def client(self, key: str | None = None, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, **options
        )

    async def start_server(self, server: Server) -> Server:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**24)
        server.port = listening.sockets[0].getsockname()[1]
        self.servers.append(listening)
        return server

    async def add_model(
        self,
        *servers: Server,
        name: str = "m",
        engine: str = "llamacpp",
        kind: str = "chat",
        clearance: int = 0,
        endpoint: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """A model of the catalogue, served by these servers."""
        fields = {"name": name, "kind": kind} | fields
        names = ", ".join(fields)
        values = ", ".join(["%s"] * len(fields))
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            cursor = await connection.execute(
                f"insert into model ({names}) values ({values}) returning id",
                list(fields.values()),
            )
            row = await cursor.fetchone()
            assert row is not None
            for number, server in enumerate(servers):
                if not server.port:
                    await self.start_server(server)
                cursor = await connection.execute(
                    "insert into endpoint (name, url, engine, clearance, capacity)"
                    " values (%s, %s, %s, %s, %s) returning id",
                    (
                        f"{name}-{number}", server.url, engine, clearance,
                        (endpoint or {}).get("capacity"),
                    ),
                )  # fmt: skip
                added = await cursor.fetchone()
                assert added is not None
                await connection.execute(
                    "insert into deployment values (%s, %s, %s)", (added[0], row[0], name)
                )
        await self.until(lambda: self.gateway.catalogue.get(name) is not None)

    async def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def accounts(self, count: int) -> list[tuple[Any, ...]]:
        """The accounts, once there are so many: outcome, tokens in, out, origin, attempts,
        endpoint, status, id."""
        for _ in range(100):
            rows = await self.execute(
                "select outcome, tokens_in, tokens_out, tokens_origin, attempts, endpoint, status,"
                " id from request_account order by started_at, id"
            )
            if len(rows) >= count:
                return rows
            await asyncio.sleep(0.1)
        raise AssertionError(f"{len(rows)} accounts, not {count}")

    @staticmethod
    async def until(true: Any, seconds: float = 5) -> None:
        for _ in range(int(seconds * 100)):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it didn't come to pass")

    def nothing_held(self) -> bool:
        """Is every slot, reservation and open account given back."""
        return (
            all(
                not queue["waiting"] and all(not e["in_flight"] for e in queue["endpoints"])
                for queue in self.gateway.queues()
            )
            and not self.gateway.accounts.under_way
        )


@asynccontextmanager
async def tower(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[Tower]:
    """A gateway on a free port, stopped at the end."""
    values: dict[str, Any] = {
        "data_dir": folder,
        "embedded_chat": False,
        "embedded_encoder": False,
        "first_byte_timeout": 2.0,
        "inter_token_timeout": 1.0,
        "probe_interval": 0.2,
    }
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(512)
    options = Settings(**(values | settings | {"port": listening.getsockname()[1]}))
    database = Database(database_url, 2)
    async with database.session() as session:
        key = await create_key(session, "test")
    await database.close()
    gateway = Gateway(options, database_url)
    await gateway.start(())
    server = make_gateway_server(LightApp(gateway, options), gateway, options)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    running = Tower(gateway, f"http://127.0.0.1:{options.port}", database_url, key)
    try:
        await running.until(lambda: server.started)
        yield running
    finally:
        server.should_exit = True
        await serving
        await gateway.stop()
        for item in running.servers:
            item.close()


def new_name() -> str:
    """A name that is used nowhere else."""
    return uuid.uuid4().hex[:8]
