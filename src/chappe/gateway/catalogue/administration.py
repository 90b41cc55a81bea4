"""Changing the catalogue: one object at a time, each change audited in its own transaction.

A change begins with :func:`hold`: in whatever order two transactions change things, neither then
waits for the other, and what one of them found still holds when it is written.
"""

import uuid
from typing import Any
from urllib.parse import urlsplit

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.model import LEVELS
from chappe.gateway.catalogue.prices import keep_prices
from chappe.gateway.catalogue.schemas import (
    EndpointSpec,
    LimitSpec,
    ModelSpec,
    OrganisationSpec,
    described,
)
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity import Actor
from chappe.identity.acts import Act
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


def _missing(kind: str, name: str) -> ChappeError:
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
    connection: Connection, actor: Actor, spec: ModelSpec, *, check: bool = True
) -> None:
    """Make a model as described.

    Args:
        check: look whether its names are free; whoever changes several looks at the end.

    Raises:
        ChappeError: `name_taken`, `unknown_object` (a grant).
    """
    await hold(connection)
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
    if check:
        await check_names(connection)


async def check_names(connection: Connection) -> None:
    """Does every name and alias of the catalogue lead to one model.

    Raises:
        ChappeError: `name_taken`.
    """
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
    connection: Connection, actor: Actor, name: str, *, check: bool = True
) -> None:
    """Remove a model that nothing needs.

    Args:
        check: look whether others lead to it; whoever changes several looks at the end.

    Raises:
        ChappeError: `unknown_object`; `object_in_use`: retire it instead.
    """
    await hold(connection)
    users = await rows(
        connection,
        "select e.name from deployment d join endpoint e on e.id = d.endpoint_id"
        " join model m on m.id = d.model_id where m.name = %s order by 1",
        name,
    )
    if users:
        raise _used(name, users)
    if check:
        await check_unused(connection, [name])
    if not await rows(connection, "delete from model where name = %s returning id", name):
        raise _missing("model", name)
    await record(connection, actor, "model.remove", name)


async def check_unused(connection: Connection, names: list[str]) -> None:
    """Does no other model lead to one of these as its replacement or fallback.

    Raises:
        ChappeError: `object_in_use`.
    """
    for name in names:
        users = await rows(
            connection,
            "select name from model where name <> %s"
            " and (replacement = %s or %s = any(fallbacks)) order by 1",
            name, name, name,
        )  # fmt: skip
        if users:
            raise _used(name, users)


def _used(name: str, users: list[dict[str, Any]]) -> ChappeError:
    by = ", ".join(row["name"] for row in users)
    return ChappeError("object_in_use", 409, name=name, users=by)


# Endpoints


async def put_endpoint(
    connection: Connection, actor: Actor, cipher: Cipher, spec: EndpointSpec
) -> None:
    """Make an endpoint as described; its secret is kept when none is given, removed when empty.

    Raises:
        ChappeError: `invalid_request` (its secret can't be read), `secret_needed` (it would be sent
            to another address), `unknown_object` (a model).
    """
    await hold(connection)
    try:
        secret = spec.secret_text()
    except ValueError as error:
        raise ChappeError("invalid_request", 422, reason=str(error)) from None
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
            raise _missing("model", model)
    detail = spec.model_dump(exclude={"secret", "secret_file"}, mode="json")
    detail["secret"] = "kept" if secret is None else "given" if secret else "removed"
    await record(connection, actor, "endpoint.put", spec.name, detail)


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
        raise _missing("endpoint", name)
    await record(connection, actor, "endpoint.drain" if drained else "endpoint.resume", name)


async def remove_endpoint(connection: Connection, actor: Actor, name: str) -> None:
    """Remove an endpoint.

    Raises:
        ChappeError: `unknown_object`.
    """
    await hold(connection)
    if not await rows(connection, "delete from endpoint where name = %s returning id", name):
        raise _missing("endpoint", name)
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
    await hold(connection)
    found = await rows(
        connection,
        "update model_proposal set state = %s where upstream_name = %s"
        " and endpoint_id = (select id from endpoint where name = %s)"
        " returning endpoint_id, detail",
        "accepted" if model else "ignored", upstream_name, endpoint,
    )  # fmt: skip
    if not found:
        raise _missing("proposal", f"{endpoint} {upstream_name}")
    if model is not None:
        if not await rows(connection, "select 1 from model where name = %s", model):
            values = {"name": model} | _told(found[0]["detail"])
            spec = described(ModelSpec, values, "invalid_request")
            await put_model(connection, actor, spec)
        await connection.execute(
            "insert into deployment select %s, id, %s from model where name = %s"
            " on conflict (endpoint_id, model_id) do update set"
            " upstream_name = excluded.upstream_name",
            (found[0]["endpoint_id"], upstream_name, model),
        )
    action: Act = "proposal.accept" if model else "proposal.ignore"
    await record(connection, actor, action, endpoint, {"name": upstream_name, "model": model})


def _told(detail: dict[str, Any]) -> dict[str, Any]:
    """What a server's own words say of a model that isn't in the catalogue yet."""
    context = detail.get("max_model_len") or detail.get("n_ctx_train")
    return {"context": context} if isinstance(context, int) and context > 0 else {}


# Limits


async def put_limit(connection: Connection, actor: Actor, spec: LimitSpec) -> None:
    """Make a limit as described.

    Raises:
        ChappeError: `unknown_object`, `invalid_request`.
    """
    await hold(connection)
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
        raise _missing("limit", spec.name)
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
