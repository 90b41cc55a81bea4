"""Plain connections to the database, for what must be light and outlive it: the gateway."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from chappe.core.errors import ChappeError

log = logging.getLogger(__name__)

_WAIT_SECONDS = 3.0
_RECONNECT_SECONDS = 1.0

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Connections:
    """A small pool that goes on when the database goes away and comes back.

    Args:
        url: libpq address.
        most: most connections held at once.
    """

    def __init__(self, url: str, most: int = 4) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=most,
            open=False,
            timeout=_WAIT_SECONDS,
            # A host that is cut off must not hold a request for the kernel's quarter of an hour.
            kwargs={"connect_timeout": 5, "keepalives_idle": 5, "tcp_user_timeout": 10_000},
            check=AsyncConnectionPool.check_connection,
            reconnect_timeout=10,
        )
        self._listening: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin; doesn't wait for the database."""
        await self._pool.open()

    async def close(self) -> None:
        """Give every connection back."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on an error.

        Raises:
            ChappeError: `database_unreachable` when the server doesn't answer.
        """
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise ChappeError("database_unreachable", 503, reason="") from error

    def listen(self, channel: str, changed: Callable[[], None]) -> None:
        """Call `changed` at each notification of `channel`, and each time that we reconnect."""
        self._listening.append(asyncio.create_task(self._listen(channel, changed)))

    async def _listen(self, channel: str, changed: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(
                    self.url, autocommit=True, connect_timeout=5
                ) as connection:
                    await connection.execute(f"listen {channel}")
                    changed()
                    async for _ in connection.notifies():
                        changed()
            await asyncio.sleep(_RECONNECT_SECONDS)
