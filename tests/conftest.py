"""Real parts for the tests: a PostgreSQL server, a gateway, and running installations of Chappe.

With pytest-xdist these exist once in each worker. Whatever starts a whole installation for several
tests keeps them in one worker (`_TOGETHER`). An installation that tests share stays as it was
found: `_as_found` says which test left something.
"""

import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import support
from chappe.core.database import Database, migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from gateway_tower import Tower, tower

# How long an example takes is the machine's affair, and no test's.
settings.register_profile("chappe", deadline=None)
settings.load_profile("chappe")

_TOGETHER = {
    "tests/browser/test_admin.py": "administered",
    "tests/browser/test_collections.py": "demo",
    "tests/browser/test_page.py": "demo",
    "tests/cli/test_commands.py": "loaded",
    "tests/gateway/test_faults.py": "demo",
    "tests/gateway/test_openai_api.py": "demo",
    "tests/server/test_api.py": "demo",
    "tests/server/test_ask.py": "demo",
    "tests/server/test_file_search.py": "demo",
    "tests/server/test_mcp.py": "demo",
    "tests/server/test_openapi.py": "demo",
}
_SHARED = ("models", "endpoints", "limits", "organisations")


class _Together(LoadScopeScheduling):
    """Files that share an installation run in one worker; any other test, where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return _TOGETHER.get(nodeid.partition("::")[0], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Together:
    """How tests are spread over workers."""
    return _Together(config, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server of our own, with a migrated database to copy."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("pg") / "postgres")
    server.start()
    migrate(server.url)
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh migrated database for one test."""
    name = f"t{uuid.uuid4().hex}"
    admin = postgres.url.replace("/chappe?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name} template chappe")
    yield postgres.url.replace("/chappe?", f"/{name}?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Sessions on a fresh database."""
    opened = Database(database_url, 5)
    yield opened
    await opened.close()


@pytest.fixture
async def gate(database_url: str, tmp_path: Path) -> AsyncIterator[Tower]:
    """A running gateway with an empty catalogue, for one test."""
    async with tower(database_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[support.Running]:
    """`chappe demo` on our own small corpora, with the embedded engines."""
    folder: Path = tmp_path_factory.mktemp("demo")
    support.place_corpora(folder)
    running = support.start(["demo"], folder)
    running.wait_line(r"^ready ")
    running.key = running.wait_line(r"^key ").split()[1]
    running.wait_line("corpus loaded")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def endpoint() -> Iterator[support.ScriptedEndpoint]:
    """An endpoint whose answers the tests set."""
    with support.scripted_endpoint() as scripted:
        yield scripted


@pytest.fixture(scope="session")
def scripted(
    tmp_path_factory: pytest.TempPathFactory, endpoint: support.ScriptedEndpoint
) -> Iterator[support.Running]:
    """`chappe demo` whose chat model is the scripted endpoint, with short time-outs."""
    folder: Path = tmp_path_factory.mktemp("scripted")
    support.place_corpora(folder)
    running = support.start(
        ["demo"],
        folder,
        CHAPPE_MODELS=f"scripted={endpoint.url}",
        CHAPPE_FIRST_BYTE_TIMEOUT="3",
        CHAPPE_INTER_TOKEN_TIMEOUT="3",
        CHAPPE_PROBE_INTERVAL="0.3",
    )
    running.wait_line(r"^ready ")
    running.key = running.wait_line(r"^key ").split()[1]
    running.wait_line("corpus loaded")
    yield running
    running.stop()


def _contents(running: support.Running) -> dict[str, object]:
    """What an operator may change, as it is now."""
    found = {}
    for name in _SHARED:
        request = urllib.request.Request(
            f"{running.url}/api/admin/{name}", headers={"authorization": f"Bearer {running.key}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found[name] = json.load(answer)
    return found


@pytest.fixture(autouse=True)
def _as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves the demonstration as it found it; one that changes it has its own."""
    if "demo" not in request.fixturenames:
        yield
        return
    running: support.Running = request.getfixturevalue("demo")
    before = _contents(running)
    yield
    assert _contents(running) == before, "the test changed an installation that others use"
