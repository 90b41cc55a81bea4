"""Probes: who is well, what engines tell, what servers announce, and what can't stop them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from chappe.core.connections import Connections
from chappe.gateway.catalogue import Endpoint
from chappe.gateway.dispatch.job import EngineMetrics
from chappe.gateway.engines import EngineProcess, embedded_chat_model, engine_command
from chappe.gateway.engines.detection import detect, examine
from chappe.gateway.engines.probing import Prober, announced, ask
from chappe.gateway.http.upstream import Pool, UpstreamError


@dataclass
class Scripted:
    """An HTTP server that answers paths with a status and a body; others with 404."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ")[1]
                self.asked.append(path)
                status, value = self.answers.get(path, (404, {}))
                if status == 0:
                    await asyncio.sleep(60)
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\nlocation: /elsewhere\r\ncontent-length: %d\r\n\r\n%b"
                    % (status, len(body), body)
                )
        writer.close()


@asynccontextmanager
async def scripted(**answers: tuple[int, Any]) -> AsyncIterator[Scripted]:
    found = Scripted({"/" + path.replace("__", "/"): value for path, value in answers.items()})
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield found
    server.close()


@dataclass
class Watch:
    """A prober, and what it told."""

    prober: Prober
    well: dict[str, list[bool]] = field(default_factory=dict)
    metrics: dict[str, EngineMetrics] = field(default_factory=dict)

    async def until(self, true: Callable[[], Any]) -> None:
        for _ in range(1500):
            if true():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it didn't come to pass")


@asynccontextmanager
async def watching(database_url: str, *endpoints: Endpoint) -> AsyncIterator[Watch]:
    pool, connections = Pool(), Connections(database_url, 2)
    await connections.open()
    watch: Watch

    def told(identifier: str, well: bool) -> None:
        watch.well.setdefault(identifier, []).append(well)

    def read(identifier: str, metrics: EngineMetrics) -> None:
        watch.metrics[identifier] = metrics

    prober = Prober(pool, connections, 0.05, told, read)
    watch = Watch(prober)
    prober.watch(endpoints)
    prober.start()
    try:
        yield watch
    finally:
        await prober.stop()
        await pool.close()
        await connections.close()


async def stored(database_url: str, url: str, serves: str | None = None) -> Endpoint:
    """An endpoint of the database, as the catalogue loads it."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "insert into endpoint (name, url) values ('e', %s) returning id::text", (url,)
        )
        row = await cursor.fetchone()
    assert row is not None
    return Endpoint(row[0], "e", url, upstream_names={"m": serves} if serves else {})


async def proposals(database_url: str) -> list[tuple[str, str]]:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "select upstream_name, state from model_proposal order by upstream_name"
        )
        return [(str(name), str(state)) for name, state in await cursor.fetchall()]


@pytest.mark.parametrize(
    ("status", "well"),
    [(200, True), (404, True), (429, True), (302, False), (401, False), (500, False), (503, False)],
)
async def test_what_a_status_says(database_url: str, status: int, well: bool) -> None:
    async with scripted(health=(status, {})) as server:
        endpoint = Endpoint("e", "e", server.url, engine="vllm")
        async with watching(database_url, endpoint) as watch:
            await watch.until(lambda: watch.well.get("e"))
            assert watch.well["e"][0] is well
            last = watch.prober.last("e")
            assert last is not None and last["well"] is well
            assert well or str(status) in last["detail"]
        assert "/elsewhere" not in server.asked


async def test_metrics_are_read_while_it_is_well(database_url: str) -> None:
    page = b'vllm:num_requests_running{a="b"} 3\nvllm:num_requests_waiting{a="b"} 1\n'
    async with (
        scripted(health=(200, {}), metrics=(200, page)) as server,
        watching(database_url, Endpoint("e", "e", server.url, engine="vllm")) as watch,
    ):
        await watch.until(lambda: watch.metrics)
        assert watch.metrics["e"] == EngineMetrics(3, 1)


async def test_an_address_or_a_secret_that_cannot_be_stops_no_probe(database_url: str) -> None:
    async with scripted(v1__models=(200, {"data": []})) as server:
        bad = Endpoint("bad", "bad", "http://127.0.0.1:notaport/v1")
        odd = Endpoint("odd", "odd", server.url, api_key="clé ☃")
        async with watching(database_url, bad, odd, Endpoint("e", "e", server.url)) as watch:
            await watch.until(lambda: len(watch.well.get("e", [])) > 2)
            assert True not in watch.well.get("bad", [])
            # Once it can be, it is asked.
            watch.prober.watch([Endpoint("bad", "bad", server.url)])
            await watch.until(lambda: True in watch.well.get("bad", []))
            assert "e" in watch.well and watch.prober.last("e") is None


async def test_silent_servers_hold_nobody_up(database_url: str) -> None:
    silent: dict[str, tuple[int, Any]] = {"v1__models": (0, {})}
    async with scripted(**silent) as slow, scripted(v1__models=(200, {"data": []})) as quick:
        many = [Endpoint(f"s{n}", f"s{n}", slow.url) for n in range(60)]
        async with watching(database_url, *many, Endpoint("e", "e", quick.url)) as watch:
            await watch.until(lambda: len(watch.well.get("e", [])) > 5)


async def test_what_a_server_announces_is_proposed_never_added(database_url: str) -> None:
    data = [{"id": "served"}, {"id": "new", "max_model_len": 4096}, {"id": "new"}]
    async with scripted(v1__models=(200, {"data": data})) as server:
        endpoint = await stored(database_url, server.url, "served")
        async with watching(database_url, endpoint) as watch:
            for _ in range(500):
                if await proposals(database_url):
                    break
                await asyncio.sleep(0.01)
            assert await proposals(database_url) == [("new", "proposed")]
            assert watch.well[endpoint.id]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for table in ("model", "deployment"):
            cursor = await connection.execute(f"select count(*) from {table}")
            assert await cursor.fetchone() == (0,)


@pytest.mark.parametrize(("before", "after"), [("accepted", "proposed"), ("ignored", "ignored")])
async def test_a_proposal_taken_and_no_longer_served_comes_back_one_set_aside_does_not(
    database_url: str, before: str, after: str
) -> None:
    async with scripted(v1__models=(200, {"data": [{"id": "new"}]})) as server:
        endpoint = await stored(database_url, server.url)
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute(
                "insert into model_proposal (endpoint_id, upstream_name, state, last_seen)"
                " values (%s, 'new', %s, '2000-01-01')",
                (endpoint.id, before),
            )
        async with watching(database_url, endpoint) as watch:
            # The models come with the first probe, so they are written before the third.
            await watch.until(lambda: len(watch.well.get(endpoint.id, [])) > 2)
    assert await proposals(database_url) == [("new", after)]


async def test_probes_go_on_while_the_database_is_away() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
    identifier = "6f1d4a52-0000-4000-8000-000000000000"
    async with (
        scripted(v1__models=(200, {"data": [{"id": "new"}]})) as server,
        watching(nowhere, Endpoint(identifier, "e", server.url)) as watch,
    ):
        await watch.until(lambda: len(watch.well.get(identifier, [])) > 2)
        assert all(watch.well[identifier])


@pytest.mark.parametrize(
    "page",
    [
        b"", b"{}", b"[]", b"null", b'{"data": 3}', b'{"data": {"id": "x"}}', b'{"data": "abc"}',
        b'{"data": [3, null, [], {"id": 4}, {"id": ""}, {"id": "a\\u0000"}]}', b"\xff",
        b'{"data": [{"id": "' + b"x" * 300 + b'"}]}',
    ],
)  # fmt: skip
def test_an_answer_that_announces_nothing(page: bytes) -> None:
    assert announced(page) == []


def test_what_is_told_of_a_model_is_bounded() -> None:
    meta = {"n_ctx_train": 8192, "junk": "x"}
    item = {"id": "m", "owned_by": "x" * 999, "created": 10**30, "meta": meta, "permission": [1]}
    found = announced(json.dumps({"data": [item]}).encode())
    assert found == [{"name": "m", "detail": {"n_ctx_train": 8192}}]


SIGNS: list[tuple[str, dict[str, tuple[int, Any]]]] = [
    ("vllm", {"version": (200, {"version": "0.11.0"})}),
    ("sglang", {"model_info": (200, {"model_path": "x"}), "version": (200, {"version": "1"})}),
    ("sglang", {"get_model_info": (200, {"model_path": "x"})}),
    ("tei", {"info": (200, {"model_id": "x", "model_type": {"embedding": {}}})}),
    ("ollama", {"api__version": (200, {"version": "0.12"})}),
    ("openai", {}),
    ("openai", {"version": (200, b"<html>"), "info": (200, [1])}),
]


@pytest.mark.parametrize(("engine", "answers"), SIGNS)
async def test_engines_are_told_apart(engine: str, answers: dict[str, tuple[int, Any]]) -> None:
    pool = Pool()
    async with scripted(**answers) as server:
        assert await detect(pool, server.url) == engine
    await pool.close()
    with pytest.raises(UpstreamError):
        await detect(Pool(), "http://127.0.0.1:1/v1")


async def test_a_real_llama_cpp_server(database_url: str) -> None:
    found = embedded_chat_model()
    assert found is not None
    model, file = found
    endpoint = model.endpoints[0]
    engine = EngineProcess(endpoint, "chat", engine_command(model, file), lambda: None)
    engine.start()
    try:
        assert await engine.wait_ready(120)
        assert endpoint.base_url is not None
        pool = Pool()
        seen = await examine(pool, endpoint)
        assert seen.engine == "llamacpp" and seen.models == list(endpoint.upstream_names.values())
        async with watching(database_url, endpoint) as watch:
            await watch.until(lambda: watch.metrics)
            assert watch.metrics[endpoint.id].running == 0
            endpoint.api_key = "wrong"
            with pytest.raises(UpstreamError, match="secret"):
                await ask(pool, endpoint, models=True)
        await pool.close()
    finally:
        await engine.stop()
