"""`chappe organisation` and `chappe group`: for whom keys act."""

from typing import Annotated, Any

import typer

from chappe.cli.catalogue import Json, _show, on_database
from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.schemas import OrganisationSpec
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import SYSTEM
from chappe.identity.audit import record

app = typer.Typer(no_args_is_help=True, help="Organisations and their shares.")
group = typer.Typer(no_args_is_help=True, help="Groups of people of an organisation.")


@app.command("list")
def organisation_list(as_json: Json = False) -> None:
    """List the organisations."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return [spec.model_dump() for spec in await admin.organisations(connection)]

    _show(on_database(work), as_json, "slug", "name", "weight")


@app.command("set")
def organisation_set(
    slug: str,
    name: Annotated[str, typer.Option(help="Its name.")] = "",
    weight: Annotated[float, typer.Option(help="Share of a saturated model.")] = 1.0,
    siret: Annotated[str | None, typer.Option(help="14 digits.")] = None,
) -> None:
    """Add or change an organisation."""

    async def work(connection: Connection, _: Cipher) -> None:
        values = {"slug": slug, "name": name, "weight": weight, "siret": siret}
        await admin.put_organisation(connection, SYSTEM, OrganisationSpec.model_validate(values))

    on_database(work)
    typer.echo(f"organisation {slug} set")


@group.command("add")
def group_add(organisation: str, slug: str, name: str = "") -> None:
    """Add a group to an organisation."""

    async def work(connection: Connection, _: Cipher) -> None:
        found = await admin.rows(
            connection,
            "insert into person_group (organisation_id, slug, name)"
            " select id, %s, %s from organisation where slug = %s returning id",
            slug, name or slug, organisation,
        )  # fmt: skip
        if not found:
            raise ChappeError("unknown_organisation", 404, name=organisation)
        await record(connection, SYSTEM, "group.add", f"{organisation}/{slug}")

    on_database(work)
    typer.echo(f"group {organisation}/{slug} added")


@group.command("member")
def group_member(
    group_name: Annotated[str, typer.Argument(help="ORGANISATION/GROUP")],
    person: str,
    remove: Annotated[bool, typer.Option("--remove")] = False,
) -> None:
    """Put a person into a group, or take them out."""

    async def work(connection: Connection, cipher: Cipher) -> None:
        _, group_id = await admin.resolve_subject(connection, f"group:{group_name}", ("group",))
        organisation = group_name.partition("/")[0]
        _, person_id = await admin.resolve_subject(
            connection, f"person:{organisation}/{person}", ("person",)
        )
        statement = (
            "delete from person_group_member where group_id = %s and person_id = %s"
            if remove
            else "insert into person_group_member values (%s, %s) on conflict do nothing"
        )
        await connection.execute(statement, (group_id, person_id))
        act = "group.leave" if remove else "group.join"
        await record(connection, SYSTEM, act, group_name, {"person": person})

    on_database(work)
    typer.echo("done")
