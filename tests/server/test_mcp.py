"""The MCP server, spoken to by the official client, and by hand where it must refuse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

import support


@asynccontextmanager
async def connected(running: support.Running) -> AsyncIterator[ClientSession]:
    """A session of the official client, with the key of the installation."""
    headers = {"authorization": f"Bearer {running.key}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        streamable_http_client(f"{running.url}/mcp", http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def test_the_official_client_finds_and_reads(demo: support.Running) -> None:
    async with connected(demo) as session:
        tools = (await session.list_tools()).tools
        assert {tool.name for tool in tools} == {"search", "read_document", "list_collections"}
        listed = await session.call_tool("list_collections", {})
        slugs = {view["slug"] for view in listed.structured_content["collections"]}
        assert slugs == {"fiches-particuliers", "code-crpa"}
        found = await session.call_tool(
            "search", {"query": "carte d'identité", "collections": ["fiches-particuliers"]}
        )
        hit = found.structured_content["hits"][0]
        assert hit["title"] in found.content[0].text
        part = await session.call_tool(
            "read_document",
            {"document_id": hit["document_id"], "start": hit["start"],
             "length": hit["end"] - hit["start"]},
        )  # fmt: skip
        assert part.structured_content["text"] == hit["text"]
        whole = await session.call_tool("read_document", {"document_id": hit["document_id"]})
        assert hit["text"] in whole.content[0].text


async def test_its_own_negotiation_works(demo: support.Running) -> None:
    async with Client(f"{demo.url}/mcp") as client:
        assert len((await client.list_tools()).tools) == 3


async def test_what_is_asked_wrong_is_told_to_the_model(demo: support.Running) -> None:
    async with connected(demo) as session:
        for name, arguments, told in (
            ("search", {"query": ""}, "query"),
            ("search", {"query": "x", "collections": ["not-there"]}, "not-there"),
            ("search", {"query": "x", "unknown": 1}, "unknown"),
            ("read_document", {"document_id": "00000000-0000-0000-0000-000000000000"}, "n'existe"),
        ):
            result = await session.call_tool(name, arguments)
            assert result.is_error and told in result.content[0].text


def post(running: support.Running, content: Any, **headers: str) -> httpx2.Response:
    given = {"authorization": f"Bearer {running.key}", "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    options: dict[str, Any] = (
        {"content": content} if isinstance(content, bytes) else {"json": content}
    )
    return httpx2.post(f"{running.url}/mcp", headers=given, **options)


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (PING, {}, 200),
        ([PING, PING | {"id": 2}], {}, 200),
        ({"jsonrpc": "2.0", "method": "notifications/initialized"}, {}, 202),
        (b"{", {}, 400),
        ([], {}, 400),
        (PING, {"mcp_protocol_version": "1999-01-01"}, 400),
        (PING, {"authorization": "Bearer chp_no"}, 401),
        (PING, {"origin": "https://evil.example"}, 403),
        (b"{}", {"content_type": "text/plain"}, 415),
    ],
)  # fmt: skip
def test_what_is_taken_and_what_is_refused(
    demo: support.Running, content: Any, headers: dict[str, str], status: int
) -> None:
    assert post(demo, content, **headers).status_code == status


def test_a_method_or_tool_that_is_not_there_is_an_error_of_the_protocol(
    demo: support.Running,
) -> None:
    for message, code in (
        (PING | {"method": "resources/list"}, -32601),
        (PING | {"method": "tools/call", "params": {"name": "shell"}}, -32602),
        (PING | {"params": [1]}, -32602),
        ({"id": 1}, -32600),
        ("x", -32600),
    ):
        assert post(demo, message).json()["error"]["code"] == code
    assert httpx2.get(f"{demo.url}/mcp").status_code == 405
