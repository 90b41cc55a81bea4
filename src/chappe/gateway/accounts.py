"""Accounts: one row for each request, opened before the engine works and settled exactly once.

A process that is killed leaves open rows. Each process holds an advisory lock on its instance id
for as long as it lives, so another can tell that it is dead, without a clock, and settles its rows
as `interrupted`.
"""

import asyncio
import logging
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal

import psycopg
from sqlalchemy import insert, text, update

from chappe.core import telemetry
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway.models import GatewayInstance, RequestAccount
from chappe.identity import Actor

Outcome = Literal["completed", "cancelled", "refused", "failed", "timed_out", "interrupted"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Account:
    """A request in progress, and what is known of it so far.

    Attributes:
        tokens_in, tokens_out: as the engine reported them (`tokens_origin` "engine"), or the
            content events that went by before the answer was cut ("counted", a lower bound).
        ttft_ms, duration_ms: milliseconds since the request was admitted.
    """

    model: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    started: float = field(default_factory=time.perf_counter)
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_origin: Literal["none", "engine", "counted"] = "none"
    ttft_ms: float | None = None
    settled: bool = False

    def first_token(self) -> None:
        """Note the time to first token, once."""
        if self.ttft_ms is None:
            self.ttft_ms = (time.perf_counter() - self.started) * 1000

    def usage(self, tokens_in: int | None, tokens_out: int | None) -> None:
        """Note the engine's own count."""
        self.tokens_in, self.tokens_out = tokens_in, tokens_out
        self.tokens_origin = "engine"

    def count_event(self) -> None:
        """Note one event with content, unless the engine has reported."""
        if self.tokens_origin != "engine":
            self.tokens_out = (self.tokens_out or 0) + 1
            self.tokens_origin = "counted"


class Accounts:
    """Writes the accounts of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._instance = secrets.randbits(62)
        self._lock: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._settling: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Register this process and settle what dead ones left open; gives the number settled."""
        self._lock = await psycopg.AsyncConnection.connect(self._database.url, autocommit=True)
        await self._lock.execute("select pg_advisory_lock(%s)", (self._instance,))
        async with self._database.session() as session:
            await session.execute(insert(GatewayInstance).values(id=self._instance))
        return await self.settle_dead()

    async def settle_dead(self) -> int:
        """Settle the open rows of processes that no longer live; gives their number."""
        async with self._database.session() as session:
            dead = await session.scalars(
                text(
                    "select id from gateway_instance"
                    " where id <> :own and pg_try_advisory_xact_lock(id)"
                ),
                {"own": self._instance},
            )
            identifiers = list(dead)
            rows = await session.scalars(
                update(RequestAccount)
                .where(
                    RequestAccount.instance_id.in_(identifiers), RequestAccount.outcome == "open"
                )
                .values(outcome="interrupted", error="the serving process ended")
                .returning(RequestAccount.id)
            )
            count = len(rows.all())
            await session.execute(
                text("delete from gateway_instance where id = any(:ids)"), {"ids": identifiers}
            )
        return count

    async def open(self, account: Account, actor: Actor, operation: str, streamed: bool) -> None:
        """Write the account of a request that is about to be forwarded."""
        telemetry.MODEL_IN_FLIGHT.labels(account.model).inc()
        async with self._database.session() as session:
            await session.execute(
                insert(RequestAccount).values(
                    id=account.id,
                    instance_id=self._instance,
                    actor=actor.kind,
                    key_id=actor.key_id,
                    operation=operation,
                    model=account.model,
                    streamed=streamed,
                )
            )

    async def settle(self, account: Account, outcome: Outcome, error: str | None = None) -> None:
        """Settle an account, once; goes on to its end even if the caller is cancelled."""
        if account.settled:
            return
        account.settled = True
        telemetry.MODEL_IN_FLIGHT.labels(account.model).dec()
        telemetry.MODEL_REQUESTS.labels(account.model, outcome).inc()
        if account.ttft_ms is not None:
            telemetry.MODEL_TTFT.labels(account.model).observe(account.ttft_ms / 1000)
        for direction, tokens in (("in", account.tokens_in), ("out", account.tokens_out)):
            if tokens and account.tokens_origin == "engine":
                telemetry.MODEL_TOKENS.labels(account.model, direction).inc(tokens)
        task = asyncio.create_task(self._write(account, outcome, error))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    async def _write(self, account: Account, outcome: Outcome, error: str | None) -> None:
        duration = (time.perf_counter() - account.started) * 1000
        for attempt in range(5):
            try:
                async with self._database.session() as session:
                    await session.execute(
                        update(RequestAccount)
                        .where(RequestAccount.id == account.id, RequestAccount.outcome == "open")
                        .values(
                            outcome=outcome,
                            tokens_in=account.tokens_in,
                            tokens_out=account.tokens_out,
                            tokens_origin=account.tokens_origin,
                            ttft_ms=account.ttft_ms,
                            duration_ms=duration,
                            error=error,
                        )
                    )
                return
            except ChappeError:
                # The database is away. The row stays open and is settled as interrupted at the
                # next start if it doesn't come back in time.
                log.warning("account_not_settled", extra={"account": account.id, "try": attempt})
                await asyncio.sleep(0.2 * 2**attempt)

    async def stop(self) -> None:
        """Wait for the settlements under way, and leave."""
        if self._settling:
            await asyncio.wait(self._settling, timeout=10)
        async with self._database.session() as session:
            open_rows = await session.scalar(
                text(
                    "select count(*) from request_account"
                    " where instance_id = :own and outcome = 'open'"
                ),
                {"own": self._instance},
            )
            if not open_rows:
                await session.execute(
                    text("delete from gateway_instance where id = :own"), {"own": self._instance}
                )
        if self._lock is not None:
            await self._lock.close()
