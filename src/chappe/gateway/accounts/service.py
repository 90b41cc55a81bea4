"""The accounts of this process: opened and settled at once, written when the database is there."""

import asyncio
import logging
import time
import uuid
from pathlib import Path

import psycopg

from chappe.core import telemetry
from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.accounts.account import Account, Outcome
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.journal import Journal
from chappe.gateway.accounts.metrics import AccountsMetrics
from chappe.gateway.accounts.months import prepare_months
from chappe.gateway.accounts.takeover import Takeover, take_over
from chappe.gateway.accounts.writer import Writer

log = logging.getLogger(__name__)

_TAKE_OVER_SECONDS = 15.0
_MONTHS_SECONDS = 3600.0
_ERROR_CHARACTERS = 300


class Accounts:
    """Opens and settles accounts, and writes them into the database.

    Args:
        connections: the database.
        data_dir: where the journals lie; on a disk of this machine.
        replica_id: this process's identifier.
        max_bytes: most that the journal may take.
        synchronise_seconds: how often the journal is forced to the disk, against power cuts; None
            leaves it to the kernel. A process that is killed loses nothing either way.

    Attributes:
        refused: requests that weren't admitted since the journal was full.
        interrupted: accounts of dead processes that this one settled.
    """

    def __init__(
        self,
        connections: Connections,
        data_dir: Path,
        replica_id: uuid.UUID,
        max_bytes: int = 1 << 30,
        synchronise_seconds: float | None = None,
    ) -> None:
        self._connections = connections
        self._root = data_dir / "journal"
        self._replica_id = replica_id
        self._max_bytes = max_bytes
        self._synchronise_seconds = synchronise_seconds
        self._aside = Aside(self._root)
        self._journal: Journal | None = None
        self._writer: Writer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.refused = 0
        self.interrupted = 0

    # Life

    async def start(self) -> None:
        """Begin, whether the database is there or not.

        Raises:
            OSError: the journal's folder can't be made.
        """
        self._journal = Journal(self._root / str(self._replica_id), self._max_bytes)
        self._writer = Writer(self._connections, self._journal, self._aside)
        telemetry.replace("accounts", AccountsMetrics(self))
        self._tasks = [asyncio.create_task(self._writer.run()), asyncio.create_task(self._keep())]
        if self._synchronise_seconds is not None:
            every = self._synchronise_seconds
            self._tasks.append(asyncio.create_task(self._synchronise(every)))

    async def stop(self) -> None:
        """Settle what is open as interrupted, and write all.

        What can't be written, since the database is away, stays in the journal for the next start.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        journal, writer = self._journal, self._writer
        if journal is None or writer is None:
            return
        for account in journal.unsettled():
            self.settle(account, "interrupted", "the gateway was stopped")
        self._journal = None
        try:
            await writer.write_all()
        except (ChappeError, psycopg.Error):
            log.warning("accounts_left_in_journal", extra={"count": journal.waiting})
        journal.close()

    async def _keep(self) -> None:
        """Take over from the dead, and have the months' partitions ready, for ever."""
        months_at: float | None = None
        while True:
            try:
                await self.take_over()
                if months_at is None or time.monotonic() - months_at > _MONTHS_SECONDS:
                    await prepare_months(self._connections)
                    months_at = time.monotonic()
            except Exception as error:
                log.warning("accounts_keeping_postponed", extra={"reason": str(error)})
            await asyncio.sleep(_TAKE_OVER_SECONDS)

    async def _synchronise(self, seconds: float) -> None:
        while self._journal is not None:
            await self._journal.synchronise()
            await asyncio.sleep(seconds)

    async def take_over(self) -> Takeover:
        """Write what dead processes of this machine left.

        Raises:
            ChappeError, psycopg.Error: the database can't take it now.
        """
        taken = await take_over(self._connections, self._root, self._aside)
        self.interrupted += taken.interrupted
        return taken

    # Requests

    def open(self, account: Account) -> None:
        """Open the account of a request that is admitted, before anything is sent.

        Raises:
            ChappeError: `accounts_full` (503): nothing is served that can't be accounted for; also
                when the accounts aren't started or are stopped.
        """
        if self._journal is None:
            raise ChappeError("accounts_full", 503)
        try:
            self._journal.opened(account)
        except ChappeError:
            self.refused += 1
            raise

    def settle(
        self,
        account: Account,
        outcome: Outcome,
        error: str | None = None,
        status: int | None = None,
    ) -> None:
        """Settle an account, once: what comes after is passed over. Never waits."""
        if account.outcome or self._journal is None or account.segment < 0:
            return
        account.outcome, account.status = outcome, status
        if error is not None:
            # Neither PostgreSQL's text nor JSON takes these; an engine's message may have them.
            text = error[:_ERROR_CHARACTERS].replace("\0", "")
            account.error = text.encode(errors="replace").decode()
        self._journal.settled(account)
        assert self._writer is not None
        self._writer.settled()

    # Figures

    def lag(self) -> tuple[int, float]:
        """Accounts that are settled and not yet in the database, and since how many seconds."""
        if self._journal is None or self._writer is None or self._writer.behind_since is None:
            return 0, 0.0
        return self._journal.waiting, time.monotonic() - self._writer.behind_since

    @property
    def written(self) -> int:
        """Accounts of this process that are in the database."""
        return self._writer.written if self._writer else 0

    @property
    def set_aside(self) -> int:
        """Accounts that the database couldn't store."""
        return self._aside.count

    @property
    def under_way(self) -> int:
        """Accounts that are open."""
        return self._journal.open if self._journal else 0

    @property
    def journal_bytes(self) -> int:
        """What the journal takes on the disk."""
        return self._journal.size if self._journal else 0
