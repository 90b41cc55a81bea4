"""Two organisations with an administrator and a user each, an operator, and the routes of /api."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chappe.core.connections import Connections
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity import KeyCache, routes
from chappe.identity.access import SCOPES, USER_SCOPES
from chappe.identity.keys import create_key

SLUGS = ("lyon", "nantes")


@dataclass
class Gateway:
    """What routes use of the real one."""

    connections: Connections
    keys: KeyCache


class Settings:
    """A server that asks everybody for a key."""

    anonymous_page = False


@dataclass
class World:
    """Attributes: keys by `SLUG/manager`, `SLUG/user` and `operator`."""

    url: str
    client: httpx2.AsyncClient
    connections: Connections
    database: Database
    cache: KeyCache
    keys: dict[str, str]

    async def call(
        self,
        who: str,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        return await self.client.request(
            method,
            f"/api/admin/{path}",
            json=body,
            headers={"authorization": f"Bearer {self.keys[who]}"} | (headers or {}),
        )

    async def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def key_id(self, who: str) -> str:
        rows = await self.query("select id from api_key where name = %s", who)
        return str(rows[0][0])


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    """The two organisations, on a fresh database."""
    database = Database(url, 5)
    connections = Connections(url, 4)
    await connections.open()
    keys = {}
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for slug in SLUGS:
            await connection.execute(
                "insert into organisation (slug, name) values (%s, %s)", (slug, slug)
            )
    async with database.session() as session:
        keys["operator"] = await create_key(session, "operator", SCOPES)
        for slug in SLUGS:
            for role, scopes in (("manager", (*USER_SCOPES, "manage")), ("user", USER_SCOPES)):
                name = f"{slug}/{role}"
                keys[name] = await create_key(session, name, scopes, organisation=slug, person=role)
    cache = KeyCache(connections)
    api = FastAPI()
    api.include_router(routes.router)
    api.state.gateway = Gateway(connections, cache)
    api.state.database = database
    api.state.settings = Settings()

    async def problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ChappeError)
        return JSONResponse(error.problem("en", ""), error.status)

    api.add_exception_handler(ChappeError, problem)
    transport = httpx2.ASGITransport(api)
    async with httpx2.AsyncClient(transport=transport, base_url="http://t") as client:
        yield World(url, client, connections, database, cache, keys)
    await cache.stop()
    await connections.close()
    await database.close()
