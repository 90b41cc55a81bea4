"""`chappe organisation`, `chappe person` and `chappe group`: for whom keys act."""

from typing import Annotated, Any

import typer
from pydantic import BaseModel

from chappe.cli.catalogue import Json, _show, on_database
from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.schemas import OrganisationSpec, described
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import SYSTEM, organisations
from chappe.identity.schemas import GroupNames, GroupSpec, PersonSpec

app = typer.Typer(no_args_is_help=True, help="Organisations and their shares.")
person = typer.Typer(no_args_is_help=True, help="People of organisations.")
group = typer.Typer(no_args_is_help=True, help="Groups of people of an organisation.")

Of = Annotated[str | None, typer.Option("--organisation", help="Only of this one.")]
Title = Annotated[str | None, typer.Option("--name", help="Its name.")]
Weight = Annotated[float | None, typer.Option(help="Share of a saturated model.")]
Siret = Annotated[str | None, typer.Option(help="14 digits.")]


@app.command("list")
def organisation_list(as_json: Json = False) -> None:
    """List the organisations."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return [spec.model_dump() for spec in await admin.organisations(connection)]

    _show(on_database(work), as_json, "slug", "name", "weight")


@app.command("add")
def organisation_add(
    slug: str, name: Title = None, weight: Weight = None, siret: Siret = None
) -> None:
    """Add an organisation."""
    _put(slug, {"name": name, "weight": weight, "siret": siret}, new=True)
    typer.echo(f"organisation {slug} added")


@app.command("set")
def organisation_set(
    slug: str, name: Title = None, weight: Weight = None, siret: Siret = None
) -> None:
    """Change what is given of an organisation; add it if there is none."""
    _put(slug, {"name": name, "weight": weight, "siret": siret}, new=False)
    typer.echo(f"organisation {slug} set")


def _put(slug: str, given: dict[str, Any], new: bool) -> None:
    async def work(connection: Connection, _: Cipher) -> None:
        known = {spec.slug: spec.model_dump() for spec in await admin.organisations(connection)}
        if new and slug in known:
            raise ChappeError("name_taken", 409, name=slug, other=slug)
        values = {name: value for name, value in given.items() if value is not None}
        spec = described(
            OrganisationSpec, known.get(slug, {}) | values | {"slug": slug}, "invalid_request"
        )
        await admin.put_organisation(connection, SYSTEM, spec)

    on_database(work)


@person.command("list")
def person_list(organisation: Of = None, as_json: Json = False) -> None:
    """List the people."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return _rows(await organisations.list_people(connection, SYSTEM, organisation))

    _show(on_database(work), as_json, "organisation", "name", "groups")


@person.command("add")
def person_add(organisation: str, name: str) -> None:
    """Add somebody to an organisation."""

    async def work(connection: Connection, _: Cipher) -> None:
        spec = described(PersonSpec, {"name": name}, "invalid_request")
        await organisations.add_person(connection, SYSTEM, spec.name, organisation)

    on_database(work)
    typer.echo(f"person {organisation}/{name} added")


@person.command("remove")
def person_remove(
    person: Annotated[str, typer.Argument(help="ORGANISATION/NAME")],
) -> None:
    """Remove somebody: their keys are revoked, their limits go, their accounts stay."""

    async def work(connection: Connection, _: Cipher) -> None:
        found = await admin.resolve_subject(connection, f"person:{person}", ("person",))
        await organisations.remove_person(connection, SYSTEM, found[1])

    on_database(work)
    typer.echo(f"person {person} removed")


@group.command("list")
def group_list(organisation: Of = None, as_json: Json = False) -> None:
    """List the groups and their members."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return _rows(await organisations.list_groups(connection, SYSTEM, organisation))

    _show(on_database(work), as_json, "organisation", "slug", "members")


@group.command("add")
def group_add(organisation: str, slug: str, name: Title = None) -> None:
    """Add a group to an organisation."""

    async def work(connection: Connection, _: Cipher) -> None:
        spec = described(GroupSpec, {"slug": slug, "name": name}, "invalid_request")
        await organisations.add_group(connection, SYSTEM, spec.slug, spec.name, organisation)

    on_database(work)
    typer.echo(f"group {organisation}/{slug} added")


@group.command("rename")
def group_rename(
    group_name: Annotated[str, typer.Argument(help="ORGANISATION/GROUP")],
    slug: Annotated[str | None, typer.Option(help="Its new identifier.")] = None,
    name: Title = None,
) -> None:
    """Call a group otherwise; its members and what was granted to it stay."""

    async def work(connection: Connection, _: Cipher) -> None:
        group_id = (await admin.resolve_subject(connection, f"group:{group_name}", ("group",)))[1]
        known = await organisations.list_groups(connection, SYSTEM)
        before = next(view for view in known if view.id == group_id)
        values = {"slug": slug or before.slug, "name": name or before.name}
        names = described(GroupNames, values, "invalid_request")
        await organisations.rename_group(connection, SYSTEM, group_id, names.slug, names.name)

    on_database(work)
    typer.echo(f"group {group_name} renamed")


@group.command("remove")
def group_remove(
    group_name: Annotated[str, typer.Argument(help="ORGANISATION/GROUP")],
) -> None:
    """Remove a group, with what was granted to it."""

    async def work(connection: Connection, _: Cipher) -> None:
        found = await admin.resolve_subject(connection, f"group:{group_name}", ("group",))
        await organisations.remove_group(connection, SYSTEM, found[1])

    on_database(work)
    typer.echo(f"group {group_name} removed")


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
        await organisations.set_member(connection, SYSTEM, group_id, person_id, not remove)

    on_database(work)
    typer.echo("done")


def _rows(views: list[Any]) -> list[dict[str, Any]]:
    found: list[BaseModel] = views
    return [view.model_dump() for view in found]
