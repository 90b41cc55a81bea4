"""Writing accounts into the database: each once, and into the hourly sums only when new."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import psycopg

from chappe.core.connections import Connection, Connections
from chappe.gateway.accounts.account import Account

log = logging.getLogger(__name__)

_COLUMNS = {
    "id": "uuid",
    "started_at": "timestamptz",
    "actor": "text",
    "key_id": "uuid",
    "person_id": "uuid",
    "organisation_id": "uuid",
    "operation": "text",
    "model": "text",
    "requested_model": "text",
    "endpoint": "text",
    "site": "text",
    "streamed": "boolean",
    "priority": "text",
    "outcome": "text",
    "status": "smallint",
    "error": "text",
    "attempts": "smallint",
    "tokens_in": "bigint",
    "tokens_cached": "bigint",
    "tokens_out": "bigint",
    "tokens_origin": "text",
    "audio_seconds": "double precision",
    "energy_wh": "double precision",
    "queue_ms": "double precision",
    "ttft_ms": "double precision",
    "duration_ms": "double precision",
    "overhead_ms": "double precision",
    "trace_id": "text",
}
_NAMES = ", ".join(_COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_KEY = "hour, organisation_id, person_id, key_id, model, endpoint, site, operation, outcome"
_SUMS = (
    "requests", "tokens_in", "tokens_cached", "tokens_out", "audio_seconds", "energy_wh",
    "queue_ms", "duration_ms",
)  # fmt: skip
# Several processes add to the same sums: rows are taken in one order, so that none waits in a ring.
_INSERT = f"""
    with added as (
        insert into request_account ({_NAMES})
        select {_NAMES} from json_to_recordset(%s::json) as given({_TYPED})
        on conflict do nothing
        returning *
    )
    insert into usage_hour ({_KEY}, {", ".join(_SUMS)})
    select date_trunc('hour', started_at, 'UTC') as hour, organisation_id, person_id, key_id, model,
           endpoint, site, operation, outcome, count(*),
           {", ".join(f"coalesce(sum({name}), 0)" for name in _SUMS[1:])}
    from added
    group by date_trunc('hour', started_at, 'UTC'), organisation_id, person_id, key_id, model,
             endpoint, site, operation, outcome
    order by {_KEY.replace("hour", "1", 1)}
    on conflict ({_KEY}) do update set
        {", ".join(f"{name} = usage_hour.{name} + excluded.{name}" for name in _SUMS)}
"""  # noqa: S608
_TRIES = 5


async def write(connections: Connections, accounts: Sequence[Account]) -> None:
    """Write settled accounts; those that are there already are passed over.

    Raises:
        ChappeError: `database_unreachable`.
        psycopg.Error: a row can't be stored.
    """
    data = msgspec.json.encode(accounts).decode()
    for attempt in range(_TRIES):
        try:
            async with connections.transaction() as connection:
                await connection.execute(_INSERT, (data,))
            return
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.02 * 2**attempt)


async def prepare_months(connections: Connections, now: datetime | None = None) -> None:
    """Make the partitions of this month and the next.

    Raises:
        ChappeError: `database_unreachable`.
    """
    moment = now or datetime.now(UTC)
    first = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    async with connections.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock(63, 1)")
        for start in (first, _next(first)):
            await _make_month(connection, start)


async def _make_month(connection: Connection, start: datetime) -> None:
    name = f"request_account_{start:%Y_%m}"
    cursor = await connection.execute("select to_regclass(%s)", (name,))
    row = await cursor.fetchone()
    if row is not None and row[0] is not None:
        return
    end = _next(start)
    # Rows that came before their month was made lie in the default partition: they move.
    for statement in (
        f"create table {name} (like request_account including all)",
        f"with moved as (delete from request_account_other where started_at >= '{start}'"  # noqa: S608
        f" and started_at < '{end}' returning *) insert into {name} select * from moved",
        f"alter table request_account attach partition {name}"
        f" for values from ('{start}') to ('{end}')",
    ):
        await connection.execute(statement)


def _next(month: datetime) -> datetime:
    return datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
