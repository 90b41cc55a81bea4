"""`chappe usage`: what was used, by whom, and the monthly statements."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar, get_args

import msgspec
import typer

from chappe.cli.running import with_runtime
from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.core.settings import load_settings
from chappe.gateway.accounts.account import Outcome
from chappe.gateway.accounts.choosing import refuse_unknown
from chappe.gateway.accounts.months import last_month
from chappe.gateway.accounts.reading import DIMENSIONS, Dimension, Selection
from chappe.gateway.accounts.retry import Retried, retry
from chappe.gateway.accounts.statement import Statement, statement
from chappe.gateway.accounts.table import statement_csv, usage_csv
from chappe.gateway.accounts.usage import Period, UsageLine, usage
from chappe.gateway.configured import configured_models
from chappe.gateway.http.request import Operation
from chappe.identity import SYSTEM
from chappe.server.runtime import Runtime

app = typer.Typer(help="What was used, and monthly statements.", invoke_without_command=True)

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Moment = typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")


def _on_database(work: Callable[[Connection], Awaitable[Result]]) -> Result:
    async def inside(runtime: Runtime) -> Result:
        connections = Connections(runtime.server.url, 1)
        await connections.open()
        try:
            async with connections.transaction() as connection:
                return await work(connection)
        finally:
            await connections.close()

    return with_runtime(inside)


def _json(value: Any) -> str:
    return json.dumps(
        msgspec.to_builtins(value, builtin_types=(datetime, Decimal)),
        default=lambda v: v.isoformat() if isinstance(v, datetime) else str(v),
        ensure_ascii=False,
    )


@app.callback()
def read(
    context: typer.Context,
    by: Annotated[list[str] | None, typer.Option(help=f"Any of {', '.join(DIMENSIONS)}.")] = None,
    per: Annotated[str | None, typer.Option(help="hour, day or month.")] = None,
    begin: Annotated[datetime | None, typer.Option("--from", help="This month if none.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Before this; in UTC.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    site: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    operation: Annotated[str | None, typer.Option(help=", ".join(get_args(Operation)))] = None,
    outcome: Annotated[str | None, typer.Option(help=", ".join(get_args(Outcome)))] = None,
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Print the usage, by model unless told otherwise."""
    if context.invoked_subcommand is not None:
        return
    groups = _dimensions(by or ["model"])
    period = _period(per)
    last = end.replace(tzinfo=UTC) if end else datetime.now(UTC)
    first = begin.replace(tzinfo=UTC) if begin else last_month(last)

    async def work(connection: Connection) -> list[UsageLine]:
        selection = Selection(
            begin=first,
            end=last,
            organisation=organisation,
            model=model,
            endpoint=endpoint,
            site=site,
            operation=_one_of("operation", operation, get_args(Operation)),
            outcome=_one_of("outcome", outcome, get_args(Outcome)),
        )
        found = await usage(connection, SYSTEM, selection, groups, period)
        if not found:
            served = {item.model.name for item in configured_models(load_settings())}
            await refuse_unknown(connection, SYSTEM, selection, served)
        return found

    lines = _on_database(work)
    if as_csv:
        typer.echo(usage_csv(lines, groups), nl=False)
    elif as_json:
        typer.echo(_json(lines))
    else:
        _print_usage(lines)


def _one_of(name: str, value: str | None, possible: tuple[str, ...]) -> str | None:
    if value is not None and value not in possible:
        reason = at(f"--{name}", wrong("literal_error", expected=", ".join(possible)))
        raise ChappeError("invalid_request", 422, reason=reason)
    return value


def _dimensions(names: list[str]) -> list[Dimension]:
    known: list[Dimension] = [dimension for dimension in DIMENSIONS if dimension in names]
    if unknown := set(names) - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; there are {', '.join(DIMENSIONS)}")
    return known


def _period(name: str | None) -> Period | None:
    periods: dict[str, Period] = {"hour": "hour", "day": "day", "month": "month"}
    if name is not None and name not in periods:
        raise typer.BadParameter(f"{name}; there are {', '.join(periods)}")
    return periods[name] if name else None


def _print_usage(lines: list[UsageLine]) -> None:
    typer.echo(
        f"{'':44} {'requests':>10} {'tokens in':>14} {'tokens out':>12}"
        f" {'Wh (est.)':>10} {'EUR':>10}"
    )
    for line in lines:
        names = [line.names.get(name) or value or "-" for name, value in line.groups.items()]
        period = [f"{line.period:%Y-%m-%d %H:%M}"] if line.period else []
        mark = " *" if line.unpriced else ""
        typer.echo(
            f"{'  '.join([*period, *names]):44} {line.requests:>10} {line.tokens_in:>14}"
            f" {line.tokens_out:>12} {line.energy_wh:>10.1f} {line.amount:>10.2f}{mark}"
        )
    if any(line.unpriced for line in lines):
        typer.echo("* some models never were in the catalogue: their usage has no price")


@app.command("statement")
def read_statement(
    organisation: Annotated[str, typer.Argument(help="Its slug.")],
    month: Annotated[str, typer.Argument(help="Such as 2026-11.")],
    as_csv: Csv = False,
    as_json: Json = False,
) -> None:
    """Print an organisation's month."""
    found = _on_database(lambda connection: statement(connection, SYSTEM, organisation, month))
    if as_csv:
        typer.echo(statement_csv(found), nl=False)
    elif as_json:
        typer.echo(_json(found))
    else:
        _print_statement(found)


def _print_statement(found: Statement) -> None:
    state = "month over" if found.over else "month under way"
    verified = {
        True: "agrees with the accounts",
        False: "DISAGREES with the accounts",
        None: "the month's own accounts are past retention",
    }[found.verified]
    typer.echo(f"{found.organisation}  {found.month}  ({state}; prices of the month; {verified})")
    for line in found.lines:
        mark = "" if line.priced else " *"
        typer.echo(
            f"{line.model:32} {line.site:16} {line.requests:>10} {line.tokens_in:>14}"
            f" {line.tokens_out:>12} {line.amount:>10} {line.transfer:>10}{mark}"
        )
    typer.echo(
        f"{'total':49} {found.requests:>10} {found.tokens_in:>14} {found.tokens_out:>12}"
        f" {found.amount:>10} {found.transfer:>10}"
    )
    if not all(line.priced for line in found.lines):
        typer.echo("* never in the catalogue: it has no price")


@app.command("retry")
def retry_set_aside() -> None:
    """Put in again, once, the accounts that the database couldn't store; exit code 1 if some stay.

    Run it where the gateway runs: they are in its data folder.
    """

    async def inside(runtime: Runtime) -> Retried:
        connections = Connections(runtime.server.url, 1)
        await connections.open()
        try:
            return await retry(connections, runtime.settings.data_dir / "journal")
        finally:
            await connections.close()

    done = with_runtime(inside)
    typer.echo(f"{done.stored} accounts stored, {done.kept} still set aside")
    if done.kept:
        raise typer.Exit(1)
