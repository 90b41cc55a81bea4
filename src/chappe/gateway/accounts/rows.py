"""Writing accounts into the database: each once, and into the hourly sums only when new."""

from collections.abc import Sequence

from chappe.core.connections import Connections

COLUMNS = {
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
"""Columns of `request_account`, in the order of the first fields of `Account`."""
KEY = (
    "hour", "organisation_id", "person_id", "key_id", "model", "endpoint", "site", "operation",
    "outcome",
)  # fmt: skip
SUMS = (
    "requests", "tokens_in", "tokens_cached", "tokens_out", "audio_seconds", "energy_wh",
    "queue_ms", "duration_ms",
)  # fmt: skip
"""Columns of `usage_hour`: what it is by, and what it adds up."""

_NAMES = ", ".join(COLUMNS)
_VALUES = ", ".join(f"(v->>{place})::{kind}" for place, kind in enumerate(COLUMNS.values()))
_GROUP = ", ".join(KEY)
# Several processes add to the same sums: the rows are locked in one order, so that none waits for
# another in a ring.
_INSERT = f"""
    with added as (
        insert into request_account ({_NAMES})
        select {_VALUES} from jsonb_array_elements(%s::jsonb) v
        on conflict do nothing
        returning date_trunc('hour', started_at, 'UTC') as hour, 1 as requests,
            {", ".join((*KEY[1:], *SUMS[1:]))}
    )
    insert into usage_hour ({_GROUP}, {", ".join(SUMS)})
    select {_GROUP}, {", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)}
    from added group by {_GROUP} order by {_GROUP}
    on conflict ({_GROUP}) do update set
        {", ".join(f"{name} = usage_hour.{name} + excluded.{name}" for name in SUMS)}
"""  # noqa: S608


async def write(connections: Connections, rows: Sequence[bytes]) -> None:
    """Write settled accounts, each a JSON array; those that are there already are passed over.

    Raises:
        ChappeError: `database_unreachable`; also for a deadlock or a full disk over there.
        psycopg.Error: anything else; nothing was written.
    """
    data = (b"[" + b",".join(rows) + b"]").decode()
    async with connections.transaction() as connection:
        await connection.execute(_INSERT, (data,))
