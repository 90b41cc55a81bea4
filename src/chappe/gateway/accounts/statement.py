"""The monthly statement of an organisation: lines that add up to its accounts, to the last token.

The lines come from the hourly sums, which are kept for ever; as long as the month's own rows are
kept too, both are compared in the same snapshot.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from psycopg.rows import dict_row

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.gateway.accounts.months import month_after, partition
from chappe.gateway.accounts.prices import AMOUNT, TRANSFER, in_force
from chappe.gateway.accounts.reading import organisation_id, readable_accounts
from chappe.identity import Actor

_CENT = Decimal("0.01")
_COUNTS = ("requests", "tokens_in", "tokens_cached", "tokens_out")
# One statement, one snapshot: what is being written meanwhile is in both sides or in neither.
_QUERY = f"""
    with hours as (
        select model, coalesce(site, '') as site, sum(requests)::bigint as requests,
            sum(tokens_in)::bigint as tokens_in, sum(tokens_cached)::bigint as tokens_cached,
            sum(tokens_out)::bigint as tokens_out, sum(audio_seconds) as audio_seconds,
            sum(energy_wh) as energy_wh
        from usage_hour
        where organisation_id = %(organisation)s and hour >= %(begin)s and hour < %(end)s
        group by 1, 2
    ), accounts as (
        select model, coalesce(site, '') as site, count(*) as requests,
            coalesce(sum(tokens_in), 0)::bigint as tokens_in,
            coalesce(sum(tokens_cached), 0)::bigint as tokens_cached,
            coalesce(sum(tokens_out), 0)::bigint as tokens_out,
            coalesce(sum(tokens_out) filter (where tokens_origin = 'counted'), 0)::bigint
                as tokens_counted
        from request_account
        where organisation_id = %(organisation)s
            and started_at >= %(begin)s and started_at < %(end)s
        group by 1, 2
    )
    select coalesce(u.model, a.model) as model, coalesce(u.site, a.site) as site,
        {", ".join(f"coalesce(u.{name}, 0) as {name}" for name in _COUNTS)},
        {", ".join(f"coalesce(a.{name}, 0) as account_{name}" for name in _COUNTS)},
        a.tokens_counted, coalesce(u.audio_seconds, 0) as audio_seconds,
        coalesce(u.energy_wh, 0) as energy_wh, p.model is not null as priced,
        coalesce({AMOUNT}, 0) as amount, coalesce({TRANSFER}, 0) as transfer,
        p.price_in, p.price_out, p.price_audio_hour, p.transfer_in, p.transfer_out
    from hours u full join accounts a using (model, site)
        {in_force("coalesce(u.model, a.model)", "%(begin)s")}
    order by model, site
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One model at one site.

    Attributes:
        tokens_counted: of `tokens_out`, counted by us where the engine didn't report, a lower
            bound; None where the month's rows are gone.
        priced: was the model ever in the catalogue; without, its amounts are 0.
        price_*, transfer_*: those of the month, in euros by million tokens and by hour of sound.
        amount, transfer: euros to the cent.
    """

    model: str
    site: str
    requests: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    tokens_counted: int | None
    audio_seconds: float
    energy_wh: float
    priced: bool
    price_in: float | None
    price_out: float | None
    price_audio_hour: float | None
    transfer_in: float | None
    transfer_out: float | None
    amount: Decimal
    transfer: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """An organisation's month (UTC).

    Attributes:
        over: is the month over; before, it is provisional.
        verified: do the sums agree with the accounts, line by line; None where those are gone.
        amount, transfer: sums of the lines' rounded amounts, so that they add up by hand.
    """

    organisation: str
    month: str
    made_at: datetime
    over: bool
    verified: bool | None
    lines: list[StatementLine]
    requests: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    amount: Decimal
    transfer: Decimal


def parse_month(text: str) -> datetime:
    """The first moment of a month that is written as 2026-11.

    Raises:
        ChappeError: `invalid_request` (422).
    """
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        if f"{month.year:04d}-{month.month:02d}" == text and month.year < 9999:
            return month
    except ValueError:
        pass
    raise ChappeError("invalid_request", 422, reason=at("month", wrong("month")))


async def statement(
    connection: Connection, actor: Actor, organisation: str, month: str
) -> Statement:
    """The statement of an organisation (by slug) for a month such as 2026-11.

    Prices and internal rates are those of the month.

    Raises:
        ChappeError: `scope_missing` (403), `unknown_organisation` (404), `invalid_request` (422).
    """
    begin = parse_month(month)
    end = month_after(begin)
    readable_accounts(actor)
    owner = await organisation_id(connection, actor, organisation)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_QUERY, {"organisation": owner, "begin": begin, "end": end})
        rows = await cursor.fetchall()
        await cursor.execute("select to_regclass(%s) is null as gone", (partition(begin),))
        (kept,) = await cursor.fetchall()
    # Retention takes whole months, each a table: its rows are all there or all gone.
    gone = kept["gone"] and not any(row["account_requests"] for row in rows)
    agree = all(row[name] == row[f"account_{name}"] for row in rows for name in _COUNTS)
    lines = [_line(row, gone) for row in rows]
    now = datetime.now(UTC)
    return Statement(
        organisation=organisation,
        month=month,
        made_at=now,
        over=now >= end,
        verified=None if gone else agree,
        lines=lines,
        requests=sum(line.requests for line in lines),
        tokens_in=sum(line.tokens_in for line in lines),
        tokens_cached=sum(line.tokens_cached for line in lines),
        tokens_out=sum(line.tokens_out for line in lines),
        amount=sum((line.amount for line in lines), Decimal(0)),
        transfer=sum((line.transfer for line in lines), Decimal(0)),
    )


def _line(row: dict[str, Any], gone: bool) -> StatementLine:
    values = {name: value for name, value in row.items() if not name.startswith("account_")}
    for name in ("amount", "transfer"):
        values[name] = row[name].quantize(_CENT, ROUND_HALF_EVEN)
    values["tokens_counted"] = None if gone else row["tokens_counted"] or 0
    return StatementLine(**values)
