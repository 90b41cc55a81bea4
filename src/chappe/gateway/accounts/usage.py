"""Usage: what was asked and what it cost, by hour, day or month, from the hourly sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from psycopg.rows import dict_row

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.accounts.prices import AMOUNT, TRANSFER, in_force
from chappe.gateway.accounts.reading import DIMENSIONS, Dimension, Selection, condition
from chappe.identity import Actor

Period = Literal["hour", "day", "month"]
MOST_LINES = 20_000

# What is grouped by, and the name that a person reads.
_NAMED: dict[Dimension, tuple[str, str, str]] = {
    "organisation": ("o.slug", "left join organisation o on o.id = u.organisation_id", "o.slug"),
    "person": ("n.name", "left join person n on n.id = u.person_id", "n.id, n.name"),
    "key": ("k.name", "left join api_key k on k.id = u.key_id", "k.id, k.name"),
}


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Sums of one group in one period.

    Attributes:
        period: its first moment (UTC); None for the whole range.
        groups: value by dimension. An organisation's is its slug, a person's and a key's their id;
            None where a request had none.
        names: names of persons and keys, where they still exist.
        tokens_cached: of `tokens_in`, what the engine had read before.
        energy_wh: estimated.
        amount, transfer: euros, by the prices and internal rates of the month of each request.
        unpriced: requests to models that never were in the catalogue, which `amount` leaves out.
    """

    period: datetime | None
    groups: dict[str, str | None]
    names: dict[str, str]
    requests: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    audio_seconds: float
    energy_wh: float
    queue_ms: float
    duration_ms: float
    amount: Decimal
    transfer: Decimal
    unpriced: int


async def usage(
    connection: Connection,
    actor: Actor,
    selection: Selection,
    by: Sequence[Dimension] = (),
    per: Period | None = None,
    own: bool = False,
) -> list[UsageLine]:
    """Usage by `by` and `per`, oldest first, then most requests first.

    Args:
        own: of the actor's own key only.

    Raises:
        ChappeError: `scope_missing` (403), `unknown_organisation` (404), `usage_too_wide` (422).
    """
    where, values = await condition(connection, actor, selection, "hour", own)
    columns = [f"date_trunc('{per}', u.hour, 'UTC') as period" if per else "null as period"]
    groups = ["period"] if per else []
    joins = []
    for name in dict.fromkeys(by):
        column = f"u.{DIMENSIONS[name]}"
        groups.append(column)
        if name in _NAMED:
            shown, join, more = _NAMED[name]
            joins.append(join)
            groups.append(more)
            columns.append(f"{shown} as {name}_name")
        columns.append(f"{column}::text as {name}")
    query = f"""
        select {", ".join(columns)}, coalesce(sum(u.requests), 0)::bigint as requests,
            coalesce(sum(u.tokens_in), 0)::bigint as tokens_in,
            coalesce(sum(u.tokens_cached), 0)::bigint as tokens_cached,
            coalesce(sum(u.tokens_out), 0)::bigint as tokens_out,
            coalesce(sum(u.audio_seconds), 0) as audio_seconds,
            coalesce(sum(u.energy_wh), 0) as energy_wh,
            coalesce(sum(u.queue_ms), 0) as queue_ms,
            coalesce(sum(u.duration_ms), 0) as duration_ms,
            coalesce(sum({AMOUNT}), 0) as amount, coalesce(sum({TRANSFER}), 0) as transfer,
            coalesce(sum(u.requests) filter (where p.model is null), 0)::bigint as unpriced
        from (select * from usage_hour where {where}) u
        {in_force("u.model", "u.hour")} {" ".join(joins)}
        {"group by " + ", ".join(groups) if groups else ""}
        order by period, requests desc {"," + ", ".join(groups) if groups else ""}
        limit {MOST_LINES + 1}
    """  # noqa: S608
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        rows = await cursor.fetchall()
    if len(rows) > MOST_LINES:
        raise ChappeError("usage_too_wide", 422, most=MOST_LINES)
    return [_line(row, by) for row in rows]


def _line(row: dict[str, Any], by: Sequence[Dimension]) -> UsageLine:
    groups: dict[str, str | None] = {}
    names: dict[str, str] = {}
    for name in by:
        groups[name] = row.pop(name)
        shown = row.pop(f"{name}_name", None)
        if name == "organisation":
            groups[name] = shown or groups[name]
        elif shown is not None:
            names[name] = shown
    return UsageLine(groups=groups, names=names, **row)
