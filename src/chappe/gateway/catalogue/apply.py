"""The declarative file: compared with what is, and applied in one transaction."""

import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import of_toml, wrong
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.schemas import (
    CatalogueSpec,
    EndpointSpec,
    LimitSpec,
    ModelSpec,
    OrganisationSpec,
    described,
)
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import Actor
from chappe.identity.audit import hold

Act = Literal["create", "update", "remove"]
Spec = OrganisationSpec | ModelSpec | EndpointSpec | LimitSpec
_SECRETS = frozenset(("secret", "secret_env", "secret_file"))


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: organisation, model, endpoint or limit.
        fields: by name, what it is and what it will be; secrets are told as changed, never shown.
    """

    act: Act
    kind: str
    name: str
    fields: dict[str, tuple[Any, Any]]
    spec: Spec


@dataclass(frozen=True, slots=True)
class Current:
    """What the catalogue holds, by kind and name; and the secrets of its endpoints."""

    specs: dict[tuple[str, str], Spec]
    secrets: dict[str, str | None]


def read_file(text: str) -> CatalogueSpec:
    """Read the TOML text.

    Raises:
        ChappeError: `catalogue_file` (422), naming the table and the key.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ChappeError("catalogue_file", 422, reason=of_toml(error)) from None
    except RecursionError:
        raise ChappeError("catalogue_file", 422, reason=wrong("recursion_loop")) from None
    return described(CatalogueSpec, values, "catalogue_file")


def name_of(spec: Spec) -> tuple[str, str]:
    """Kind and name of a description."""
    if isinstance(spec, OrganisationSpec):
        return "organisation", spec.slug
    kind = {ModelSpec: "model", EndpointSpec: "endpoint", LimitSpec: "limit"}[type(spec)]
    return kind, spec.name


def plan(current: Current, wanted: CatalogueSpec, *, prune: bool) -> list[Change]:
    """What has to change so that the catalogue is as wanted. Pure.

    Args:
        current: what is.
        wanted: what the file says.
        prune: remove what the file doesn't name (organisations are never removed: they have
            accounts).

    Raises:
        ChappeError: `invalid_request`, a secret can't be read.
    """
    given: list[Spec] = [
        *wanted.organisations, *wanted.models, *wanted.endpoints, *wanted.limits,
    ]  # fmt: skip
    changes = []
    for spec in given:
        kind, name = name_of(spec)
        present = current.specs.get((kind, name))
        fields = _differences(present, spec)
        if isinstance(spec, EndpointSpec):
            fields |= _secret_difference(spec, current.secrets.get(name))
        if present is None:
            changes.append(Change("create", kind, name, fields, spec))
        elif fields:
            changes.append(Change("update", kind, name, fields, spec))
    if prune:
        kept = {name_of(spec) for spec in given}
        for (kind, name), spec in reversed(current.specs.items()):
            if (kind, name) not in kept and kind != "organisation":
                changes.append(Change("remove", kind, name, {}, spec))
    return changes


def _differences(present: Spec | None, wanted: Spec) -> dict[str, tuple[Any, Any]]:
    after = _plain(wanted)
    if present is None:
        told = wanted.model_dump(exclude_defaults=True).keys()
        return {name: (None, value) for name, value in after.items() if name in told}
    before = _plain(present)
    return {
        name: (before[name], value)
        for name, value in after.items()
        if before[name] != value and (name != "drained" or "drained" in wanted.model_fields_set)
    }


def _plain(spec: BaseModel) -> dict[str, Any]:
    plain = spec.model_dump(exclude=set(_SECRETS), mode="json")
    for name in ("grants", "aliases"):
        if name in plain:
            plain[name] = sorted(plain[name])
    return plain


def _secret_difference(spec: EndpointSpec, present: str | None) -> dict[str, tuple[Any, Any]]:
    wanted = spec.secret_text()
    if wanted is None or (wanted or None) == present:
        return {}
    return {"secret": ("…" if present else None, "…" if wanted else None)}


async def current(connection: Connection, cipher: Cipher) -> Current:
    """What the catalogue holds now."""
    specs: list[Spec] = [*await admin.organisations(connection), *await admin.models(connection)]
    endpoints = await admin.endpoints(connection)
    specs += [spec for spec, _ in endpoints]
    specs += [spec for _, spec in await admin.limits(connection)]
    sealed = await admin.rows(connection, "select id::text, name, secret from endpoint")
    secrets: dict[str, str | None] = {}
    for row in sealed:
        try:
            secrets[row["name"]] = (
                cipher.decrypt(bytes(row["secret"]), row["id"]) if row["secret"] else None
            )
        except ChappeError:
            secrets[row["name"]] = None  # made with another key: it is written anew
    return Current({name_of(spec): spec for spec in specs}, secrets)


async def make_so(
    connection: Connection,
    actor: Actor,
    cipher: Cipher,
    wanted: CatalogueSpec,
    *,
    prune: bool = False,
    dry_run: bool = False,
    configured: Collection[str] = (),
) -> list[Change]:
    """Compare with the catalogue and make it so, in the caller's transaction: all or none.

    Args:
        configured: names of the models of the settings.
        dry_run: make the changes and take them back, so that what can't be made is told.

    Raises:
        ChappeError: as the single changes.
    """
    await hold(connection)
    now = await current(connection, cipher)
    changes = plan(now, await _by_identifier(connection, wanted), prune=prune)
    async with connection.transaction(force_rollback=dry_run):
        await apply(connection, actor, cipher, changes, configured)
    return changes


async def _by_identifier(connection: Connection, wanted: CatalogueSpec) -> CatalogueSpec:
    """The same, with keys told as the catalogue tells them: by identifier."""

    async def told(subject: str, spec: Spec) -> str:
        if not subject.startswith("key:"):
            return subject
        with _said_where(*name_of(spec)):
            _, identifier = await admin.resolve_subject(connection, subject, ("key",))
        return f"key:{identifier}"

    models = [
        model.model_copy(update={"grants": [await told(grant, model) for grant in model.grants]})
        for model in wanted.models
    ]
    limits = [
        limit.model_copy(update={"subject": await told(limit.subject, limit)})
        for limit in wanted.limits
    ]
    return wanted.model_copy(update={"models": models, "limits": limits})


async def apply(
    connection: Connection,
    actor: Actor,
    cipher: Cipher,
    changes: list[Change],
    configured: Collection[str] = (),
) -> None:
    """Make the changes, in the caller's transaction.

    Names may pass from one model to another, and models that lead to each other come and go
    together: what is wrong is what is wrong at the end.

    Raises:
        ChappeError: as the single changes.
    """
    async with admin.checked(connection, configured):
        for change in changes:
            with _said_where(change.kind, change.name):
                await _apply_one(connection, actor, cipher, change)


async def _apply_one(connection: Connection, actor: Actor, cipher: Cipher, change: Change) -> None:
    removing = change.act == "remove"
    match spec := change.spec:
        case OrganisationSpec():
            await admin.put_organisation(connection, actor, spec)
        case ModelSpec() if removing:
            await admin.unmake_model(connection, actor, spec.name)
        case ModelSpec():
            await admin.make_model(connection, actor, spec)
        case EndpointSpec() if removing:
            await admin.remove_endpoint(connection, actor, spec.name)
        case EndpointSpec():
            await admin.put_endpoint(connection, actor, cipher, spec)
        case LimitSpec() if removing:
            await admin.remove_limit(connection, actor, spec)
        case LimitSpec():
            await admin.make_limit(connection, actor, spec)


@contextmanager
def _said_where(kind: str, name: str) -> Iterator[None]:
    """A name that leads nowhere is told with the table of the file that it stands in."""
    try:
        yield
    except ChappeError as error:
        if error.code != "unknown_object":
            raise
        values = error.values | {"name": f"{error.values['name']} ({kind} {name})"}
        raise ChappeError(error.code, error.status, **values) from None


def shown(changes: list[Change]) -> list[str]:
    """The plan as lines, like a diff."""
    marks = {"create": "+", "update": "~", "remove": "-"}
    lines = []
    for change in changes:
        lines.append(f"{marks[change.act]} {change.kind} {change.name}")
        for name, (before, after) in change.fields.items():
            told = f"{after}" if change.act == "create" else f"{before} → {after}"
            lines.append(f"    {name}: {told}")
    return lines
