"""Single statements that only read, on connections kept for them.

A session asks whether its connection still lives, begins and commits: four round trips and 0.8 ms
of processor where a search has two statements to read. Here a statement is its own transaction, and
a connection that turns out to be dead is replaced.
"""

import asyncio
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from chappe.core.errors import ChappeError

Row = Any
"""A named tuple: the columns of the statement are its attributes."""

_MOST = 4
_WAIT_SECONDS = 10.0

_Connection = psycopg.AsyncConnection[Row]


class Reads:
    """Reads one database. ``url``: libpq address; ``most``: connections held at once."""

    def __init__(self, url: str, most: int = _MOST) -> None:
        self._url = url
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(most)

    async def __call__(self, statement: str, **values: object) -> list[Row]:
        """The rows of a statement; its parameters stand as ``%(name)s``.

        Raises:
            ChappeError: `database_unreachable` when the server doesn't answer.
        """
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise ChappeError("database_unreachable", 503, reason="") from error
        try:
            return await self._read(statement, values)
        except psycopg.OperationalError as error:
            raise ChappeError("database_unreachable", 503, reason="") from error
        finally:
            self._free.release()

    async def _read(self, statement: str, values: dict[str, object]) -> list[Row]:
        if self._idle:
            try:
                return await self._rows(self._idle.pop(), statement, values)
            except psycopg.OperationalError:
                # Where the server was restarted, none of them lives; reading twice does no harm.
                await self.close()
        return await self._rows(await self._connect(), statement, values)

    async def _rows(
        self, connection: _Connection, statement: str, values: dict[str, object]
    ) -> list[Row]:
        try:
            cursor = await connection.execute(statement, values)
            rows = await cursor.fetchall()
        except BaseException:
            # Whatever it was in the middle of, nobody else gets it.
            await connection.close()
            raise
        self._idle.append(connection)
        return rows

    async def _connect(self) -> _Connection:
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            row_factory=namedtuple_row,
            connect_timeout=5,
            keepalives_idle=5,
            tcp_user_timeout=10_000,
        )

    async def close(self) -> None:
        """Give every connection back."""
        while self._idle:
            await self._idle.pop().close()
