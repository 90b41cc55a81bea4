"""Runs batches in a gateway process, beside its other work. Any replica goes on where one died.

What a replica works on is taken for a short time and renewed. An answer and the count of its batch
are written in one transaction, and only where there is none yet: each item stands once in the
results. One whose process died in the middle runs again: its model may be asked twice, and both
requests are in the accounts.
"""

import asyncio
import contextlib
import dataclasses
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from typing import Protocol

import psycopg

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.batches import batch as batches
from chappe.gateway.batches import files, items
from chappe.gateway.batches.batch import Batch
from chappe.gateway.batches.blobs import Blobs
from chappe.gateway.batches.items import Item
from chappe.gateway.batches.lane import Lane
from chappe.gateway.batches.stages import CheckModel, Stages
from chappe.gateway.batches.verdict import MOST_BEGUN, Answer, Later, judge, judge_error
from chappe.gateway.catalogue import Kind
from chappe.gateway.http.request import KINDS, OPERATIONS, Operation
from chappe.identity import Actor, require
from chappe.identity.lookup import actor_of_key

log = logging.getLogger(__name__)

_POLL_SECONDS = 5.0
_LEASE_SECONDS = 30.0
_UPKEEP_SECONDS = 5.0
_SWEEP_SECONDS = 3600.0
_AGAIN_SECONDS = 30.0
_ACTOR_SECONDS = 5.0
Key = tuple[str, int]


class Door(Protocol):
    """The gateway, as far as batches need it."""

    @property
    def connections(self) -> Connections:
        """The database."""

    @property
    def replica_id(self) -> uuid.UUID:
        """This process."""

    def route(self, name: str, kind: Kind, actor: Actor) -> object:
        """Raises a ChappeError where `actor` may not ask the model."""

    def call(
        self, actor: Actor, operation: Operation, body: bytes
    ) -> Awaitable[tuple[int, bytes, str, float | None]]:
        """Ask a model when nobody else waits.

        Gives status, answer, the request's identifier, and seconds to try again after if any.
        """


class Runner:
    """Validates, runs and finishes batches.

    Args:
        door: where requests go.
        blobs: where files are.
        line_bytes: longest line of an input file.
        most: requests under way at once.
        most_each: of one batch.
    """

    def __init__(
        self, door: Door, blobs: Blobs, line_bytes: int, most: int = 64, most_each: int = 32
    ) -> None:
        self._door = door
        self._blobs = blobs
        self._most = most
        self._most_each = most_each
        self._me = door.replica_id
        # Its own, so that thousands of items don't keep anybody's key waiting.
        self._connections = Connections(door.connections.url, most=3)
        self._stages = Stages(self._connections, blobs, self._me, line_bytes)
        self._lanes: dict[str, Lane] = {}
        self._owners: dict[str, uuid.UUID] = {}
        self._working: dict[Key, asyncio.Task[None]] = {}
        self._actors: dict[uuid.UUID, tuple[float, Actor | None]] = {}
        self._stage: asyncio.Task[None] | None = None
        self._staged: str | None = None
        self._wake = asyncio.Event()
        self._told = True
        self._kept_at = self._swept_at = 0.0
        self._task: asyncio.Task[None] | None = None

    # Life

    def start(self) -> None:
        """Begin; doesn't wait for the database."""
        self._connections.listen(batches.CHANNEL, self._notified)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what was taken is free at once."""
        tasks = [task for task in (self._task, self._stage, *self._working.values()) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._task is not None:
            try:
                async with self._connections.transaction() as connection:
                    await items.give_back(connection, self._me)
            except ChappeError as error:
                log.warning("batch_not_given_back", extra={"reason": error.code})
        await self._connections.close()

    def _notified(self) -> None:
        self._told = True
        self._wake.set()

    async def _run(self) -> None:
        await self._connections.open()
        while True:
            self._wake.clear()
            try:
                wait = await self._turn(time.monotonic())
            except (ChappeError, psycopg.Error) as error:
                log.warning("batches_wait", extra={"reason": str(error)})
                wait = _POLL_SECONDS
            except Exception as error:
                log.error("batches", exc_info=error)
                wait = _POLL_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def _turn(self, now: float) -> float:
        """Do what is to be done; gives the seconds after which to look again."""
        if self._told or now - self._kept_at >= _UPKEEP_SECONDS:
            self._told, self._kept_at = False, now
            await self._keep_up()
            await self._begin_stage()
        if now - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = now
            await self.sweep()
        return await self._begin_items(now)

    async def _keep_up(self) -> None:
        """Renew what was taken, stop what is over, end what is late."""
        async with self._connections.transaction() as connection:
            if await batches.expire(connection):
                await batches.notify(connection)
            working = set(self._working)
            kept = await items.renew(connection, self._me, working, _LEASE_SECONDS)
            if self._staged is not None:
                await connection.execute(
                    "update batch set taken_until = now() + make_interval(secs => %s)"
                    " where id = %s and taken_by = %s",
                    (_LEASE_SECONDS, self._staged, self._me),
                )
            under_way = await items.under_way(connection, list(self._lanes))
        for name in self._lanes.keys() - under_way - {name for name, _ in self._working}:
            del self._lanes[name], self._owners[name]
        for key in working - kept:
            if (task := self._working.get(key)) is not None:
                task.cancel()

    async def sweep(self) -> None:
        """Remove files that are past their time."""
        async with self._connections.transaction() as connection:
            past = await files.past(connection)
        for file in past:
            await self._blobs.delete(file.blob)
            async with self._connections.transaction() as connection:
                await files.forget(connection, file.id)

    # Validating and finishing

    async def _begin_stage(self) -> None:
        if self._stage is not None:
            return
        async with self._connections.transaction() as connection:
            batch = await batches.take(connection, self._me, _LEASE_SECONDS)
        if batch is not None:
            self._staged = batch.id
            self._stage = asyncio.create_task(self._run_stage(batch))

    async def _run_stage(self, batch: Batch) -> None:
        wait = 0.0
        try:
            if batch.status == "validating":
                await self._stages.validate(batch, await self._check_model(batch))
            else:
                await self._stages.finish(batch)
        except ChappeError as error:
            log.warning("batch_postponed", extra={"batch": batch.id, "reason": error.code})
            wait = _AGAIN_SECONDS
        except Exception as error:
            log.error("batch_postponed", extra={"batch": batch.id}, exc_info=error)
            wait = _AGAIN_SECONDS
        finally:
            self._stage = self._staged = None
            self._notified()
        try:
            async with self._connections.transaction() as connection:
                await batches.give_back(connection, self._me, batch.id, wait)
        except ChappeError:
            return  # free when its time is past

    async def _check_model(self, batch: Batch) -> CheckModel | None:
        actor = await self._actor(batch.key_id, batch.level)
        if actor is None:
            return None
        kind = KINDS[OPERATIONS[batch.endpoint]]

        def check(model: str) -> ChappeError | None:
            try:
                self._door.route(model, kind, actor)
            except ChappeError as error:
                return error
            return None

        return check

    # Items

    async def _begin_items(self, now: float) -> float:
        """Take as many items as there is room for; gives when there may be more."""
        async with self._connections.transaction() as connection:
            waiting = await items.waiting(connection)
        wait = _POLL_SECONDS
        busy = Counter(self._owners[name] for name, _ in self._working)
        # Organisations that have the fewest under way come first.
        waiting.sort(key=lambda found: (busy[found[1]], random.random()))  # noqa: S311
        for name, owner in waiting:
            room = self._most - len(self._working)
            lane = self._lanes.setdefault(name, Lane(self._most_each))
            self._owners[name] = owner
            free = min(lane.free(now), -(-room // len(waiting)))
            if lane.resumes_at > now:
                wait = min(wait, lane.resumes_at - now)
            if free <= 0:
                continue
            async with self._connections.transaction() as connection:
                taken = await items.take(connection, self._me, name, free, _LEASE_SECONDS)
            for item in taken:
                self._begin(item, lane)
        return wait

    def _begin(self, item: Item, lane: Lane) -> None:
        key = item.batch_id, item.ordinal
        lane.running += 1
        self._working[key] = task = asyncio.create_task(self._work(item, lane))
        task.add_done_callback(partial(self._done, key, lane))

    def _done(self, key: Key, lane: Lane, task: asyncio.Task[None]) -> None:
        lane.running -= 1
        del self._working[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            # Taken again when its time is past, a few times at most.
            log.error("batch_item", extra={"batch": key[0]}, exc_info=error)
        self._wake.set()

    async def _work(self, item: Item, lane: Lane) -> None:
        """One request, until its answer is written or it is put off."""
        verdict = await self._ask(item)
        if isinstance(verdict, Later):
            wait = lane.refused(time.monotonic(), verdict.retry_after)
            await self._put_off(item, wait, verdict.counted)
        else:
            lane.answered()
            await self._record(item, verdict)

    async def _ask(self, item: Item) -> Answer | Later:
        try:
            if item.attempts > MOST_BEGUN:
                # It may well be what ends them.
                raise ChappeError("batch_item_interrupted", 500, attempts=MOST_BEGUN)
            actor = await self._actor(item.key_id, item.level)
            if actor is None:
                raise ChappeError("key_invalid", 401)
            require(actor, "models")
            answer = await self._door.call(actor, OPERATIONS[item.endpoint], item.body)
        except ChappeError as error:
            return judge_error(error, item.attempts)
        except Exception as error:
            # One request that breaks something must not stop the others.
            log.error("batch_item", extra={"batch": item.batch_id}, exc_info=error)
            return judge_error(
                ChappeError("internal", 500, request_id=item.batch_id), item.attempts
            )
        return judge(*answer, attempts=item.attempts)

    async def _actor(self, key_id: uuid.UUID, level: int) -> Actor | None:
        """For whom a key acts now, with at least the batch's sensitivity; None: not valid."""
        known = self._actors.get(key_id)
        if known is None or time.monotonic() - known[0] >= _ACTOR_SECONDS:
            async with self._connections.transaction() as connection:
                known = time.monotonic(), await actor_of_key(connection, key_id)
            self._actors[key_id] = known
        actor = known[1]
        if actor is None or actor.level >= level:
            return actor
        return dataclasses.replace(actor, level=level)

    async def _put_off(self, item: Item, wait: float, counted: bool) -> None:
        # Spread, so that they don't all come back at once.
        seconds = wait * random.uniform(1.0, 1.25)  # noqa: S311
        try:
            async with self._connections.transaction() as connection:
                await items.put_off(connection, self._me, item, seconds, counted=counted)
        except ChappeError:
            return  # taken again when its time is past

    async def _record(self, item: Item, answer: Answer) -> None:
        """Write an answer, however long the database is away: it was paid for."""
        while True:
            try:
                async with self._connections.transaction() as connection:
                    await items.record(connection, item, answer)
                return
            except ChappeError:
                await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311
