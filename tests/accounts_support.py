"""What the tests of accounts share."""

import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from chappe.core.connections import Connections
from chappe.gateway.accounts import Account, Accounts

JOURNAL_BYTES = 1 << 24


def new_account(**values: Any) -> Account:
    """An account as the gateway makes it."""
    return Account(
        **{
            "actor": "key",
            "operation": "chat.completions",
            "model": "m",
            "requested_model": "m",
            "streamed": False,
            "priority": "normal",
        }
        | values
    )


def random_account(chance: random.Random, **values: Any) -> Account:
    """An account with every figure filled in at random, or not."""
    account = new_account(
        model=chance.choice(("small", "large")), streamed=chance.random() < 0.5, **values
    )
    if chance.random() < 0.9:
        account.endpoint, account.site = chance.choice((("a", "rennes"), ("b", "lyon")))
    if chance.random() < 0.8:
        account.usage(chance.randrange(5000), chance.randrange(900), chance.randrange(100))
    if chance.random() < 0.2:
        account.sound(chance.random() * 100)
    account.queue_ms, account.duration_ms = chance.random() * 10, chance.random() * 3000
    account.energy_wh = chance.random()
    return account


@asynccontextmanager
async def running(
    url: str, folder: Path, replica: uuid.UUID | None = None
) -> AsyncIterator[Accounts]:
    """Accounts that are started, then stopped."""
    connections = Connections(url)
    await connections.open()
    accounts = Accounts(connections, folder, replica or uuid.uuid4(), max_bytes=JOURNAL_BYTES)
    await accounts.start()
    try:
        yield accounts
    finally:
        await accounts.stop()
        await connections.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connections]:
    """Connections that are opened, then closed."""
    connections = Connections(url)
    await connections.open()
    try:
        yield connections
    finally:
        await connections.close()


def query(url: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the database, by a connection of one's own."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values or None).fetchall()


SUMS = (
    "count(*), coalesce(sum(tokens_in), 0), coalesce(sum(tokens_cached), 0),"
    " coalesce(sum(tokens_out), 0)"
)


def totals(url: str) -> tuple[int, ...]:
    """Requests and tokens of all accounts, having checked that the hours add up to the same."""
    (rows,) = query(url, f"select {SUMS} from request_account")
    (hours,) = query(
        url,
        "select coalesce(sum(requests), 0), coalesce(sum(tokens_in), 0),"
        " coalesce(sum(tokens_cached), 0), coalesce(sum(tokens_out), 0) from usage_hour",
    )
    assert tuple(map(int, hours)) == tuple(map(int, rows))
    return tuple(map(int, rows))
