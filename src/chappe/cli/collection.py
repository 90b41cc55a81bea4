"""`chappe collection`: collections, their rules, and to whom they are shared."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from chappe.cli.running import with_runtime
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.gateway.catalogue.schemas import described
from chappe.identity.access import SYSTEM
from chappe.knowledge import collections
from chappe.knowledge.collection_schemas import (
    CollectionChange,
    CollectionSpec,
    CollectionView,
    GrantSpec,
    GrantView,
    SubjectKind,
)
from chappe.server.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="Collections of documents.")

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Title = Annotated[str | None, typer.Option(help="What people call it.")]
Owner = Annotated[
    str | None,
    typer.Option(help="person:ORG/NAME, group:ORG/GROUP, organisation:ORG or installation."),
]
Level = Annotated[int | None, typer.Option(min=0, max=2, help="0 open, 1 internal, 2 restricted.")]
Days = Annotated[
    int | None, typer.Option(min=0, help="What people gave is kept so long; 0: for ever.")
]
Public = Annotated[bool | None, typer.Option(help="Readable by whoever may search here.")]
Language = Annotated[str | None, typer.Option(help="ISO 639-1: fr, en…")]
To = Annotated[str, typer.Argument(help="person:ORG/NAME, group:ORG/GROUP or organisation:ORG")]


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """List the collections."""
    views = _run(lambda database: collections.list_collections(database, SYSTEM))
    if as_json:
        _print_json(views)
        return
    for view in views:
        owner = f"{view.owner.kind}:{view.owner.name}" if view.owner.id else "installation"
        shared = "public" if view.public else f"level {view.level}"
        typer.echo(f"{view.slug:28} {view.documents:7} {shared:8} {owner:24} {view.title}")


@app.command("create")
def create_command(
    slug: str,
    title: Title = None,
    owner: Owner = None,
    level: Level = None,
    retention_days: Days = None,
    language: Language = None,
    public: Public = None,
) -> None:
    """Make a collection."""
    values = {
        "slug": slug,
        "title": title or slug,
        "owner": owner,
        "level": level,
        "retention_days": retention_days or None,
        "language": language,
        "public": public,
    }
    given = {name: value for name, value in values.items() if value is not None}

    async def work(database: Database) -> CollectionView:
        spec = described(CollectionSpec, given, "invalid_request")
        return await collections.create_collection(database, SYSTEM, spec)

    _run(work)
    typer.echo(f"collection {slug} created")


@app.command("set")
def set_command(
    slug: str,
    title: Title = None,
    owner: Owner = None,
    level: Level = None,
    retention_days: Days = None,
    language: Language = None,
    public: Public = None,
) -> None:
    """Change what is given of a collection's rules."""
    values = {
        "title": title, "owner": owner, "level": level, "language": language, "public": public,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if retention_days is not None:
        given["retention_days"] = retention_days or None

    async def work(database: Database) -> CollectionView:
        change = described(CollectionChange, given, "invalid_request")
        return await collections.change_collection(database, SYSTEM, slug, change)

    _run(work)
    typer.echo(f"collection {slug} changed")


@app.command("grants")
def grants_command(slug: str, as_json: Json = False) -> None:
    """List to whom a collection is shared."""
    views: list[GrantView] = _run(lambda database: collections.list_grants(database, SYSTEM, slug))
    if as_json:
        _print_json(views)
        return
    for view in views:
        typer.echo(f"{view.kind}:{view.name:40} {view.role}")


@app.command("grant")
def grant_command(
    slug: str,
    to: To,
    role: Annotated[str, typer.Option(help="reader or editor.")] = "reader",
) -> None:
    """Share a collection."""

    async def work(database: Database) -> None:
        kind, name = _subject(to)
        spec = described(GrantSpec, {"role": role}, "invalid_request")
        await collections.grant(database, SYSTEM, slug, kind, name, spec.role)

    _run(work)
    typer.echo("done")


@app.command("revoke")
def revoke_command(slug: str, to: To) -> None:
    """Share a collection with a subject no more."""

    async def work(database: Database) -> None:
        kind, name = _subject(to)
        await collections.revoke(database, SYSTEM, slug, kind, name)

    _run(work)
    typer.echo("done")


@app.command("remove")
def remove_command(slug: str) -> None:
    """Remove a collection with all its documents: unreadable at once, deleted by the worker."""
    _run(lambda database: collections.remove_collection(database, SYSTEM, slug))
    typer.echo(f"collection {slug} removed")


def _subject(text: str) -> tuple[SubjectKind, str]:
    kind, _, name = text.partition(":")
    for known in ("person", "group", "organisation"):
        if kind == known and name:
            return known, name
    expected = "person:…, group:…, organisation:…"
    reason = wrong("subject", value=text[:200], expected=expected)
    raise ChappeError("invalid_request", 422, reason=reason)


def _run(work: Callable[[Database], Coroutine[Any, Any, Result]]) -> Result:
    async def inside(runtime: Runtime) -> Result:
        return await work(runtime.database)

    return with_runtime(inside)


def _print_json(views: list[Any]) -> None:
    rows = [view.model_dump(mode="json") for view in views]
    typer.echo(json.dumps(rows, ensure_ascii=False))
