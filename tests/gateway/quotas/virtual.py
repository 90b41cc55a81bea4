"""Replicas on a real database whose clock, like theirs, is moved by the test."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import psycopg

from chappe.core.errors import ChappeError
from chappe.gateway.quotas import Limit, Quotas, Reservation, Work
from chappe.identity import Actor

Fault = Literal["none", "cut", "before_commit", "after_commit"]
ACTOR = Actor("key", frozenset({"models"}), key_id=uuid.uuid4(), organisation_id=uuid.uuid4())
BEGIN = 1_800_000_040.0
"""A moment 40 s after the beginning of a minute."""

CLOCK = """
    create table test_clock (moment double precision not null);
    insert into test_clock values (%s);
    create or replace function quota_now() returns timestamptz language sql volatile
        as 'select to_timestamp(moment) from test_clock';
"""


class World:
    """A database, its clock, and the network between it and each replica."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection
        self.moment = BEGIN

    @classmethod
    async def open(cls, url: str) -> "World":
        """Connect, and put the clock in the test's hands."""
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        await connection.execute(psycopg.sql.SQL(CLOCK.replace("%s", str(BEGIN))))  # type: ignore[arg-type]
        return cls(connection)

    async def reset(self) -> None:
        """No limit, no replica, and the first moment again."""
        await self.connection.execute("delete from quota_limit")
        await self.connection.execute("delete from gateway_replica")
        self.moment = BEGIN
        await self.advance(0)

    async def advance(self, seconds: float) -> None:
        """Time passes, for everybody."""
        self.moment += seconds
        await self.connection.execute("update test_clock set moment = %s", (self.moment,))

    async def add_limit(
        self, measure: str, period: str | None, amount: float, **more: Any
    ) -> Limit:
        """A limit on the whole installation."""
        fields = {"action": "refuse", "warn_at": 0.8} | more
        cursor = await self.connection.execute(
            "insert into quota_limit (subject_kind, measure, period, amount, action, warn_at)"
            " values ('installation', %s, %s, %s, %s, %s) returning id",
            (measure, period, amount, fields["action"], fields["warn_at"]),
        )
        row = await cursor.fetchone()
        assert row is not None
        return Limit(row[0], "installation", None, None, measure, period, amount, **fields)  # type: ignore[arg-type]

    async def leased(self, limit: Limit) -> float:
        """What the database counts as held of the newest window."""
        cursor = await self.connection.execute(
            "select leased from quota_window where limit_id = %s"
            " order by period_start desc limit 1",
            (limit.id,),
        )
        row = await cursor.fetchone()
        return row[0] if row else 0.0


class Link:
    """One replica's way to the database; `fault` says what is wrong with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fault: Fault = "none"
        self.latency = 0.0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """As `Connections.transaction`."""
        if self.fault == "cut":
            raise ChappeError("database_unreachable", 503, reason="")
        with contextlib.suppress(_Rollback):
            async with self.world.connection.transaction():
                yield self.world.connection
                if self.fault == "before_commit":
                    raise _Rollback
        if self.latency:
            await self.world.advance(self.latency)
        if self.fault != "none":
            raise ChappeError("database_unreachable", 503, reason="")


class _Rollback(Exception):
    pass


class Replica:
    """A replica whose background work the test does, step by step.

    Args:
        world: where it lives.
        origin: what its monotonic clock shows at the first moment.
        rate: how fast that clock goes.
    """

    def __init__(self, world: World, origin: float = 0.0, rate: float = 1.0) -> None:
        self.world = world
        self.link = Link(world)
        self.id = uuid.uuid4()
        self.quotas = Quotas(
            self.link,  # type: ignore[arg-type]
            self.id,
            monotonic=lambda: origin + (world.moment - BEGIN) * rate,
        )
        self.keeper = self.quotas._keeper

    async def beat(self) -> None:
        """A second's work: heartbeat, refills, returns."""
        self.keeper._tick()
        await self.keeper._beat()
        await self.keeper._work()

    async def request(self, work: Work, actor: Actor = ACTOR, model: str = "m") -> Reservation:
        """As the gateway does: without asking, else asking.

        Raises:
            ChappeError: refused.
        """
        reservation = self.quotas.try_reserve(self.quotas.cover(actor, model), work)
        if reservation is not None:
            return reservation
        task = asyncio.create_task(self.quotas.reserve(self.quotas.cover(actor, model), work))
        while not task.done():
            await asyncio.sleep(0)
            if self.keeper._waiters:
                await self.keeper._work()
            elif not task.done():
                await asyncio.sleep(0.001)
                await self.world.advance(0.01)
        return task.result()

    async def leave(self) -> None:
        """A clean stop."""
        await self.quotas.stop()
