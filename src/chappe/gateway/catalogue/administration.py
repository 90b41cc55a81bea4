"""Changing the catalogue: one object at a time, each change audited in its own transaction."""

import uuid
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.model import LEVELS
from chappe.gateway.catalogue.schemas import (
    EndpointSpec,
    LimitSpec,
    ModelSpec,
    OrganisationSpec,
)
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import Actor
from chappe.identity.audit import record

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


def _missing(kind: str, name: str) -> ChappeError:
    return ChappeError("unknown_object", 404, kind=kind, name=name)


# Organisations


async def put_organisation(connection: Connection, actor: Actor, spec: OrganisationSpec) -> None:
    """Make an organisation as described."""
    await _upsert(connection, "organisation", "slug", spec.model_dump())
    await record(connection, actor, "organisation.put", spec.slug, spec.model_dump())


async def organisations(connection: Connection) -> list[OrganisationSpec]:
    """All organisations."""
    found = await rows(
        connection, "select slug, name, siret, weight from organisation order by slug"
    )
    return [OrganisationSpec(**row) for row in found]


# Models


async def put_model(connection: Connection, actor: Actor, spec: ModelSpec) -> None:
    """Make a model as described.

    Raises:
        ChappeError: `name_taken`, `unknown_object` (a replacement, fallback or grant).
    """
    names = [spec.name, *spec.aliases]
    taken = await rows(
        connection,
        "select name from model where name <> %s and (name = any(%s) or aliases && %s)",
        spec.name, names, names,
    )  # fmt: skip
    if taken:
        raise ChappeError("name_taken", 409, name=spec.name, other=taken[0]["name"])
    fields = spec.model_dump(exclude={"grants"})
    model_id = await _upsert(connection, "model", "name", fields)
    await connection.execute("delete from model_grant where model_id = %s", (model_id,))
    for grant in spec.grants:
        kind, subject = await resolve_subject(connection, grant, ("organisation", "group", "key"))
        await connection.execute(
            "insert into model_grant values (%s, %s, %s) on conflict do nothing",
            (model_id, kind, subject),
        )
    await record(connection, actor, "model.put", spec.name, spec.model_dump())


async def models(connection: Connection) -> list[ModelSpec]:
    """All models of the catalogue."""
    found = await rows(
        connection,
        "select m.*, array(select case g.subject_kind"
        "  when 'organisation' then 'organisation:' || o.slug"
        "  when 'group' then 'group:' || go.slug || '/' || p.slug"
        "  else 'key:' || g.subject_id end"
        " from model_grant g"
        " left join organisation o on o.id = g.subject_id"
        " left join person_group p on p.id = g.subject_id"
        " left join organisation go on go.id = p.organisation_id"
        " where g.model_id = m.id order by 1) as grants"
        " from model m order by m.created_at, m.name",
    )
    fields = ModelSpec.model_fields.keys()
    return [ModelSpec(**{k: v for k, v in row.items() if k in fields}) for row in found]


async def remove_model(connection: Connection, actor: Actor, name: str) -> None:
    """Remove a model that nothing needs.

    Raises:
        ChappeError: `unknown_object`; `object_in_use`: retire it instead.
    """
    users = await rows(
        connection,
        "select e.name from deployment d join endpoint e on e.id = d.endpoint_id"
        " join model m on m.id = d.model_id where m.name = %s"
        " union select name from model where replacement = %s or %s = any(fallbacks)",
        name, name, name,
    )  # fmt: skip
    if users:
        by = ", ".join(sorted(row["name"] for row in users))
        raise ChappeError("object_in_use", 409, name=name, users=by)
    if not await rows(connection, "delete from model where name = %s returning id", name):
        raise _missing("model", name)
    await record(connection, actor, "model.remove", name)


# Endpoints


async def put_endpoint(
    connection: Connection,
    actor: Actor,
    cipher: Cipher,
    spec: EndpointSpec,
    *,
    keep_secret: bool = True,
) -> None:
    """Make an endpoint as described; its secret is kept when none is given.

    Raises:
        ChappeError: `invalid_request` (its secret can't be read), `unknown_object` (a model).
    """
    try:
        secret = spec.secret_text()
    except ValueError as error:
        raise ChappeError("invalid_request", 422, reason=str(error)) from None
    fields = spec.model_dump(exclude={"secret", "secret_env", "secret_file", "serves"})
    fields["clearance"] = LEVELS.index(spec.clearance)
    fields["url"] = spec.url.rstrip("/")
    endpoint_id = await _upsert(connection, "endpoint", "name", fields)
    if secret is not None or not keep_secret:
        sealed = cipher.encrypt(secret, str(endpoint_id)) if secret is not None else None
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
            raise _missing("model", model)
    detail = spec.model_dump(exclude={"secret", "secret_file"}, mode="json")
    detail["secret"] = "given" if secret is not None else "kept"
    await record(connection, actor, "endpoint.put", spec.name, detail)


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
    found = await rows(
        connection, "update endpoint set drained = %s where name = %s returning id", drained, name
    )
    if not found:
        raise _missing("endpoint", name)
    await record(connection, actor, "endpoint.drain" if drained else "endpoint.resume", name)


async def remove_endpoint(connection: Connection, actor: Actor, name: str) -> None:
    """Remove an endpoint.

    Raises:
        ChappeError: `unknown_object`.
    """
    if not await rows(connection, "delete from endpoint where name = %s returning id", name):
        raise _missing("endpoint", name)
    await record(connection, actor, "endpoint.remove", name)


async def rotate_secrets(connection: Connection, actor: Actor, old: Cipher, new: Cipher) -> int:
    """Encrypt every secret anew; gives their number.

    Raises:
        ChappeError: `secret_unreadable`; nothing is changed then.
    """
    found = await rows(connection, "select id, secret from endpoint where secret is not null")
    for row in found:
        secret = old.decrypt(bytes(row["secret"]), str(row["id"]))
        await connection.execute(
            "update endpoint set secret = %s where id = %s",
            (new.encrypt(secret, str(row["id"])), row["id"]),
        )
    await record(connection, actor, "secret.rotate", "endpoints", {"count": len(found)})
    return len(found)


# Proposals


async def proposals(connection: Connection) -> list[dict[str, Any]]:
    """Models that endpoints announce and that nobody has taken or set aside."""
    return await rows(
        connection,
        "select e.name as endpoint, p.upstream_name, p.detail, p.state, p.first_seen, p.last_seen"
        " from model_proposal p join endpoint e on e.id = p.endpoint_id"
        " where p.state = 'proposed' order by e.name, p.upstream_name",
    )


async def decide(
    connection: Connection, actor: Actor, endpoint: str, upstream_name: str, model: str | None
) -> None:
    """Have an endpoint serve `model` under the name that it announced, or set that aside (None).

    Raises:
        ChappeError: `unknown_object`.
    """
    found = await rows(
        connection,
        "update model_proposal set state = %s where upstream_name = %s"
        " and endpoint_id = (select id from endpoint where name = %s) returning endpoint_id",
        "accepted" if model else "ignored", upstream_name, endpoint,
    )  # fmt: skip
    if not found:
        raise _missing("proposal", f"{endpoint} {upstream_name}")
    if model is not None:
        if not await rows(connection, "select 1 from model where name = %s", model):
            await put_model(connection, actor, ModelSpec.model_validate({"name": model}))
        await connection.execute(
            "insert into deployment select %s, id, %s from model where name = %s"
            " on conflict (endpoint_id, model_id) do update set"
            " upstream_name = excluded.upstream_name",
            (found[0]["endpoint_id"], upstream_name, model),
        )
    action = "proposal.accept" if model else "proposal.ignore"
    await record(connection, actor, action, endpoint, {"name": upstream_name, "model": model})


# Limits


async def put_limit(connection: Connection, actor: Actor, spec: LimitSpec) -> None:
    """Make a limit as described.

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
    kind, subject = await _limit_subject(connection, spec)
    found = await rows(
        connection,
        "delete from quota_limit where subject_kind = %s and subject_id is not distinct from %s"
        " and model is not distinct from %s and measure = %s and period is not distinct from %s"
        " returning id",
        kind, subject, spec.model, spec.measure, spec.period,
    )  # fmt: skip
    if not found:
        raise _missing("limit", spec.name)
    await record(connection, actor, "limit.remove", spec.name)


async def limits(
    connection: Connection, organisation_id: uuid.UUID | None = None
) -> list[tuple[uuid.UUID, LimitSpec]]:
    """All limits; of one organisation, its keys and its people, if it is given."""
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
        " left join api_key k on k.id = l.subject_id"
        " where %s::uuid is null or %s in (o.id, p.organisation_id, k.organisation_id)"
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
    return await resolve_subject(connection, spec.subject, ("organisation", "person", "key"))


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
        raise ChappeError("invalid_request", 422, reason=f"{text!r}: {expected}")
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
        raise _missing(kind, name)
    return kind, found[0]["id"]
