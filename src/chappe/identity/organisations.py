"""Organisations' people and groups; each change is in the audit log.

A change begins with :func:`.audit.hold`, so that no two wait for each other.

Who may: with `operate`, all; with `manage`, those of one's own organisation. What belongs to
another organisation answers exactly as what doesn't exist.
"""

import uuid
from typing import Any

from psycopg.rows import dict_row

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.identity.access import Actor, administered, may_revoke
from chappe.identity.acts import Act
from chappe.identity.audit import hold, record
from chappe.identity.schemas import GroupView, PersonView
from chappe.identity.versions import version_of

_PEOPLE = """
    select p.id, o.slug as organisation, p.name, p.created_at,
        array(select g.slug from person_group_member m join person_group g on g.id = m.group_id
            where m.person_id = p.id order by 1) as groups
    from person p join organisation o on o.id = p.organisation_id
    where %(own)s::uuid is null or o.id = %(own)s
    order by o.slug, p.name
"""
_GROUPS = """
    select g.id, o.slug as organisation, g.slug, g.name,
        array(select p.name from person_group_member m join person p on p.id = m.person_id
            where m.group_id = g.id order by 1) as members
    from person_group g join organisation o on o.id = g.organisation_id
    where %(own)s::uuid is null or o.id = %(own)s
    order by o.slug, g.slug
"""


async def find_organisation(
    connection: Connection, actor: Actor, slug: str | None
) -> tuple[uuid.UUID, str]:
    """The identifier and slug of an organisation that the actor administers; None for its own.

    Raises:
        ChappeError: `scope_missing`, `unknown_organisation`, `invalid_request` (none is given, and
            the actor has none).
    """
    own = administered(actor)
    if slug is None and actor.organisation_id is None:
        raise ChappeError("invalid_request", 422, reason=at("organisation", wrong("missing")))
    rows = await _rows(
        connection,
        "select id, slug from organisation where slug = %(slug)s"
        " or (%(slug)s::text is null and id = %(id)s)",
        slug=slug,
        id=actor.organisation_id,
    )
    if not rows or own not in (None, rows[0]["id"]):
        raise ChappeError("unknown_organisation", 404, name=slug or "")
    return rows[0]["id"], rows[0]["slug"]


async def list_people(
    connection: Connection, actor: Actor, organisation: str | None = None
) -> list[PersonView]:
    """People, by name; of one organisation if it is given.

    Raises:
        ChappeError: as :func:`find_organisation`.
    """
    own = await _scope(connection, actor, organisation)
    return [
        PersonView(**row, etag=version_of({"name": row["name"], "groups": row["groups"]}))
        for row in await _rows(connection, _PEOPLE, own=own)
    ]


async def add_person(
    connection: Connection, actor: Actor, name: str, organisation: str | None = None
) -> uuid.UUID:
    """Add somebody.

    Raises:
        ChappeError: as :func:`find_organisation`; `name_taken`.
    """
    await hold(connection)
    owner, slug = await find_organisation(connection, actor, organisation)
    rows = await _rows(
        connection,
        "insert into person (organisation_id, name) values (%(owner)s, %(name)s)"
        " on conflict do nothing returning id",
        owner=owner,
        name=name,
    )
    if not rows:
        raise ChappeError("name_taken", 409, name=name, other=name)
    await record(connection, actor, "person.add", f"{slug}/{name}", organisation_id=owner)
    person_id: uuid.UUID = rows[0]["id"]
    return person_id


async def remove_person(connection: Connection, actor: Actor, person_id: uuid.UUID) -> None:
    """Remove somebody: their keys are revoked, they leave their groups, their limits go.

    Their accounts stay, under their identifier.

    Raises:
        ChappeError: `scope_missing`, it administers nothing, or they have a key that opens more
            than it may revoke; `unknown_object`.
    """
    await hold(connection)
    own = administered(actor)
    people = await _rows(
        connection,
        "select o.id as owner, o.slug || '/' || p.name as label,"
        " array(select g.slug from person_group_member m join person_group g on g.id = m.group_id"
        "   where m.person_id = p.id order by 1) as groups"
        " from person p join organisation o on o.id = p.organisation_id"
        " where p.id = %(id)s and (%(own)s::uuid is null or o.id = %(own)s)",
        id=person_id,
        own=own,
    )
    if not people:
        raise ChappeError("unknown_object", 404, kind="person", name=str(person_id))
    owner, label, groups = people[0].values()
    keys = await _rows(
        connection,
        "select id, name, scopes, level from api_key"
        " where person_id = %(id)s and revoked_at is null order by created_at for update",
        id=person_id,
    )
    for key in keys:
        may_revoke(actor, key["scopes"], key["level"])
        await connection.execute(
            "update api_key set revoked_at = now() where id = %s", (key["id"],)
        )
        detail = {"name": key["name"]}
        await record(connection, actor, "key.revoke", str(key["id"]), detail, organisation_id=owner)
    await connection.execute("delete from person where id = %s", (person_id,))
    detail = {"id": str(person_id), "keys": len(keys), "groups": groups}
    await record(connection, actor, "person.remove", label, detail, organisation_id=owner)


async def list_groups(
    connection: Connection, actor: Actor, organisation: str | None = None
) -> list[GroupView]:
    """Groups with their members; of one organisation if it is given.

    Raises:
        ChappeError: as :func:`find_organisation`.
    """
    own = await _scope(connection, actor, organisation)
    return [
        GroupView(**row, etag=version_of({"slug": row["slug"], "name": row["name"]}))
        for row in await _rows(connection, _GROUPS, own=own)
    ]


async def add_group(
    connection: Connection,
    actor: Actor,
    slug: str,
    name: str | None = None,
    organisation: str | None = None,
) -> uuid.UUID:
    """Add a group.

    Raises:
        ChappeError: as :func:`find_organisation`; `name_taken`.
    """
    await hold(connection)
    owner, of = await find_organisation(connection, actor, organisation)
    rows = await _rows(
        connection,
        "insert into person_group (organisation_id, slug, name)"
        " values (%(owner)s, %(slug)s, %(name)s) on conflict do nothing returning id",
        owner=owner,
        slug=slug,
        name=name or slug,
    )
    if not rows:
        raise ChappeError("name_taken", 409, name=slug, other=slug)
    await record(connection, actor, "group.add", f"{of}/{slug}", organisation_id=owner)
    group_id: uuid.UUID = rows[0]["id"]
    return group_id


async def rename_group(
    connection: Connection, actor: Actor, group_id: uuid.UUID, slug: str, name: str
) -> None:
    """Call a group otherwise; its members and what was granted to it stay.

    Raises:
        ChappeError: `scope_missing`, `unknown_object`, `name_taken`.
    """
    await hold(connection)
    owner, label = await _group(connection, actor, group_id)
    taken = await _rows(
        connection,
        "select 1 from person_group where organisation_id = %(owner)s and slug = %(slug)s"
        " and id <> %(id)s",
        owner=owner,
        slug=slug,
        id=group_id,
    )
    if taken:
        raise ChappeError("name_taken", 409, name=slug, other=slug)
    await connection.execute(
        "update person_group set slug = %s, name = %s where id = %s", (slug, name, group_id)
    )
    detail = {"slug": slug, "name": name}
    await record(connection, actor, "group.rename", label, detail, organisation_id=owner)


async def remove_group(connection: Connection, actor: Actor, group_id: uuid.UUID) -> None:
    """Remove a group, with what was granted to it.

    Raises:
        ChappeError: `scope_missing`, `unknown_object`.
    """
    await hold(connection)
    owner, label = await _group(connection, actor, group_id)
    await connection.execute("delete from person_group where id = %s", (group_id,))
    await record(connection, actor, "group.remove", label, organisation_id=owner)


async def set_member(
    connection: Connection, actor: Actor, group_id: uuid.UUID, person_id: uuid.UUID, member: bool
) -> None:
    """Put somebody into a group of their organisation, or take them out.

    Raises:
        ChappeError: `scope_missing`, `unknown_object` (group or person).
    """
    await hold(connection)
    owner, label = await _group(connection, actor, group_id)
    people = await _rows(
        connection,
        "select name from person where id = %(id)s and organisation_id = %(owner)s",
        id=person_id,
        owner=owner,
    )
    if not people:
        raise ChappeError("unknown_object", 404, kind="person", name=str(person_id))
    statement = (
        "insert into person_group_member values (%s, %s) on conflict do nothing"
        if member
        else "delete from person_group_member where group_id = %s and person_id = %s"
    )
    cursor = await connection.execute(statement, (group_id, person_id))
    if cursor.rowcount:
        action: Act = "group.join" if member else "group.leave"
        detail = {"person": people[0]["name"]}
        await record(connection, actor, action, label, detail, organisation_id=owner)


async def _group(
    connection: Connection, actor: Actor, group_id: uuid.UUID
) -> tuple[uuid.UUID, str]:
    own = administered(actor)
    rows = await _rows(
        connection,
        "select o.id, o.slug || '/' || g.slug as label"
        " from person_group g join organisation o on o.id = g.organisation_id"
        " where g.id = %(id)s and (%(own)s::uuid is null or o.id = %(own)s) for update of g",
        id=group_id,
        own=own,
    )
    if not rows:
        raise ChappeError("unknown_object", 404, kind="group", name=str(group_id))
    return rows[0]["id"], rows[0]["label"]


async def _scope(connection: Connection, actor: Actor, slug: str | None) -> uuid.UUID | None:
    if slug is None:
        return administered(actor)
    return (await find_organisation(connection, actor, slug))[0]


async def _rows(connection: Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


async def person_versions(actor: Actor, connection: Connection) -> dict[str, str]:
    """Versions of the people that an actor administers, by identifier."""
    return {str(view.id): view.etag for view in await list_people(connection, actor)}


async def group_versions(actor: Actor, connection: Connection) -> dict[str, str]:
    """Versions of the groups that an actor administers, by identifier."""
    return {str(view.id): view.etag for view in await list_groups(connection, actor)}
