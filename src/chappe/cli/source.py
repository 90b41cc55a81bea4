"""Sources by command: the official corpora by name, and whatever else fills a collection."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from chappe.cli.progress import LoadProgress
from chappe.cli.running import with_runtime
from chappe.cli.session import language, one_line_errors
from chappe.core.errors import ChappeError
from chappe.core.i18n import sentence, translate
from chappe.core.invalid import at, of_pydantic, wrong
from chappe.identity.access import SYSTEM
from chappe.knowledge.catalogue import SOURCES, find_source, load_source
from chappe.knowledge.collections import list_collections
from chappe.knowledge.jobs import loads
from chappe.knowledge.loads import read_load
from chappe.knowledge.source_admin import SourceAdministration, Spec, read_spec
from chappe.knowledge.source_schemas import NewSource, SourceChange, SourceView
from chappe.knowledge.source_sync import Run, Synchroniser
from chappe.knowledge.synchronise import SyncReport
from chappe.server.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="Sources of collections.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="FIELD=VALUE of the source; JSON for lists.")
]
Every = Annotated[
    str | None,
    typer.Option(help="How often: 15m, 6h, 1d, or seconds; `never`: by hand only."),
]
SecretFile = Annotated[
    Path | None, typer.Option(help="File with the password, token or secret key; - asks for it.")
]
_KINDS = {"folder": "path", "web": "url", "webdav": "url", "s3": "bucket"}
_FORMATS = ("vosdroits", "legi")
_DURATIONS = "15m, 6h, 1d, 3600, never"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "j": 86_400}


def _administration(runtime: Runtime) -> SourceAdministration:
    return SourceAdministration(runtime.settings, runtime.database)


@app.command("list")
def list_command(
    collection: Annotated[str | None, typer.Option(help="Only this one's.")] = None,
    as_json: Json = False,
) -> None:
    """List the official corpora by name, and the sources of collections."""

    async def work(runtime: Runtime) -> tuple[list[dict[str, Any]], list[SourceView]]:
        known = {view.source: view.model_dump() for view in await loads(runtime.database)}
        views = await list_collections(runtime.database, SYSTEM)
        # One that a command loaded has no job that would tell.
        loaded = {view.slug for view in views if view.documents}
        named = [
            known.get(slug)
            or {
                "source": slug,
                "title": item.title,
                "state": "loaded" if slug in loaded else "not added",
            }
            for slug, item in SOURCES.items()
        ]
        return [] if collection else named, await _administration(runtime).list_of(
            SYSTEM, collection
        )

    named, added = with_runtime(work)
    if as_json:
        rows = [view.model_dump(mode="json") | {"source": view.id} for view in added]
        typer.echo(json.dumps([*named, *rows], ensure_ascii=False))
        return
    for row in named:
        typer.echo(f"{row['source']:26} {row['state']:12} {row['title']}")
    for view in added:
        state: str = view.last.state if view.last else "not run"
        state = state if view.enabled else "off"
        typer.echo(f"{view.id:<26} {state:12} {view.collection}: {view.name} ({view.items})")


@app.command("add")
def add_command(
    what: Annotated[
        str,
        typer.Argument(
            help="An official corpus by its name, or folder, web, webdav, s3, vosdroits, legi."
        ),
    ],
    location: Annotated[
        str | None, typer.Argument(help="A path, an address, or s3://BUCKET/PREFIX.")
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Which collection it fills.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    every: Every = None,
    fields: Set = None,
    secret_file: SecretFile = None,
    run: Annotated[bool, typer.Option(help="Run it now, in this process.")] = True,
) -> None:
    """Add a source. An official corpus that is named is fetched and loaded here and now."""
    if collection is None:
        with one_line_errors():
            if what in (*_KINDS, *_FORMATS):
                raise ChappeError(
                    "invalid_request", 422, reason=wrong("collection_option", option="--collection")
                )
        _load_named(what, refresh=False)
        return

    async def work(runtime: Runtime) -> SourceView:
        new = NewSource(
            spec=_spec(what, location, fields or []),
            name=name,
            secret=_secret(secret_file),
            every_seconds=_seconds(every),
        )
        return await _administration(runtime).add(SYSTEM, collection, new)

    view = with_runtime(_told_invalid(work))
    typer.echo(f"source {view.id} added to {view.collection}: {view.name}")
    if run:
        _run(view.id, force=False)


@app.command("set")
def set_command(
    source: int,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    every: Every = None,
    enabled: Annotated[
        bool | None, typer.Option("--on/--off", help="Keep to its schedule.")
    ] = None,
    fields: Set = None,
    secret_file: SecretFile = None,
) -> None:
    """Change a source."""

    async def work(runtime: Runtime) -> SourceView:
        administration = _administration(runtime)
        given: dict[str, Any] = {}
        if fields:
            before = (await administration.read(SYSTEM, source)).spec.model_dump(mode="json")
            given["spec"] = before | _values(fields)
        if name is not None:
            given["name"] = name
        if every is not None:
            given["every_seconds"] = _seconds(every)
        if enabled is not None:
            given["enabled"] = enabled
        if secret_file is not None:
            given["secret"] = _secret(secret_file)
        return await administration.change(SYSTEM, source, SourceChange(**given))

    view = with_runtime(_told_invalid(work))
    typer.echo(f"source {view.id} changed: {view.name}")


@app.command("sync")
def sync_command(
    source: Annotated[str, typer.Argument(help="An identifier, or an official corpus by name.")],
    refresh: Annotated[bool, typer.Option(help="Fetch a named corpus anew.")] = False,
    force: Annotated[
        bool, typer.Option(help="Remove what went away even if it is most of it.")
    ] = False,
) -> None:
    """Run a source here and now: what is new, what changed, what went away."""
    if source.isdecimal():
        _run(int(source), force)
    else:
        _load_named(source, refresh)


@app.command("remove")
def remove_command(source: int) -> None:
    """Remove a source; the documents that it brought stay."""

    async def work(runtime: Runtime) -> None:
        await _administration(runtime).remove(SYSTEM, source)

    with_runtime(work)
    typer.echo(f"source {source} removed, its documents stay")


@app.command("report")
def report_command(source: int, as_json: Json = False) -> None:
    """Tell what the newest run of a source did, and what it could not."""

    async def work(runtime: Runtime) -> SourceView:
        return await _administration(runtime).read(SYSTEM, source)

    view = with_runtime(work)
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
        return
    typer.echo(f"{view.name} → {view.collection}")
    if view.last is None:
        typer.echo("not run")
        return
    last = view.last
    typer.echo(
        f"{last.state}, {last.started_at:%Y-%m-%d %H:%M}: {last.added} added, {last.changed}"
        f" changed, {last.unchanged} unchanged, {last.removed} removed, {last.failed} unreadable"
    )
    for line in _told(last.detail):
        typer.echo(line)


def _told(detail: dict[str, Any]) -> list[str]:
    """What a report says beside its counts, a line each."""
    lines = [f"{name}: {detail[name]}" for name in ("refused", "pending", "held") if name in detail]
    if detail.get("complete") is False:
        lines.append("complete: no (nothing was removed)")
    for name in ("reason", "kept"):
        if name in detail:
            lines.append(_sentence(detail[name]))
    lines += [f"  {each['item']}: {_sentence(each)}" for each in detail.get("failures", ())]
    return lines


def _sentence(reason: dict[str, Any]) -> str:
    values = {name: sentence(value) for name, value in reason["values"].items()}
    told = [translate(f"{reason['code']}.{part}", language(), **values)
            for part in ("title", "detail")]  # fmt: skip
    return ". ".join(told)


def _run(source: int, force: bool) -> None:
    async def work(runtime: Runtime) -> tuple[Run, dict[str, Any]]:
        view = await _administration(runtime).read(SYSTEM, source)
        synchroniser = Synchroniser(
            runtime.settings, runtime.database, runtime.gateway, runtime.originals
        )
        with LoadProgress(view.name) as progress:
            load_id, run = await synchroniser.run(
                source, requested_by="cli", progress=progress.update, force=force
            )
            runtime.start_documents()
            while (load := await read_load(runtime.database, SYSTEM, load_id)).state == "running":
                await progress.update("reading", load.settled, load.found)
                await asyncio.sleep(0.5)
        return run, load.detail

    run, detail = with_runtime(work, kinds=("embedding",))
    typer.echo(
        f"source {source}: {run.added} added, {run.changed} changed, {run.unchanged} unchanged,"
        f" {run.removed} removed"
    )
    for line in _told(detail):
        typer.echo(line)
    if run.held:
        typer.echo(f"most would go: chappe source sync {source} --force removes them")
        sys.exit(1)


def _load_named(name: str, refresh: bool) -> None:
    async def work(runtime: Runtime) -> SyncReport:
        with LoadProgress(find_source(name).title) as progress:
            return await load_source(
                runtime.settings,
                runtime.database,
                runtime.gateway,
                find_source(name),
                refresh=refresh,
                progress=progress.update,
            )

    with one_line_errors():
        find_source(name)
    report = with_runtime(work, kinds=("embedding",))
    typer.echo(
        f"{name}: {report.added} added, {report.changed} changed, {report.unchanged} unchanged,"
        f" {report.removed} removed, {report.embedded} passages embedded"
    )


def _told_invalid(work: Any) -> Any:
    """The same, where a value that can't be is told as an error of ours."""

    async def inside(runtime: Runtime) -> Any:
        try:
            return await work(runtime)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            reason = at(place, of_pydantic(first))
            raise ChappeError("invalid_request", 422, reason=reason) from None

    return inside


def _spec(what: str, location: str | None, fields: list[str]) -> Spec:
    values: dict[str, Any] = {"kind": what}
    if what in _FORMATS:
        values = {"kind": "official", "format": what, "location": location}
    elif what == "s3" and location is not None:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        values |= {"bucket": bucket, "prefix": prefix}
    elif what in _KINDS:
        values[_KINDS[what]] = (
            str(Path(location).resolve()) if what == "folder" and location else (location)
        )
    else:
        if what not in SOURCES:
            known = ", ".join((*_KINDS, *_FORMATS, *SOURCES))
            raise ChappeError("unknown_source", 404, name=what, known=known)
        values = {"kind": "official", "name": what}
    return read_spec({key: value for key, value in values.items() if value is not None}
                     | _values(fields))  # fmt: skip


def _values(fields: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in fields:
        name, separator, text = item.partition("=")
        if not separator:
            raise ChappeError(
                "invalid_request", 422, reason=wrong("set_option", option="--set", item=item)
            )
        try:
            values[name.strip()] = json.loads(text)
        except json.JSONDecodeError:
            values[name.strip()] = text
    return values


def _seconds(every: str | None) -> int | None:
    text = (every or "").strip().lower()
    if text in ("", "never"):
        return None
    number, unit = (text[:-1], text[-1]) if text[-1] in _UNITS else (text, "s")
    if not number.isdecimal():
        raise ChappeError(
            "invalid_request",
            422,
            reason=wrong("every_option", option="--every", value=text, examples=_DURATIONS),
        )
    return int(number) * _UNITS[unit]


def _secret(file: Path | None) -> SecretStr | None:
    if file is None:
        return None
    if str(file) == "-":
        if not sys.stdin.isatty():
            return SecretStr(sys.stdin.readline().rstrip("\r\n"))
        return SecretStr(typer.prompt("secret", hide_input=True, err=True))
    try:
        return SecretStr(file.read_text().strip())
    except (OSError, UnicodeDecodeError):
        reason = wrong("file_unreadable", path=file)
        raise ChappeError("invalid_request", 422, reason=reason) from None
