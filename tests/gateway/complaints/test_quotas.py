"""What users of other gateways suffer from, about limits: each a test here.

Cancellations that leak slots (LiteLLM PR #28160) and owners who raise their own budget (#37052) are
in `test_gateway`, through the whole gateway.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas import Limit, Quotas, Reservation, Work
from chappe.identity import Actor

ACTOR = Actor("key", frozenset({"models"}), key_id=uuid.uuid4())


@pytest.fixture
async def gateways(database_url: str) -> AsyncIterator[list[Quotas]]:
    """Three replicas on one database, each with its own connections and its own heartbeat."""
    all_connections = [Connections(database_url) for _ in range(3)]
    made = [Quotas(connections, uuid.uuid4()) for connections in all_connections]
    for connections, quotas in zip(all_connections, made, strict=True):
        await connections.open()
        await quotas.start()
    yield made
    for connections, quotas in zip(all_connections, made, strict=True):
        await quotas.stop()
        await connections.close()


def add_limit(url: str, measure: str, period: str | None, amount: float) -> Limit:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "insert into quota_limit (subject_kind, measure, period, amount)"
            " values ('installation', %s, %s, %s) returning id",
            (measure, period, amount),
        ).fetchone()
    assert row is not None
    return Limit(row[0], "installation", None, None, measure, period, amount)  # type: ignore[arg-type]


async def reserve(quotas: Quotas, work: Work) -> Reservation | None:
    """None: refused because the limit is reached."""
    try:
        cover = quotas.cover(ACTOR, "m")
        return quotas.try_reserve(cover, work) or await quotas.reserve(cover, work)
    except ChappeError as error:
        assert error.code == "quota_exceeded"
        return None


async def test_litellm_40291_limits_are_not_multiplied_by_replicas(
    gateways: list[Quotas], database_url: str
) -> None:
    """A day's 300 requests, and 9 at once, are so many for three replicas together."""
    limits = [
        add_limit(database_url, "requests", "day", 300),
        add_limit(database_url, "concurrency", None, 9),
    ]
    for quotas in gateways:
        quotas.set_limits(limits)
    at_once = await asyncio.gather(*(reserve(q, Work()) for _ in range(20) for q in gateways))
    kept = [(gateways[n % 3], r) for n, r in enumerate(at_once) if r is not None]
    assert len(kept) == 9
    for quotas, reservation in kept:
        quotas.settle(reservation, Work())
    admitted = len(kept)
    for _ in range(100):
        for quotas in gateways:
            for _ in range(10):
                reservation = await reserve(quotas, Work())
                if reservation is not None:
                    admitted += 1
                    quotas.settle(reservation, Work())
        if admitted >= 300:
            break
        await asyncio.sleep(0.1)
    assert admitted == 300
    assert [await reserve(quotas, Work()) for quotas in gateways] == [None] * 3


async def test_opengatellm_what_is_read_and_then_charged_cannot_race(
    gateways: list[Quotas], database_url: str
) -> None:
    """A thousand requests that arrive before any has been charged don't all pass."""
    limit = add_limit(database_url, "tokens", "day", 10_000)
    for quotas in gateways:
        quotas.set_limits([limit])
    work = Work(50, 50)
    answers = await asyncio.gather(
        *(reserve(quotas, work) for _ in range(340) for quotas in gateways)
    )
    admitted = [answer for answer in answers if answer is not None]
    assert 90 <= len(admitted) <= 100
    with psycopg.connect(database_url) as connection:
        leased = connection.execute("select leased from quota_window").fetchone()
    assert leased is not None and 100 * len(admitted) <= leased[0] <= 10_000
