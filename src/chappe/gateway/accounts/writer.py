"""The task that writes settled accounts into the database in batches, or waits for it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

import psycopg

from chappe.core.connections import Connections
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.journal import Journal
from chappe.gateway.accounts.rows import write

log = logging.getLogger(__name__)

BATCH = 1000
_EVERY_SECONDS = 0.5
_PAUSES = (0.5, 1.0, 2.0, 5.0)


async def write_each(connections: Connections, rows: Sequence[bytes], aside: Aside) -> int:
    """Write accounts; one that the database can't store is set aside, not the others.

    Returns:
        How many are in the database.

    Raises:
        ChappeError: `database_unreachable`.
        psycopg.Error: the database refuses for another reason than the rows, such as a schema that
            isn't there yet.
    """
    try:
        await write(connections, rows)
        return len(rows)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if len(rows) == 1:
            aside.put(rows[0], str(error).partition("\n")[0])
            return 0
    half = len(rows) // 2
    return await write_each(connections, rows[:half], aside) + await write_each(
        connections, rows[half:], aside
    )


class Writer:
    """Writes a journal's settled accounts.

    Attributes:
        written: how many are in the database.
        behind_since: since when (monotonic) something has been waiting; None when nothing is.
    """

    def __init__(self, connections: Connections, journal: Journal, aside: Aside) -> None:
        self._connections = connections
        self._journal = journal
        self._aside = aside
        self._many = asyncio.Event()
        self._taken = 0
        self.written = 0
        self.behind_since: float | None = None

    def settled(self) -> None:
        """One more waits."""
        if self.behind_since is None:
            self.behind_since = time.monotonic()
        if self._journal.waiting - self._taken >= BATCH:
            self._many.set()

    async def run(self) -> None:
        """Write for ever: twice a second, or as soon as there is a batch."""
        failures = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._many.wait()
            self._many.clear()
            try:
                await self.write_all()
                if failures:
                    log.warning("accounts_written_again", extra={"written": self.written})
                failures = 0
            except Exception as error:
                # Whatever it is, the accounts stay in the journal, and it is tried again.
                if not failures:
                    extra = {"waiting": self._journal.waiting, "reason": str(error)}
                    log.warning("accounts_not_written", extra=extra)
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    async def write_all(self) -> None:
        """Write all that waits now.

        Raises:
            ChappeError, psycopg.Error: as :func:`write_each`; what isn't written stays.
        """
        last = False
        while self._journal.waiting and not last:
            taken_at = time.monotonic()
            batch = self._journal.take(BATCH)
            self._taken = len(batch.rows)
            try:
                self.written += await write_each(self._connections, batch.rows, self._aside)
                self._journal.done(batch)
            finally:
                self._taken = 0
            last = batch.last
            if not self._journal.waiting:
                self.behind_since = None
            elif last:
                self.behind_since = taken_at
