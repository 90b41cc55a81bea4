"""To whom collections belong and are shared: people, groups and organisations, as an actor may
name them.

Whoever doesn't administer the installation names only subjects of its own organisation; what
belongs to another answers as what doesn't exist.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.errors import ChappeError
from chappe.identity.access import Actor
from chappe.knowledge.collection_schemas import OwnerKind, SubjectKind

NAME = """case {kind}
    when 'person' then (select o.slug || '/' || p.name from person p
        join organisation o on o.id = p.organisation_id where p.id = {id})
    when 'group' then (select o.slug || '/' || g.slug from person_group g
        join organisation o on o.id = g.organisation_id where g.id = {id})
    when 'organisation' then (select o.slug from organisation o where o.id = {id})
end"""
"""SQL: the name of a subject, from the columns of its kind and identifier."""

_FIND = {
    "person": """
        select p.id, p.organisation_id, o.slug || '/' || p.name as name
        from person p join organisation o on o.id = p.organisation_id
        where (p.id = :id or (:id is null and p.name = :name and o.slug = :organisation))
            and (cast(:own as uuid) is null or o.id = :own)""",
    "group": """
        select g.id, g.organisation_id, o.slug || '/' || g.slug as name
        from person_group g join organisation o on o.id = g.organisation_id
        where (g.id = :id or (:id is null and g.slug = :name and o.slug = :organisation))
            and (cast(:own as uuid) is null or o.id = :own)""",
    "organisation": """
        select o.id, o.id as organisation_id, o.slug as name from organisation o
        where (o.id = :id or (:id is null and o.slug = :name))
            and (cast(:own as uuid) is null or o.id = :own)""",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject, and the organisation that it is part of."""

    kind: OwnerKind
    id: uuid.UUID | None
    organisation_id: uuid.UUID | None
    name: str


INSTALLATION = Subject("installation", None, None, "")


def everywhere(actor: Actor) -> bool:
    """Does an actor name subjects of any organisation."""
    return actor.kind == "system" or "operate" in actor.scopes


async def find_subject(
    session: AsyncSession, actor: Actor, kind: SubjectKind, named: str
) -> Subject:
    """A subject by its identifier, or by its name: `NAME`, or `ORGANISATION/NAME`.

    Raises:
        ChappeError: `bad_subject` (404).
    """
    own = None if everywhere(actor) else actor.organisation_id
    unknown = ChappeError("bad_subject", 404, name=named[:200])
    if own is None and not everywhere(actor):
        raise unknown
    organisation, slash, name = named.partition("/")
    if kind == "organisation" or not slash:
        organisation, name = actor.organisation, named
    values = {"id": _uuid(named), "name": name, "organisation": organisation, "own": own}
    row = (
        await session.execute(text(_FIND[kind].replace(":id", "cast(:id as uuid)")), values)
    ).one_or_none()
    if row is None:
        raise unknown
    return Subject(kind, row.id, row.organisation_id, row.name)


async def find_owner(session: AsyncSession, actor: Actor, named: str | None) -> Subject:
    """For whom an actor makes a collection, as it says, or by default.

    Raises:
        ChappeError: `collection_owner` (403), `bad_subject` (404).
    """
    refused = ChappeError("collection_owner", 403, owner=(named or "")[:200])
    if named is None:
        if actor.person_id is not None:
            named = f"person:{actor.person_id}"
        else:
            named = "organisation" if actor.organisation_id is not None else "installation"
    kind, _, name = named.partition(":")
    if kind == "installation" and not name:
        if not everywhere(actor) and actor.kind != "page":
            raise refused
        return INSTALLATION
    if kind not in ("person", "group", "organisation") or actor.kind == "page":
        raise refused
    default = {"person": actor.person_id, "organisation": actor.organisation_id}.get(kind)
    name = name or str(default or "")
    subject = await find_subject(session, actor, kind, name)  # type: ignore[arg-type]
    administers = everywhere(actor) or "manage" in actor.scopes
    own = subject.id in actor.groups or subject.id == actor.person_id
    machine = actor.person_id is None and subject.id == actor.organisation_id
    if not (administers or own or machine):
        raise refused
    return subject


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
