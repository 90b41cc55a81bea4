"""Changing the catalogue: one object at a time, each change audited in its own transaction.

A change begins with :func:`hold`: in whatever order two transactions change things, neither then
waits for the other, and what one of them found still holds when it is written.
"""

import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.gateway.catalogue.addresses import link_local
from chappe.gateway.catalogue.model import LEVELS
from chappe.gateway.catalogue.prices import keep_prices
from chappe.gateway.catalogue.references import References, check
from chappe.gateway.catalogue.schemas import (
    EndpointSpec,
    LimitSpec,
    ModelSpec,
    OrganisationSpec,
)
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import Actor
from chappe.identity.audit import hold, record

_JSON = frozenset(("default_sampling", "labels"))


async def rows(connection: Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    """The rows of a query, as dictionaries."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def _upsert(
    connection: Connection, table: str, key: str, fields: dict[str, Any]
) -> uuid.UUID:
    values = {n: Jsonb(v) if n in _JSON else v for n, v in fields.items()}
    names = ", ".join(values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != key)
    touched = ", updated_at = now()" if table in ("model", "endpoint") else ""
    found = await rows(
        connection,
        f"insert into {table} ({names}) values ({', '.join(['%s'] * len(values))})"  # noqa: S608
        f" on conflict ({key}) do update set {changes}{touched} returning id",
        *values.values(),
    )
    return uuid.UUID(str(found[0]["id"]))


def missing(kind: str, name: str) -> ChappeError:
    """The refusal of a name that leads to nothing."""
    return ChappeError("unknown_object", 404, kind=kind, name=name)


# Organisations


async def put_organisation(connection: Connection, actor: Actor, spec: OrganisationSpec) -> None:
    """Make an organisation as described."""
    await hold(connection)
    await _upsert(connection, "organisation", "slug", spec.model_dump())
    await record(connection, actor, "organisation.put", spec.slug, spec.model_dump())


async def organisations(connection: Connection) -> list[OrganisationSpec]:
    """All organisations."""
    found = await rows(
        connection, "select slug, name, siret, weight from organisation order by slug"
    )
    return [OrganisationSpec(**row) for row in found]


# Models


async def put_model(
    connection: Connection, actor: Actor, spec: ModelSpec, configured: Collection[str] = ()
) -> None:
    """Make a model as described.

    Args:
        configured: names of the models of the settings.

    Raises:
        ChappeError: as :func:`make_model` and :func:`checked`.
    """
    async with checked(connection, configured):
        await make_model(connection, actor, spec)


async def make_model(connection: Connection, actor: Actor, spec: ModelSpec) -> None:
    """The same, within :func:`checked`.

    Raises:
        ChappeError: `unknown_object` (a grant).
    """
    fields = spec.model_dump(exclude={"grants"})
    model_id = await _upsert(connection, "model", "name", fields)
    await keep_prices(connection, spec)
    await connection.execute("delete from model_grant where model_id = %s", (model_id,))
    for grant in spec.grants:
        kind, subject = await resolve_subject(connection, grant, ("organisation", "group", "key"))
        await connection.execute(
            "insert into model_grant values (%s, %s, %s) on conflict do nothing",
            (model_id, kind, subject),
        )
    await record(connection, actor, "model.put", spec.name, spec.model_dump())


@asynccontextmanager
async def checked(connection: Connection, configured: Collection[str] = ()) -> AsyncIterator[None]:
    """Changes of models and limits, taken back unless every name then leads to one model, and all
    that led to a model before or is new leads to one.

    Args:
        configured: names of the models of the settings, which may be led to.

    Raises:
        ChappeError: `name_taken`, `object_in_use`, `unknown_reference`.
    """
    await hold(connection)
    before = await _references(connection, configured)
    async with connection.transaction():
        yield
        await _check_names(connection)
        check(before, await _references(connection, configured))


async def _references(connection: Connection, configured: Collection[str]) -> References:
    told = [spec for _, spec in await limits(connection)]
    return References.of(await models(connection), told, configured)


async def _check_names(connection: Connection) -> None:
    taken = await rows(
        connection,
        "select n as name, min(model) as other from (select name as n, name as model from model"
        " union all select unnest(aliases), name from model) as names"
        " group by n having count(*) > 1 limit 1",
    )
    if taken:
        raise ChappeError("name_taken", 409, name=taken[0]["name"], other=taken[0]["other"])


async def models(connection: Connection) -> list[ModelSpec]:
    """All models of the catalogue."""
    found = await rows(
        connection,
        # Grants to what is no more (a group, a revoked key) aren't told.
        "select m.*, array(select coalesce('organisation:' || o.slug,"
        "  'group:' || go.slug || '/' || p.slug, 'key:' || k.id)"
        " from model_grant g"
        " left join organisation o on o.id = g.subject_id"
        " left join person_group p on p.id = g.subject_id"
        " left join organisation go on go.id = p.organisation_id"
        " left join api_key k on k.id = g.subject_id and k.revoked_at is null"
        " where g.model_id = m.id and coalesce(o.id, p.id, k.id) is not null"
        " order by 1) as grants"
        " from model m order by m.created_at, m.name",
    )
    fields = ModelSpec.model_fields.keys()
    return [ModelSpec(**{k: v for k, v in row.items() if k in fields}) for row in found]


async def remove_model(
    connection: Connection, actor: Actor, name: str, configured: Collection[str] = ()
) -> None:
    """Remove a model that nothing needs.

    Raises:
        ChappeError: as :func:`unmake_model` and :func:`checked`.
    """
    async with checked(connection, configured):
        await unmake_model(connection, actor, name)


async def unmake_model(connection: Connection, actor: Actor, name: str) -> None:
    """The same, within :func:`checked`.

    Raises:
        ChappeError: `unknown_object`; `object_in_use`, an endpoint serves it: retire it instead.
    """
    users = await rows(
        connection,
        "select e.name from deployment d join endpoint e on e.id = d.endpoint_id"
        " join model m on m.id = d.model_id where m.name = %s order by 1",
        name,
    )
    if users:
        by = "; ".join(f'endpoint "{row["name"]}"' for row in users)
        raise ChappeError("object_in_use", 409, name=name, users=by)
    if not await rows(connection, "delete from model where name = %s returning id", name):
        raise missing("model", name)
    await record(connection, actor, "model.remove", name)


# Endpoints


async def put_endpoint(
    connection: Connection, actor: Actor, cipher: Cipher, spec: EndpointSpec
) -> None:
    """Make an endpoint as described; its secret is kept when none is given, removed when empty.

    Raises:
        ChappeError: `invalid_request` (its secret can't be read), `secret_needed` (it would be sent
            to another address), `address_refused`, `unknown_object` (a model).
    """
    check_address(spec)
    await hold(connection)
    secret = spec.secret_text()
    if secret is None:
        await _refuse_to_send_elsewhere(connection, spec)
    fields = spec.model_dump(exclude={"secret", "secret_env", "secret_file", "serves"})
    fields["clearance"] = LEVELS.index(spec.clearance)
    if "drained" not in spec.model_fields_set:
        # Somebody drains a server by command while a file says everything else of it.
        del fields["drained"]
    endpoint_id = await _upsert(connection, "endpoint", "name", fields)
    if secret is not None:
        sealed = cipher.encrypt(secret, str(endpoint_id)) if secret else None
        await connection.execute(
            "update endpoint set secret = %s where id = %s", (sealed, endpoint_id)
        )
    await connection.execute("delete from deployment where endpoint_id = %s", (endpoint_id,))
    for model, upstream_name in spec.serves.items():
        found = await rows(
            connection,
            "insert into deployment select %s, id, %s from model where name = %s returning 1",
            endpoint_id, upstream_name, model,
        )  # fmt: skip
        if not found:
            raise missing("model", model)
    detail = spec.model_dump(exclude={"secret", "secret_file"}, mode="json")
    detail["secret"] = "kept" if secret is None else "given" if secret else "removed"
    await record(connection, actor, "endpoint.put", spec.name, detail)


def check_address(spec: EndpointSpec) -> None:
    """May a server be at that address.

    Raises:
        ChappeError: `address_refused` (422).
    """
    if link_local(spec.url):
        raise ChappeError("address_refused", 422, name=spec.name, url=spec.url)


async def _refuse_to_send_elsewhere(connection: Connection, spec: EndpointSpec) -> None:
    """A secret that nobody may read must not be read by moving its endpoint to one's own server."""
    found = await rows(
        connection,
        "select url from endpoint where name = %s and secret is not null", spec.name,
    )  # fmt: skip
    if found and urlsplit(found[0]["url"])[:2] != urlsplit(spec.url)[:2]:
        raise ChappeError("secret_needed", 422, name=spec.name)


async def endpoints(connection: Connection) -> list[tuple[EndpointSpec, bool]]:
    """All endpoints of the catalogue, without their secrets; and whether each has one."""
    found = await rows(
        connection,
        "select e.*, coalesce((select jsonb_object_agg(m.name, d.upstream_name)"
        "   from deployment d join model m on m.id = d.model_id where d.endpoint_id = e.id),"
        " '{}') as serves from endpoint e order by e.name",
    )
    fields = EndpointSpec.model_fields.keys() - {"secret", "secret_env", "secret_file"}
    return [
        (
            EndpointSpec(
                **{k: v for k, v in row.items() if k in fields}
                | {"clearance": LEVELS[row["clearance"]]}
            ),
            row["secret"] is not None,
        )
        for row in found
    ]


async def set_drained(connection: Connection, actor: Actor, name: str, drained: bool) -> None:
    """Send nothing more to an endpoint, or take it back; what runs there goes on.

    Raises:
        ChappeError: `unknown_object`.
    """
    await hold(connection)
    found = await rows(
        connection, "update endpoint set drained = %s where name = %s returning id", drained, name
    )
    if not found:
        raise missing("endpoint", name)
    await record(connection, actor, "endpoint.drain" if drained else "endpoint.resume", name)


async def remove_endpoint(connection: Connection, actor: Actor, name: str) -> None:
    """Remove an endpoint.

    Raises:
        ChappeError: `unknown_object`.
    """
    await hold(connection)
    if not await rows(connection, "delete from endpoint where name = %s returning id", name):
        raise missing("endpoint", name)
    await record(connection, actor, "endpoint.remove", name)


async def rotate_secrets(connection: Connection, actor: Actor, cipher: Cipher) -> int:
    """Encrypt every secret anew, with the cipher's first key; gives their number.

    Raises:
        ChappeError: `secret_unreadable`; nothing is changed then.
    """
    await hold(connection)
    found = await rows(
        connection, "select id::text, name, secret from endpoint where secret is not null"
    )
    for row in found:
        try:
            secret = cipher.decrypt(bytes(row["secret"]), row["id"])
        except ChappeError:
            raise ChappeError("secret_unreadable", 409, name=row["name"]) from None
        await connection.execute(
            "update endpoint set secret = %s where id = %s",
            (cipher.encrypt(secret, row["id"]), row["id"]),
        )
    await record(connection, actor, "secret.rotate", "endpoints", {"count": len(found)})
    return len(found)


# Limits


async def put_limit(
    connection: Connection, actor: Actor, spec: LimitSpec, configured: Collection[str] = ()
) -> None:
    """Make a limit as described.

    Raises:
        ChappeError: as :func:`make_limit` and :func:`checked`.
    """
    async with checked(connection, configured):
        await make_limit(connection, actor, spec)


async def make_limit(connection: Connection, actor: Actor, spec: LimitSpec) -> None:
    """The same, within :func:`checked`.

    Raises:
        ChappeError: `unknown_object`, `invalid_request`.
    """
    kind, subject = await _limit_subject(connection, spec)
    fields = spec.model_dump(exclude={"subject"}) | {"subject_kind": kind, "subject_id": subject}
    names = ", ".join(fields)
    await connection.execute(
        f"insert into quota_limit ({names}) values ({', '.join(['%s'] * len(fields))})"  # noqa: S608
        " on conflict (subject_kind, subject_id, model, measure, period) do update set"
        " amount = excluded.amount, input_weight = excluded.input_weight,"
        " output_weight = excluded.output_weight, action = excluded.action,"
        " warn_at = excluded.warn_at",
        list(fields.values()),
    )
    await record(connection, actor, "limit.set", spec.name, spec.model_dump())


async def remove_limit(connection: Connection, actor: Actor, spec: LimitSpec) -> None:
    """Remove the limit of this subject, model, measure and period.

    Raises:
        ChappeError: `unknown_object`.
    """
    await hold(connection)
    kind, subject = await _limit_subject(connection, spec)
    found = await rows(
        connection,
        "delete from quota_limit where subject_kind = %s and subject_id is not distinct from %s"
        " and model is not distinct from %s and measure = %s and period is not distinct from %s"
        " returning id",
        kind, subject, spec.model, spec.measure, spec.period,
    )  # fmt: skip
    if not found:
        raise missing("limit", spec.name)
    await record(connection, actor, "limit.remove", spec.name)


async def limits(
    connection: Connection, organisation_id: uuid.UUID | None = None
) -> list[tuple[uuid.UUID, LimitSpec]]:
    """All limits; of one organisation, its keys and its people, if it is given.

    Those of what is no more (a person, a revoked key) aren't told: they limit nothing.
    """
    found = await rows(
        connection,
        "select l.*, case l.subject_kind"
        "  when 'organisation' then 'organisation:' || o.slug"
        "  when 'person' then 'person:' || po.slug || '/' || p.name"
        "  when 'key' then 'key:' || l.subject_id else l.subject_kind end as subject"
        " from quota_limit l"
        " left join organisation o on o.id = l.subject_id"
        " left join person p on p.id = l.subject_id"
        " left join organisation po on po.id = p.organisation_id"
        " left join api_key k on k.id = l.subject_id and k.revoked_at is null"
        " where coalesce(l.subject_id, o.id, p.id, k.id)"
        "   is not distinct from coalesce(o.id, p.id, k.id)"
        " and (%s::uuid is null or %s in (o.id, p.organisation_id, k.organisation_id))"
        " order by l.created_at",
        organisation_id, organisation_id,
    )  # fmt: skip
    fields = LimitSpec.model_fields.keys()
    return [
        (row["id"], LimitSpec(**{k: v for k, v in row.items() if k in fields})) for row in found
    ]


async def _limit_subject(connection: Connection, spec: LimitSpec) -> tuple[str, uuid.UUID | None]:
    if spec.subject in ("installation", "model"):
        return spec.subject, None
    kinds = ("organisation", "person", "key")
    if spec.subject.partition(":")[0] not in kinds:
        raise ChappeError("unknown_subject", 422, subject=spec.subject[:200])
    return await resolve_subject(connection, spec.subject, kinds)


async def resolve_subject(
    connection: Connection, text: str, kinds: tuple[str, ...]
) -> tuple[str, uuid.UUID]:
    """The kind and identifier of `organisation:SLUG`, `group:SLUG/GROUP`, `person:SLUG/NAME` or
    `key:ID` (or the key's first characters or name).

    Raises:
        ChappeError: `invalid_request`, `unknown_object`.
    """
    kind, _, name = text.partition(":")
    if kind not in kinds or not name:
        expected = ", ".join(f"{kind}:…" for kind in kinds)
        reason = wrong("subject", value=text[:200], expected=expected)
        raise ChappeError("invalid_request", 422, reason=reason)
    first, _, second = name.partition("/")
    queries = {
        "organisation": ("select id from organisation where slug = %s", [name]),
        "group": (
            "select g.id from person_group g join organisation o on o.id = g.organisation_id"
            " where o.slug = %s and g.slug = %s",
            [first, second],
        ),
        "person": (
            "select p.id from person p join organisation o on o.id = p.organisation_id"
            " where o.slug = %s and p.name = %s",
            [first, second],
        ),
        "key": (
            "select id from api_key where revoked_at is null"
            " and (id::text = %s or prefix = left(%s, 8) or name = %s)",
            [name, name, name],
        ),
    }
    query, values = queries[kind]
    found = await rows(connection, query, *values)
    if len(found) != 1:
        raise missing(kind, name)
    return kind, found[0]["id"]
