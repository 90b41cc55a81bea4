"""People of two organisations before the whole application, on a real database and disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import text

from chappe.core.settings import Settings
from chappe.identity.access import SCOPES, USER_SCOPES
from chappe.identity.keys import create_key
from chappe.server.app import build_app
from chappe.server.runtime import Runtime

PEOPLE = ("lyon/ana", "lyon/ben", "nantes/cleo", "nantes/dan")


@dataclass
class World:
    """Attributes: keys by `ORGANISATION/PERSON`; `machine` is a key of Lyon without a person."""

    runtime: Runtime
    client: httpx2.AsyncClient
    keys: dict[str, str]

    async def call(self, who: str | None, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"accept-language": "en"} | more.pop("headers", {})
        if who is not None:
            headers["authorization"] = f"Bearer {self.keys[who]}"
        return await self.client.request(method, f"/api/{path}", headers=headers, **more)

    async def upload(self, who: str | None, slug: str, **files: bytes) -> httpx2.Response:
        form = [("files", (f"{name}.txt", content)) for name, content in files.items()]
        return await self.call(who, "POST", f"collections/{slug}/documents", files=form)

    async def query(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.runtime.database.session() as session:
            result = await session.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def settled(self) -> None:
        """Until nothing awaits anything."""
        async with asyncio.timeout(60):
            while await self.query("select 1 from document where awaits is not null limit 1"):  # noqa: ASYNC110
                await asyncio.sleep(0.03)

    async def found(self, who: str | None, query: str, **more: Any) -> list[str]:
        """Texts of the passages found."""
        answer = await self.call(who, "POST", "search", json={"query": query} | more)
        assert answer.status_code == 200, answer.text
        return [hit["passage"]["text"] for hit in answer.json()["hits"]]


@asynccontextmanager
async def world(url: str, folder: Path, **settings: Any) -> AsyncIterator[World]:
    """The two organisations, with a worker."""
    runtime = Runtime(
        Settings(
            database_url=url,
            data_dir=folder,
            embedded_chat=False,
            embedded_encoder=False,
            **({"anonymous": False} | settings),
        )
    )
    runtime.open_database(migrated=False)
    await runtime.start(("embedding",))
    await runtime.start_worker()
    keys = {}
    async with runtime.database.session() as session:
        for slug in ("lyon", "nantes"):
            await session.execute(
                text("insert into organisation (slug, name) values (:s, :s)"), {"s": slug}
            )
        keys["operator"] = await create_key(session, "operator", SCOPES)
        keys["machine"] = await create_key(session, "machine", USER_SCOPES, organisation="lyon")
        keys["lyon/manager"] = await create_key(
            session, "manager", (*USER_SCOPES, "manage"), organisation="lyon", person="manager"
        )
        for name in PEOPLE:
            organisation, person = name.split("/")
            keys[name] = await create_key(
                session, name, USER_SCOPES, organisation=organisation, person=person
            )
    transport = httpx2.ASGITransport(build_app(runtime))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield World(runtime, client, keys)
    await runtime.stop()
