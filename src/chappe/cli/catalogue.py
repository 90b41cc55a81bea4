"""The catalogue by command: `model`, `endpoint`, `proposal`, `limit`, `secret`, `apply`."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from chappe.cli.session import one_line_errors, settings_for
from chappe.core.connections import Connection, Connections
from chappe.core.database import migrate
from chappe.core.database_server import DatabaseServer
from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.gateway.catalogue import Endpoint
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
from chappe.gateway.catalogue.proposals import decide, proposals
from chappe.gateway.catalogue.schemas import EndpointSpec, LimitSpec, ModelSpec, described
from chappe.gateway.catalogue.secrets import Cipher
from chappe.gateway.configured import configured_models
from chappe.gateway.engines.detection import detect, examine
from chappe.gateway.http.upstream import Pool, UpstreamError
from chappe.gateway.quotas.store import limit_states, state_view
from chappe.identity import SYSTEM
from chappe.knowledge.source_admin import seal_anew

model = typer.Typer(no_args_is_help=True, help="Models of the catalogue.")
endpoint = typer.Typer(no_args_is_help=True, help="Servers that serve them.")
proposal = typer.Typer(no_args_is_help=True, help="Models that servers announce.")
limit = typer.Typer(no_args_is_help=True, help="Limits on what may be asked.")
secret = typer.Typer(no_args_is_help=True, help="Secrets at rest, of servers and sources.")

Result = TypeVar("Result")
Spec = TypeVar("Spec", bound=BaseModel)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="FIELD=VALUE; lists and objects in JSON.")
]


def on_database(work: Callable[[Connection, Cipher], Awaitable[Result]]) -> Result:
    """Run `work` in one transaction on the installation's database; errors in one line."""
    with one_line_errors():
        settings = settings_for(quiet=True)
        server = DatabaseServer(settings)
        try:
            server.start()
            migrate(server.url)

            async def inside() -> Result:
                connections = Connections(server.url, 1)
                await connections.open()
                try:
                    async with connections.transaction() as connection:
                        return await work(connection, Cipher.from_settings(settings))
                finally:
                    await connections.close()

            return asyncio.run(inside())
        finally:
            server.stop()
    raise AssertionError("one_line_errors ends the process")


def _configured() -> frozenset[str]:
    """Names of the models of the settings, which the catalogue may lead to."""
    return frozenset(item.model.name for item in configured_models(settings_for(quiet=True)))


def _values(given: list[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in given or []:
        name, separator, text = item.partition("=")
        if not separator:
            raise ChappeError("invalid_request", 422, reason=f"--set {item}: FIELD=VALUE")
        try:
            values[name.strip()] = json.loads(text)
        except json.JSONDecodeError:
            values[name.strip()] = text
    return values


def _described(kind: type[Spec], values: dict[str, Any]) -> Spec:
    return described(kind, values, "invalid_request")


def _show(rows: list[dict[str, Any]], as_json: bool, *columns: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
        return
    for row in rows:
        typer.echo("  ".join(f"{row[name]!s:20}" for name in columns).rstrip())


# Models


@model.command("list")
def model_list(as_json: Json = False) -> None:
    """List the models of the catalogue."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return [spec.model_dump() for spec in await admin.models(connection)]

    _show(on_database(work), as_json, "name", "kind", "status", "public")


@model.command("show")
def model_show(name: str) -> None:
    """Show a model and the servers that serve it, as JSON."""

    async def work(connection: Connection, _: Cipher) -> dict[str, Any]:
        spec = await _model(connection, name)
        served = {e.name: e.serves[name] for e, _ in await admin.endpoints(connection)
                  if name in e.serves}  # fmt: skip
        return spec.model_dump() | {"endpoints": served}

    typer.echo(json.dumps(on_database(work), ensure_ascii=False, indent=2))


async def _model(connection: Connection, name: str) -> ModelSpec:
    for spec in await admin.models(connection):
        if spec.name == name:
            return spec
    raise ChappeError("unknown_object", 404, kind="model", name=name)


@model.command("set")
def model_set(name: str, fields: Set = None) -> None:
    """Add a model or change fields of it: `chappe model set NAME --set kind=embedding`."""

    async def work(connection: Connection, _: Cipher) -> None:
        known = {spec.name: spec for spec in await admin.models(connection)}
        before = known[name].model_dump() if name in known else {}
        spec = _described(ModelSpec, before | _values(fields) | {"name": name})
        await admin.put_model(connection, SYSTEM, spec, _configured())

    on_database(work)
    typer.echo(f"model {name} set")


@model.command("retire")
def model_retire(
    name: str,
    replacement: Annotated[str | None, typer.Option(help="Who answers in its place.")] = None,
) -> None:
    """Retire a model: those who ask for it are answered by its replacement, with a warning."""

    async def work(connection: Connection, _: Cipher) -> None:
        spec = await _model(connection, name)
        changed = {"status": "retired", "replacement": replacement or spec.replacement}
        await admin.put_model(connection, SYSTEM, spec.model_copy(update=changed), _configured())

    on_database(work)
    typer.echo(f"model {name} retired")


@model.command("grant")
def model_grant(name: str, subject: str) -> None:
    """Grant a model to organisation:SLUG, group:SLUG/GROUP or key:ID; it is public no more."""
    _grants(name, lambda grants: sorted({*grants, subject}))


@model.command("revoke")
def model_revoke(name: str, subject: str) -> None:
    """Take a grant back."""
    _grants(name, lambda grants: [grant for grant in grants if grant != subject])


def _grants(name: str, change: Callable[[list[str]], list[str]]) -> None:
    async def work(connection: Connection, _: Cipher) -> None:
        spec = await _model(connection, name)
        changed = spec.model_copy(update={"grants": change(spec.grants), "public": False})
        await admin.put_model(connection, SYSTEM, changed, _configured())

    on_database(work)
    typer.echo(f"model {name}: grants changed")


@model.command("remove")
def model_remove(name: str) -> None:
    """Remove a model that nothing needs."""
    on_database(lambda connection, _: admin.remove_model(connection, SYSTEM, name, _configured()))
    typer.echo(f"model {name} removed")


# Endpoints


@endpoint.command("list")
def endpoint_list(as_json: Json = False) -> None:
    """List the servers; their secrets are never shown."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        return [
            spec.model_dump(exclude={"secret", "secret_env", "secret_file"})
            | {"has_secret": has, "models": ",".join(spec.serves)}
            for spec, has in await admin.endpoints(connection)
        ]

    _show(on_database(work), as_json, "name", "engine", "site", "clearance", "url", "models")


@endpoint.command("set")
def endpoint_set(
    name: str,
    url: Annotated[str | None, typer.Option(help="Address up to and including /v1.")] = None,
    serves: Annotated[list[str] | None, typer.Option(help="MODEL or MODEL=ITS-NAME-THERE.")] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with its secret; - for standard input.")
    ] = None,
    fields: Set = None,
) -> None:
    """Add a server or change fields of it; its secret is read from a file, never from arguments.

    With `--set engine=auto` it is asked what it is.
    """

    async def work(connection: Connection, cipher: Cipher) -> None:
        known = {spec.name: spec for spec, _ in await admin.endpoints(connection)}
        values = known[name].model_dump() if name in known else {}
        values |= _values(fields) | {"name": name}
        if url is not None:
            values["url"] = url
        if serves is not None:
            pairs = [item.partition("=") for item in serves]
            values["serves"] = {mine: theirs or mine for mine, _, theirs in pairs}
        if secret_file is not None:
            values["secret"] = _text(secret_file, "invalid_request").strip()
        if values.get("engine") == "auto":
            given = {"engine": "openai"}
            values["engine"] = await _detected(_described(EndpointSpec, values | given))
        await admin.put_endpoint(connection, SYSTEM, cipher, _described(EndpointSpec, values))

    on_database(work)
    typer.echo(f"endpoint {name} set")


async def _detected(spec: EndpointSpec) -> str:
    admin.check_address(spec)
    pool = Pool()
    try:
        return await detect(pool, spec.url, spec.secret_text())
    except UpstreamError as error:
        raise ChappeError("invalid_request", 422, reason=f"{spec.url}: {error}") from None
    finally:
        await pool.close()


@endpoint.command("test")
def endpoint_test(name: str, as_json: Json = False) -> None:
    """Ask a server now whether it is well, what it is, and which models it announces."""

    async def work(connection: Connection, cipher: Cipher) -> dict[str, Any]:
        found = await admin.rows(
            connection, "select id::text, url, secret, engine from endpoint where name = %s", name
        )
        if not found:
            raise ChappeError("unknown_object", 404, kind="endpoint", name=name)
        row = found[0]
        secret = cipher.decrypt(bytes(row["secret"]), row["id"]) if row["secret"] else None
        asked = Endpoint(row["id"], name, row["url"], secret, engine=row["engine"])
        pool = Pool()
        try:
            seen = await examine(pool, asked)
        except UpstreamError as error:
            return {"well": False, "detail": str(error)}
        finally:
            await pool.close()
        return {"well": True, "engine": seen.engine, "models": seen.models, "set": row["engine"]}

    told = on_database(work)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    elif told["well"]:
        differs = f" (set as {told['set']})" if told["set"] != told["engine"] else ""
        typer.echo(f"well  {told['engine']}{differs}  {' '.join(told['models'])}".rstrip())
    else:
        typer.echo(f"not well: {told['detail']}")
    if not told["well"]:
        sys.exit(1)


@endpoint.command("drain")
def endpoint_drain(name: str) -> None:
    """Send nothing more there; what runs there goes on."""
    on_database(lambda connection, _: admin.set_drained(connection, SYSTEM, name, True))
    typer.echo(f"endpoint {name} drained")


@endpoint.command("resume")
def endpoint_resume(name: str) -> None:
    """Take a drained server back."""
    on_database(lambda connection, _: admin.set_drained(connection, SYSTEM, name, False))
    typer.echo(f"endpoint {name} resumed")


@endpoint.command("remove")
def endpoint_remove(name: str) -> None:
    """Remove a server."""
    on_database(lambda connection, _: admin.remove_endpoint(connection, SYSTEM, name))
    typer.echo(f"endpoint {name} removed")


# Proposals


@proposal.command("list")
def proposal_list(as_json: Json = False) -> None:
    """List the models that servers announce and that nobody has taken or set aside."""
    rows = on_database(lambda connection, _: proposals(connection))
    _show(rows, as_json, "endpoint", "upstream_name", "first_seen")


@proposal.command("accept")
def proposal_accept(
    endpoint_name: str,
    name: str,
    as_model: Annotated[str | None, typer.Option("--as", help="Name in the catalogue.")] = None,
) -> None:
    """Have a server serve a model that it announces."""
    target = as_model or name
    on_database(lambda connection, _: decide(connection, SYSTEM, endpoint_name, name, target))
    typer.echo(f"{endpoint_name} serves {target}")


@proposal.command("ignore")
def proposal_ignore(endpoint_name: str, name: str) -> None:
    """Set a proposal aside."""
    on_database(lambda connection, _: decide(connection, SYSTEM, endpoint_name, name, None))
    typer.echo("ignored")


# Limits


@limit.command("list")
def limit_list(as_json: Json = False) -> None:
    """List the limits, with what is used of each now."""

    async def work(connection: Connection, _: Cipher) -> list[dict[str, Any]]:
        states = await limit_states(connection)
        return [
            spec.model_dump() | {"id": identifier} | state_view(states.get(identifier))
            for identifier, spec in await admin.limits(connection)
        ]

    columns = ("subject", "model", "measure", "period", "amount", "used", "remaining")
    rows = on_database(work)
    if not as_json:
        typer.echo("  ".join(f"{name:20}" for name in columns).rstrip())
    _show(rows, as_json, *columns)


@limit.command("set")
def limit_set(
    subject: Annotated[str, typer.Argument(help="installation, model:NAME, organisation:SLUG…")],
    measure: Annotated[
        str, typer.Argument(help="requests, tokens, concurrency, audio_seconds, energy_wh")
    ],
    amount: float,
    per: Annotated[str | None, typer.Option(help="minute, day, month; none at once.")] = None,
    model_name: Annotated[str | None, typer.Option("--model", help="Only of this model.")] = None,
    action: Annotated[str, typer.Option(help="warn, slow, refuse")] = "refuse",
    fields: Set = None,
) -> None:
    """Set a limit: `chappe limit set organisation:univ-a tokens 1000000 --per day`."""

    async def work(connection: Connection, _: Cipher) -> None:
        spec = _limit(subject, measure, per, model_name, amount, action, _values(fields))
        await admin.put_limit(connection, SYSTEM, spec, _configured())

    on_database(work)
    typer.echo("limit set")


@limit.command("remove")
def limit_remove(
    subject: str,
    measure: str,
    per: Annotated[str | None, typer.Option(help="minute, day, month")] = None,
    model_name: Annotated[str | None, typer.Option("--model")] = None,
) -> None:
    """Remove a limit."""

    async def work(connection: Connection, _: Cipher) -> None:
        spec = _limit(subject, measure, per, model_name, 0.0, "refuse", {})
        await admin.remove_limit(connection, SYSTEM, spec)

    on_database(work)
    typer.echo("limit removed")


def _limit(
    subject: str,
    measure: str,
    per: str | None,
    model_name: str | None,
    amount: float,
    action: str,
    more: dict[str, Any],
) -> LimitSpec:
    if subject.startswith("model:"):
        subject, model_name = "model", subject.removeprefix("model:")
    values = {
        "subject": subject, "measure": measure, "period": per, "model": model_name,
        "amount": amount, "action": action,
    }  # fmt: skip
    return _described(LimitSpec, values | more)


# Secrets and the file


@secret.command("rotate")
def secret_rotate() -> None:
    """Encrypt every secret anew: with a new key, or with the first of the setting `secret_key`."""
    used: list[Cipher] = []

    async def work(connection: Connection, cipher: Cipher) -> int:
        used.append(cipher)
        cipher.begin_rotation()
        servers = await admin.rotate_secrets(connection, SYSTEM, cipher)
        return servers + await seal_anew(connection, cipher)

    count = on_database(work)
    used[0].end_rotation()
    typer.echo(f"{count} secrets encrypted anew, key {used[0].key_id.hex()}")


def apply_command(
    file: Annotated[
        Path, typer.Argument(help="TOML (docs/reference/catalogue.md); - for standard input.")
    ],
    dry_run: Annotated[bool, typer.Option(help="Only show; exit code 2 if there is any.")] = False,
    prune: Annotated[bool, typer.Option(help="Remove what the file doesn't name.")] = False,
    as_json: Json = False,
) -> None:
    """Compare a declarative file with the catalogue, and make it so."""

    async def work(connection: Connection, cipher: Cipher) -> list[declarative.Change]:
        wanted = declarative.read_file(_text(file, "catalogue_file"))
        return await declarative.make_so(
            connection,
            SYSTEM,
            cipher,
            wanted,
            prune=prune,
            dry_run=dry_run,
            configured=_configured(),
        )

    changes = on_database(work)
    if as_json:
        told = [{"act": c.act, "kind": c.kind, "name": c.name, "fields": c.fields} for c in changes]
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        for line in declarative.shown(changes):
            typer.echo(line)
        typer.echo(f"{len(changes)} changes{' to make' if dry_run else ''}")
    if dry_run and changes:
        sys.exit(2)


def _text(file: Path, code: str) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError):
        reason = wrong("file_unreadable", path=file)
        raise ChappeError(code, 422, reason=reason) from None
