"""`chappe key`: API keys."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.cli.session import one_line_errors, settings_for
from chappe.core.database import Database, migrate
from chappe.core.database_server import DatabaseServer
from chappe.core.errors import ChappeError
from chappe.identity.access import SCOPES, SYSTEM, USER_SCOPES
from chappe.identity.keys import (
    MOST_HOURS,
    KeyView,
    create_key,
    list_keys,
    matching_keys,
    revoke_keys,
    rotate_key,
)

app = typer.Typer(no_args_is_help=True, help="API keys.")

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(help="Id, first eight characters, or name.")]


def _in_session(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    """Run `work` in one transaction on the installation's database; errors in one line."""
    with one_line_errors():
        server = DatabaseServer(settings_for(quiet=True))
        try:
            server.start()
            migrate(server.url)

            async def inside() -> Result:
                database = Database(server.url, 1)
                try:
                    async with database.session() as session:
                        return await work(session)
                finally:
                    await database.close()

            return asyncio.run(inside())
        finally:
            server.stop()
    raise AssertionError("one_line_errors ends the process")


@app.command("create")
def key_create(
    name: Annotated[str, typer.Option(help="What the key is for.")] = "cli",
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"A right: {', '.join(SCOPES)}. None: {', '.join(USER_SCOPES)}."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Valid for so many days.")] = None,
    organisation: Annotated[str, typer.Option(help="For which organisation it acts.")] = "default",
    person: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    level: Annotated[
        int, typer.Option(min=0, max=2, help="Sensitivity: 0 open, 1 internal, 2 restricted.")
    ] = 0,
) -> None:
    """Make a key and print it; it can't be shown again."""

    async def work(session: AsyncSession) -> str:
        return await create_key(
            session,
            name,
            tuple(scope or USER_SCOPES),
            days,
            organisation=organisation,
            person=person,
            level=level,
        )

    typer.echo(_in_session(work))


@app.command("list")
def key_list(as_json: Json = False) -> None:
    """List the keys, without their secrets."""

    async def work(session: AsyncSession) -> list[KeyView]:
        return await list_keys(session)

    found = _in_session(work)
    if as_json:
        typer.echo(json.dumps([vars(view) for view in found], default=str, ensure_ascii=False))
        return
    for view in found:
        state = "revoked" if view.revoked_at else "active"
        scopes, owner = ",".join(view.scopes), view.organisation
        owner += f"/{view.person}" if view.person else ""
        typer.echo(f"{view.id}  {view.prefix}…  {state:8} {scopes:20} {owner:20} {view.name}")


@app.command("rotate")
def key_rotate(
    reference: Reference,
    hours: Annotated[
        float, typer.Option(min=0, max=MOST_HOURS, help="The old secret works so long.")
    ] = 24,
) -> None:
    """Give a key a new secret and print it; it can't be shown again."""

    async def work(session: AsyncSession) -> str:
        found = await matching_keys(session, reference)
        if len(found) != 1:
            raise ChappeError("unknown_object", 404, kind="key", name=reference)
        return await rotate_key(session, SYSTEM, found[0], hours)

    typer.echo(_in_session(work))


@app.command("revoke")
def key_revoke(reference: Reference) -> None:
    """Revoke a key, at once; every key of that name, if a name is given."""

    async def work(session: AsyncSession) -> int:
        return await revoke_keys(session, reference)

    count = _in_session(work)
    if not count:
        typer.echo(f"chappe: no active key is {reference!r}; see `chappe key list`", err=True)
        sys.exit(1)
    typer.echo(f"{count} revoked")
