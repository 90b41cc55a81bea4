"""`chappe audit`: the log of administrative acts and refused accesses."""

import json
import re
import sys
from typing import Annotated

import typer

from chappe.cli.catalogue import Json, on_database
from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import audit
from chappe.identity.acts import act_of

app = typer.Typer(no_args_is_help=True, help="Administrative acts and refused accesses.")


@app.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    action: Annotated[str | None, typer.Option(help="Only this, such as limit.set.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Refused accesses only.")] = False,
    as_json: Json = False,
) -> None:
    """List entries, newest first."""

    async def work(connection: Connection, _: Cipher) -> list[audit.Entry]:
        outcome: audit.Outcome | None = "refused" if refused else None
        act = act_of(action) if action is not None else None
        return await audit.entries(connection, action=act, outcome=outcome, limit=limit)

    for entry in on_database(work):
        if as_json:
            typer.echo(json.dumps(entry.view(), default=str, ensure_ascii=False))
        else:
            moment = entry.at.isoformat(timespec="seconds")
            typer.echo(
                f"{entry.sequence:6} {moment} {entry.outcome:8} {entry.action:20}"
                f" {entry.object:24} {entry.actor}"
            )


@app.command("verify")
def audit_verify(
    anchor: Annotated[
        str | None, typer.Option(help="HASH or SEQUENCE:HASH that was kept elsewhere.")
    ] = None,
) -> None:
    """Check that no entry was changed, removed or inserted; exit code 1 if one was.

    Prints the anchor: kept elsewhere, it will show whether the end was cut.
    """

    async def work(connection: Connection, _: Cipher) -> audit.Verdict:
        return await audit.verify(connection, _anchor(anchor) if anchor is not None else None)

    verdict = on_database(work)
    if verdict.broken_at is None:
        typer.echo(f"{verdict.entries} entries hold; anchor {verdict.entries}:{verdict.last}")
        return
    typer.echo(
        f"chappe: the audit log is broken at entry {verdict.broken_at}: {verdict.reason}", err=True
    )
    sys.exit(1)


def _anchor(text: str) -> tuple[int | None, str]:
    match = re.fullmatch(r"(?:([0-9]{1,18}):)?([0-9a-fA-F]{64})", text)
    if match is None:
        raise ChappeError("invalid_request", 422, reason="--anchor SEQUENCE:HASH")
    return int(match[1]) if match[1] else None, match[2]
