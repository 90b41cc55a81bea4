"""The accounts of this process: journal, writer, and taking over what dead processes left."""

import asyncio
import logging
import os
import shutil
import time
import uuid
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chappe.core import telemetry
from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.accounts.account import Account, Outcome
from chappe.gateway.accounts.journal import (
    Journal,
    Waiting,
    lock_folder,
    read_folder,
    remove_folder,
)
from chappe.gateway.accounts.rows import prepare_months, write

log = logging.getLogger(__name__)

_BATCH = 1000
_EVERY_SECONDS = 0.5
_MOST_IN_MEMORY = 5_000
_AWAY_SECONDS = (0.5, 1.0, 2.0, 5.0)
_TAKE_OVER_SECONDS = 15.0
_MONTHS_SECONDS = 6 * 3600.0


class Accounts(Collector):
    """Opens and settles accounts, and writes them into the database.

    Args:
        connections: the database.
        data_dir: where the journals lie.
        replica: this process's identifier.
        max_bytes: most that the journal may take.
    """

    def __init__(
        self, connections: Connections, data_dir: Path, replica: uuid.UUID, max_bytes: int
    ) -> None:
        self._connections = connections
        self._root = data_dir / "journal"
        self._replica = replica
        self._max_bytes = max_bytes
        self._journal: Journal | None = None
        self._waiting: Waiting = deque()
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = 0
        self._written = 0
        self._refused = 0
        self._set_aside = 0
        self._oldest = 0.0

    async def start(self) -> None:
        """Begin; what dead processes of this machine left is written first, if that is possible."""
        self._journal = Journal(self._root / str(self._replica), self._max_bytes)
        telemetry.replace("accounts", self)
        try:
            await prepare_months(self._connections)
            await self.take_over()
        except ChappeError:
            log.warning("accounts_wait_for_database")
        self._tasks = [
            asyncio.create_task(self._write_for_ever()),
            asyncio.create_task(self._take_over_for_ever()),
        ]

    def open(self, account: Account) -> None:
        """Open the account of a request that is admitted.

        Raises:
            ChappeError: `accounts_full` (503).
        """
        assert self._journal is not None
        try:
            self._journal.opened(account)
        except ChappeError:
            self._refused += 1
            raise
        self._open += 1

    def settle(
        self,
        account: Account,
        outcome: Outcome,
        error: str | None = None,
        status: int | None = None,
    ) -> None:
        """Settle an account; once."""
        if account.outcome:
            return
        assert self._journal is not None
        account.outcome, account.error, account.status = outcome, error, status
        place = self._journal.settled(account)
        self._open -= 1
        waiting = self._waiting
        if not waiting:
            self._oldest = time.monotonic()
        # Beyond a few thousand, only the place is kept: the journal is the memory.
        waiting.append((account if len(waiting) < _MOST_IN_MEMORY else None, place))
        if len(waiting) == _BATCH:
            self._some.set()

    def lag(self) -> tuple[int, float]:
        """Accounts not yet in the database, and the age in seconds of the oldest."""
        count = len(self._waiting)
        return count, time.monotonic() - self._oldest if count else 0.0

    async def stop(self) -> None:
        """Write what is left; what can't be written stays in the journal for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._journal is None:
            return
        try:
            while self._waiting:
                await self._write_some()
        except ChappeError:
            log.warning("accounts_left_in_journal", extra={"count": len(self._waiting)})
        self._journal.close(clean=not self._waiting and not self._open)
        self._journal = None

    # Writing

    async def _write_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._some.wait()
            except TimeoutError:
                pass
            self._some.clear()
            try:
                while self._waiting:
                    await self._write_some()
                failures = 0
            except ChappeError:
                if not failures:
                    log.warning("accounts_wait_for_database", extra={"count": len(self._waiting)})
                await asyncio.sleep(_AWAY_SECONDS[min(failures, len(_AWAY_SECONDS) - 1)])
                failures += 1

    async def _write_some(self) -> None:
        """Write the oldest accounts, at most a batch.

        Raises:
            ChappeError: `database_unreachable`; they stay where they are.
        """
        journal = self._journal
        assert journal is not None
        began = time.monotonic()
        places = [self._waiting[i] for i in range(min(_BATCH, len(self._waiting)))]
        accounts = [account or journal.read(place) for account, place in places]
        await self._write_batch(accounts)
        for account, (_, place) in zip(accounts, places, strict=True):
            self._waiting.popleft()
            journal.written(account, place[0])
        self._oldest = began

    async def _write_batch(self, accounts: list[Account]) -> None:
        try:
            await write(self._connections, accounts)
            self._written += len(accounts)
        except psycopg.Error:
            if len(accounts) == 1:
                self._put_aside(accounts[0])
                return
            # One row that can't be stored must not keep the others out.
            half = len(accounts) // 2
            await self._write_batch(accounts[:half])
            await self._write_batch(accounts[half:])

    def _put_aside(self, account: Account) -> None:
        self._set_aside += 1
        file = self._root / "set-aside.jsonl"
        log.error("account_set_aside", extra={"account": str(account.id), "file": str(file)})
        with file.open("ab") as output:
            output.write(msgspec.json.encode(account) + b"\n")

    # Taking over

    async def _take_over_for_ever(self) -> None:
        months_at = time.monotonic()
        while True:
            await asyncio.sleep(_TAKE_OVER_SECONDS)
            try:
                await self.take_over()
                if time.monotonic() - months_at > _MONTHS_SECONDS:
                    await prepare_months(self._connections)
                    months_at = time.monotonic()
            except ChappeError:
                continue  # told by the writer; tried again

    async def take_over(self) -> int:
        """Write what dead processes of this machine left; gives how many never ended.

        Raises:
            ChappeError: `database_unreachable`.
        """
        interrupted = 0
        for folder in sorted(self._root.iterdir()):
            own = folder.name == str(self._replica)
            if own or folder.name.startswith(".") or not folder.is_dir():
                continue
            lock = lock_folder(folder)
            if lock is None:
                continue
            try:
                interrupted += await self._replay(folder)
            finally:
                os.close(lock)
        if interrupted:
            log.warning("accounts_interrupted", extra={"count": interrupted})
        return interrupted

    async def _replay(self, folder: Path) -> int:
        batch: list[Account] = []
        interrupted = 0
        for account in await asyncio.to_thread(lambda: list(read_folder(folder))):
            if not account.outcome:
                account.outcome, account.error = "interrupted", "the serving process ended"
                interrupted += 1
            batch.append(account)
            if len(batch) == _BATCH:
                await self._write_batch(batch)
                batch = []
        if batch:
            await self._write_batch(batch)
        async with self._connections.transaction() as connection:
            try:
                identifier = uuid.UUID(folder.name)
            except ValueError:
                log.error("not_a_journal", extra={"folder": folder.name})
                return interrupted
            await connection.execute("delete from gateway_replica where id = %s", (identifier,))
        remove_folder(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return interrupted

    def collect(self) -> Iterable[Metric]:
        """Figures for a scrape."""
        count, age = self.lag()
        for name, text, value in (
            ("chappe_accounts_written", "Accounts written to the database", self._written),
            ("chappe_accounts_refused", "Requests refused: the journal is full", self._refused),
            ("chappe_accounts_set_aside", "Accounts that can't be stored", self._set_aside),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield GaugeMetricFamily("chappe_accounts_waiting", "Not yet written", value=count)
        yield GaugeMetricFamily("chappe_accounts_lag_seconds", "Age of the oldest", value=age)
