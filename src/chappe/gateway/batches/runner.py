"""Running batches: validated, taken item by item, finished. Any replica goes on where one died.

An item is taken for a time; its result and the batch's count are written in one transaction, so
each stands once in the results. One whose process died in the middle runs again: its model may be
asked twice, and both requests are in the accounts.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.blobs import Store
from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.gateway.batches.batch import MOST_LINES, LineError, read_line
from chappe.gateway.batches.files import read_lines, spool, store_file
from chappe.gateway.http.envelope import envelope
from chappe.gateway.http.request import OPERATIONS, Operation
from chappe.identity import Actor

log = logging.getLogger(__name__)

_POLL_SECONDS = 5.0
_LEASE = "15 minutes"
_MOST_ERRORS = 100
_CHUNK = 500
_LATER_SECONDS = (2.0, 60.0)
# Not the request's fault: it is asked again later.
_LATER = frozenset(
    ("queue_full", "queue_timeout", "quota_exceeded", "engine_unavailable", "engine_timeout",
     "engine_cut", "database_unreachable", "accounts_full")
)  # fmt: skip
_LATER_STATUS = frozenset((429, 503))

Call = Callable[[Actor, Operation, bytes], Awaitable[tuple[int, bytes, str]]]

_TAKE = f"""
    update batch_item i set taken_by = %(me)s, taken_until = now() + interval '{_LEASE}'
    from (
        select i.batch_id, i.ordinal from batch_item i join batch b on b.id = i.batch_id
        where i.status is null and (i.taken_until is null or i.taken_until < now())
            and b.status = 'in_progress' and b.expires_at > now()
        order by b.created_at, i.ordinal limit 1 for update of i skip locked
    ) next, batch b
    where i.batch_id = next.batch_id and i.ordinal = next.ordinal and b.id = i.batch_id
    returning i.batch_id, i.ordinal, i.body, b.endpoint, b.key_id
"""  # noqa: S608


class Runner:
    """Works on batches in this process.

    Args:
        connections: the database.
        store: where files are.
        replica: this process.
        call: asks a model, at the lowest priority.
        actor_of: the actor of a key now; None when it is revoked.
        workers: items at once.
    """

    def __init__(
        self,
        connections: Connections,
        store: Store,
        replica: uuid.UUID,
        call: Call,
        actor_of: Callable[[Connection, uuid.UUID], Awaitable[Actor | None]],
        workers: int = 8,
    ) -> None:
        self._connections = connections
        self._store = store
        self._replica = replica
        self._call = call
        self._actor_of = actor_of
        self._workers = workers
        self._some = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._connections.listen("chappe_batch", self._some.set)
        self._tasks = [asyncio.create_task(self._for_ever(self._keep))]
        self._tasks += [
            asyncio.create_task(self._for_ever(self._work)) for _ in range(self._workers)
        ]

    async def stop(self) -> None:
        """End; what runs is given back to whoever goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _for_ever(self, step: Callable[[], Awaitable[bool]]) -> None:
        while True:
            try:
                busy = await step()
            except ChappeError as error:
                log.warning("batch_postponed", extra={"reason": error.code})
                busy = False
            except Exception:
                # One broken batch must not stop the others; it is looked at again, and told.
                log.exception("batch_failed")
                busy = False
            if not busy:
                try:
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._some.wait()
                    self._some.clear()
                except TimeoutError:
                    pass

    # Batches

    async def _keep(self) -> bool:
        """Validate, expire, cancel and finish batches; is there more to do at once."""
        async with self._connections.transaction() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(
                "select b.*, f.blob from batch b join stored_file f on f.id = b.input_file_id"
                " where b.status = 'validating'"
                " order by b.created_at limit 1 for update of b skip locked"
            )
            batch = await cursor.fetchone()
            if batch is not None:
                await self._validate(connection, batch)
                self._some.set()
                return True
        return await self._finish_one()

    async def _validate(self, connection: Connection, batch: dict[str, Any]) -> None:
        errors: list[LineError] = []
        seen: set[str] = set()
        items: list[tuple[str, int, str, Jsonb]] = []
        number = total = 0
        async for text in read_lines(self._store, batch["blob"]):
            number += 1
            if not text.strip():
                continue
            line = read_line(number, text, batch["endpoint"], seen)
            if isinstance(line, LineError):
                errors.append(line)
            else:
                total += 1
                items.append((batch["id"], total, line.custom_id, Jsonb(line.body)))
            if total > MOST_LINES:
                errors.append(LineError(number, "too_many_lines", f"at most {MOST_LINES}"))
            if len(errors) >= _MOST_ERRORS or total > MOST_LINES:
                break
            if len(items) >= _CHUNK and not errors:
                await self._insert(connection, items)
                items = []
        if not total and not errors:
            errors.append(LineError(1, "empty_file", "the file holds no request"))
        if errors:
            told = {
                "object": "list",
                "data": [
                    {"code": e.code, "line": e.line, "message": e.message, "param": None}
                    for e in errors
                ],
            }
            await connection.execute("delete from batch_item where batch_id = %s", (batch["id"],))
            await connection.execute(
                "update batch set status = 'failed', failed_at = now(), errors = %s where id = %s",
                (Jsonb(told), batch["id"]),
            )
            return
        await self._insert(connection, items)
        await connection.execute(
            "update batch set status = 'in_progress', in_progress_at = now(), total = %s"
            " where id = %s",
            (total, batch["id"]),
        )

    @staticmethod
    async def _insert(connection: Connection, items: list[tuple[str, int, str, Jsonb]]) -> None:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "insert into batch_item (batch_id, ordinal, custom_id, body)"
                " values (%s, %s, %s, %s) on conflict do nothing",
                items,
            )

    async def _finish_one(self) -> bool:
        async with self._connections.transaction() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(
                "select *, expires_at <= now() as late from batch b"
                " where status in ('in_progress', 'cancelling')"
                " and (expires_at <= now() or not exists ("
                "   select from batch_item i where i.batch_id = b.id and i.status is null"
                "   and (b.status = 'in_progress' or i.taken_until > now())))"
                " order by created_at limit 1 for update of b skip locked"
            )
            batch = await cursor.fetchone()
            if batch is None:
                return False
            await self._finish(connection, batch)
        return True

    async def _finish(self, connection: Connection, batch: dict[str, Any]) -> None:
        """Write the result files, and end the batch, in one transaction."""
        end = "completed"
        if batch["status"] == "cancelling":
            end = "cancelled"
        elif batch["late"]:
            end = "expired"
        files: dict[bool, str | None] = {}
        for failed in (False, True):
            files[failed] = await self._write_results(connection, batch, failed, end)
        await connection.execute(
            f"update batch set status = %s, {end}_at = now(), finalizing_at = now(),"  # noqa: S608
            " output_file_id = %s, error_file_id = %s,"
            " failed = (select count(*) from batch_item where batch_id = %s and error is not null)"
            " where id = %s",
            (end, files[False], files[True], batch["id"], batch["id"]),
        )
        await connection.execute("delete from batch_item where batch_id = %s", (batch["id"],))

    async def _write_results(
        self, connection: Connection, batch: dict[str, Any], failed: bool, end: str
    ) -> str | None:
        content = spool()
        count = 0
        cursor = connection.cursor("results", row_factory=dict_row)
        async with cursor:
            await cursor.execute(
                "select ordinal, custom_id, status, response, error, request_id from batch_item"
                " where batch_id = %s order by ordinal",
                (batch["id"],),
            )
            async for item in cursor:
                error = item["error"]
                if item["status"] is None:
                    error = {"code": f"batch_{end}", "message": "it wasn't begun in time"}
                if (error is not None) != failed:
                    continue
                response = None
                if item["response"] is not None:
                    response = {
                        "status_code": item["status"], "request_id": item["request_id"],
                        "body": item["response"],
                    }  # fmt: skip
                line = {
                    "id": f"batch_req_{batch['id'][6:]}_{item['ordinal']}",
                    "custom_id": item["custom_id"], "response": response, "error": error,
                }  # fmt: skip
                content.write(msgspec.json.encode(line) + b"\n")
                count += 1
        if not count:
            return None
        row = await store_file(
            connection,
            self._store,
            content,
            organisation_id=batch["organisation_id"],
            key_id=batch["key_id"],
            filename=f"{batch['id']}_{'error' if failed else 'output'}.jsonl",
            purpose="batch_output",
        )
        return str(row["id"])

    # Items

    async def _work(self) -> bool:
        """Take one item and ask for it; was there one."""
        async with self._connections.transaction() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(_TAKE, {"me": self._replica})
            item = await cursor.fetchone()
            if item is None:
                return False
            actor = await self._actor_of(connection, item["key_id"])
        if actor is None:
            error = {"code": "invalid_api_key", "message": "the batch's key is no longer valid"}
            await self._settle(item, 401, None, error, None)
            return True
        body = msgspec.json.encode(item["body"])
        try:
            status, answer, request_id = await self._call(actor, OPERATIONS[item["endpoint"]], body)
        except ChappeError as error:
            if error.code in _LATER:
                await self._later(item, error.retry_after)
                return True
            refusal = envelope(error)
            await self._settle(item, error.status, refusal, refusal["error"], None)
            return True
        except asyncio.CancelledError:
            await asyncio.shield(self._later(item, 0.0))
            raise
        if status in _LATER_STATUS:
            await self._later(item, None)
            return True
        try:
            value = msgspec.json.decode(answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = {"text": answer.decode(errors="replace")}
        told = None
        if status != 200:
            told = {"code": str(status), "message": "the model refused the request"}
        await self._settle(item, status, value, told, request_id)
        return True

    async def _later(self, item: dict[str, Any], seconds: float | None) -> None:
        """Give an item back; somebody takes it again after a while."""
        least, most = _LATER_SECONDS
        wait = 0.0 if seconds == 0.0 else min(most, max(least, seconds or least))
        async with self._connections.transaction() as connection:
            await connection.execute(
                "update batch_item set taken_by = null,"
                " taken_until = now() + make_interval(secs => %s)"
                " where batch_id = %s and ordinal = %s and status is null",
                (wait, item["batch_id"], item["ordinal"]),
            )
        if wait:
            # This worker too lets others go first.
            await asyncio.sleep(min(wait, least))

    async def _settle(
        self,
        item: dict[str, Any],
        status: int,
        response: Any,
        error: dict[str, Any] | None,
        request_id: str | None,
    ) -> None:
        async with self._connections.transaction() as connection:
            cursor = await connection.execute(
                "update batch_item set status = %s, response = %s, error = %s, request_id = %s"
                " where batch_id = %s and ordinal = %s and status is null returning 1",
                (
                    status, Jsonb(response) if response is not None else None,
                    Jsonb(error) if error is not None else None, request_id, item["batch_id"],
                    item["ordinal"],
                ),
            )  # fmt: skip
            if await cursor.fetchone() is None:
                return  # its time was past, and another has done it
            column = "completed" if error is None else "failed"
            await connection.execute(
                f"update batch set {column} = {column} + 1 where id = %s",  # noqa: S608
                (item["batch_id"],),
            )
        self._some.set()
