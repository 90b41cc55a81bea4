"""Who works on which document: advisory locks of PostgreSQL on one connection of the worker's.

A worker that dies, however it dies, loses its connection and with it its claims: the next worker
takes its documents up at once, without clocks or heartbeats.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.connections import Connection

# The upper half of the locks' 64 bits; the lower half is the document's number.
_SPACE = 0x43485044 << 32
_CANDIDATES = 100
# Held, shared, by every worker as long as it lives.
_ALIVE = _SPACE | 0xFFFFFFFF

_NEXT = """
    select d.id, d.number, d.collection_id, d.state, d.attempts, d.awaits
    from document d
    where d.awaits is not null and d.awaits_from <= now() and d.state = any(%(states)s)
        and d.number <> all(%(held)s)
    order by d.awaits, d.number limit %(limit)s
"""
_STILL = "select d.state from document d where d.number = %s and d.awaits is not null"


@dataclass(frozen=True, slots=True)
class Claim:
    """A document that this process alone works on."""

    id: uuid.UUID
    number: int
    collection_id: int
    state: str
    attempts: int
    awaits: int


async def somebody_works(session: AsyncSession) -> bool:
    """Is there a worker alive, in whatever process."""
    found = await session.scalar(
        text("""
            select exists (select from pg_locks where locktype = 'advisory' and granted
                and database = (select oid from pg_database where datname = current_database())
                and classid = cast(:high as bigint)::oid and objid = cast(:low as bigint)::oid)
        """),
        {"high": _ALIVE >> 32, "low": _ALIVE & 0xFFFFFFFF},
    )
    return bool(found)


class Claims:
    """The claims of one process.

    Args:
        url: libpq address.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._held: set[int] = set()
        self._turn = asyncio.Lock()

    async def take(self, states: Sequence[str], most: int = 1) -> list[Claim]:
        """Claim the documents in these states that await something, the most urgent first.

        Raises:
            psycopg.OperationalError: the database is away; what was claimed may be another's now.
        """
        async with self._turn:
            connection = await self._connected()
            values = {
                "states": list(states),
                "held": list(self._held),
                "limit": _CANDIDATES + most,
            }
            rows = await (await connection.execute(_NEXT, values)).fetchall()
            taken: list[Claim] = []
            for row in rows:
                if len(taken) == most:
                    break
                claim = Claim(*row)
                if await self._lock(connection, claim):
                    taken.append(claim)
            return taken

    async def _lock(self, connection: Connection, claim: Claim) -> bool:
        key = _SPACE | claim.number
        got = await (await connection.execute("select pg_try_advisory_lock(%s)", (key,))).fetchone()
        if got is None or not got[0]:
            return False
        # Between the list and the lock another may have finished it.
        still = await (await connection.execute(_STILL, (claim.number,))).fetchone()
        if still is None or still[0] != claim.state:
            await connection.execute("select pg_advisory_unlock(%s)", (key,))
            return False
        self._held.add(claim.number)
        return True

    @property
    def held(self) -> list[int]:
        """Numbers of the documents that are claimed."""
        return sorted(self._held)

    @contextlib.asynccontextmanager
    async def working(self, *claims: Claim) -> AsyncIterator[None]:
        """Give claims back at the end of the block; whoever is cancelled in it keeps them."""
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException:
            await self._release(claims)
            raise
        await self._release(claims)

    async def _release(self, claims: Sequence[Claim]) -> None:
        async with self._turn:
            self._held.difference_update(claim.number for claim in claims)
            if self._connection is not None and not self._connection.closed:
                keys = [_SPACE | claim.number for claim in claims]
                await self._connection.execute(
                    "select pg_advisory_unlock(k) from unnest(%s::bigint[]) k", (keys,)
                )

    async def close(self) -> None:
        """Give everything back."""
        async with self._turn:
            self._held.clear()
            if self._connection is not None:
                await self._connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._held.clear()
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=5
            )
            await self._connection.execute("select pg_advisory_lock_shared(%s)", (_ALIVE,))
        return self._connection
