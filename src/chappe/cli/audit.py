"""`chappe audit`: the log of administrative acts and refused accesses."""

import json
import sys
from typing import Annotated, Any

import typer

from chappe.cli.catalogue import Json, on_database
from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import audit

app = typer.Typer(no_args_is_help=True, help="Administrative acts and refused accesses.")


@app.command("list")
def audit_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    action: Annotated[str | None, typer.Option(help="Only this, such as limit.set.")] = None,
    as_json: Json = False,
) -> None:
    """List entries, newest first."""

    async def work(connection: Connection, _: Cipher) -> list[audit.Entry]:
        return await audit.entries(connection, action=action, limit=limit)

    for entry in on_database(work):
        if as_json:
            row: dict[str, Any] = {
                "sequence": entry.sequence, "at": entry.at, "actor": entry.actor,
                "action": entry.action, "object": entry.object, "outcome": entry.outcome,
                "detail": entry.detail, "hash": entry.hash.hex(),
            }  # fmt: skip
            typer.echo(json.dumps(row, default=str, ensure_ascii=False))
        else:
            moment = entry.at.isoformat(timespec="seconds")
            typer.echo(
                f"{entry.sequence:6} {moment} {entry.outcome:8} {entry.action:20}"
                f" {entry.object:24} {entry.actor}"
            )


@app.command("verify")
def audit_verify(
    anchor: Annotated[
        str | None, typer.Option(help="SEQUENCE:HASH that was kept elsewhere.")
    ] = None,
) -> None:
    """Check that no entry was changed, removed or inserted; exit code 1 if one was."""

    async def work(connection: Connection, cipher: Cipher) -> audit.Verdict:
        kept: tuple[int, str] | None = None
        if anchor is not None:
            number, _, value = anchor.partition(":")
            if not number.isdigit() or len(value) != 64:
                raise ChappeError("invalid_request", 422, reason="--anchor SEQUENCE:HASH")
            kept = (int(number), value)
        return await audit.verify(connection, kept)

    verdict = on_database(work)
    if verdict.broken_at is None:
        typer.echo(f"{verdict.entries} entries hold; anchor {verdict.entries}:{verdict.last}")
        return
    typer.echo(
        f"chappe: the audit log is broken at entry {verdict.broken_at}: {verdict.reason}", err=True
    )
    sys.exit(1)
