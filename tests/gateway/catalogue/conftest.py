"""A client of the catalogue's routes, with a real database and a real gateway."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from chappe.core.database import Database
from chappe.gateway.catalogue import routes
from chappe.identity.keys import create_key
from chappe.server.app import handle_errors
from gateway_tower import Tower


class Closed:
    """Settings that the routes read."""

    anonymous_page = False


@pytest.fixture
async def operator(gate: Tower) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the key of who operates the installation."""
    database = Database(gate.database_url, 2)
    async with database.session() as session:
        key = await create_key(session, "operator", ("models", "operate"))
    api = FastAPI()
    api.include_router(routes.router)
    handle_errors(api)
    api.state.gateway, api.state.database, api.state.settings = gate.gateway, database, Closed()
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(api),
        base_url="http://t/api/admin",
        headers={"authorization": f"Bearer {key}", "accept-language": "fr"},
    ) as client:
        yield client
    await database.close()
