"""Collections: making them, changing their rules, sharing and removing them.

What an actor may neither read nor administer answers as what doesn't exist.
"""

import re
import secrets
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import (
    Actor,
    administered_collections,
    editable_collections,
    readable_collections,
    require,
)
from chappe.identity.audit import connection_of, hold, record_in
from chappe.knowledge.collection_schemas import (
    CollectionChange,
    CollectionSpec,
    CollectionView,
    GrantRole,
    GrantView,
    OwnerView,
    Role,
    SubjectKind,
)
from chappe.knowledge.intake import CHANNEL
from chappe.knowledge.subjects import NAME, everywhere, find_owner, find_subject

Need = Literal["see", "read", "edit", "administer"]


@dataclass(frozen=True, slots=True)
class Found:
    """A collection that an actor may see, and what it may do with it."""

    id: int
    slug: str
    source: str
    organisation_id: uuid.UUID | None
    reads: bool
    edits: bool
    administers: bool


def _rights(actor: Actor) -> str:
    return f"""{readable_collections(actor)} as reads, {editable_collections(actor)} as edits,
        {administered_collections(actor)} as administers"""


def _seen(actor: Actor) -> str:
    return f"({readable_collections(actor)} or {administered_collections(actor)})"


async def find_collection(
    session: AsyncSession, actor: Actor, slug: str, need: Need = "read"
) -> Found:
    """A collection with which an actor may do what is needed.

    Raises:
        ChappeError: `scope_missing`, `unknown_collection` (404), `collection_kept` (409),
            `collection_forbidden` (403, it may read it and no more).
    """
    _may_see(actor)
    result = await session.execute(
        text(f"""
            select id, slug, source, organisation_id, {_rights(actor)}
            from collection where slug = :slug and {_seen(actor)}
        """),  # noqa: S608 - conditions of the permission gate
        {"slug": slug},
    )
    row = result.one_or_none()
    if row is None or (need == "read" and not row.reads):
        raise ChappeError("unknown_collection", 404, name=slug)
    found = Found(*row)
    if need == "edit" and not found.edits:
        if found.source and found.administers:
            raise ChappeError("collection_kept", 409, name=slug)
        raise ChappeError("collection_forbidden", 403, name=slug)
    if need == "administer" and not found.administers:
        raise ChappeError("collection_forbidden", 403, name=slug)
    return found


def _may_see(actor: Actor) -> None:
    # Whoever administers sees the collections, without the right to search in them.
    if not {"manage", "operate"} & actor.scopes:
        require(actor, "search")


async def list_collections(database: Database, actor: Actor) -> list[CollectionView]:
    """The collections that the actor may read or administer, oldest first."""
    async with database.session() as session:
        return await _views(session, actor, "true", {})


async def read_collection(database: Database, actor: Actor, slug: str) -> CollectionView:
    """One collection.

    Raises:
        ChappeError: `scope_missing`, `unknown_collection`.
    """
    async with database.session() as session:
        found = await find_collection(session, actor, slug, "see")
        return (await _views(session, actor, "collection.id = :id", {"id": found.id}))[0]


async def create_collection(
    database: Database, actor: Actor, spec: CollectionSpec
) -> CollectionView:
    """Make a collection.

    Raises:
        ChappeError: `scope_missing`, `collection_owner`, `bad_subject`, `collection_taken`.
    """
    require(actor, "search")
    async with database.session() as session:
        await hold(await connection_of(session))
        owner = await find_owner(session, actor, spec.owner)
        public = spec.public if spec.public is not None else actor.kind == "page"
        _may_publish(actor, public)
        slug = spec.slug or await _free_slug(session, spec.title)
        try:
            async with session.begin_nested():
                identifier = await session.scalar(
                    text("""
                        insert into collection (slug, title, description, public, owner_kind,
                            owner_id, organisation_id, level, language, retention_days)
                        values (:slug, :title, :description, :public, :kind, :owner,
                            :organisation, :level, :language, :days) returning id
                    """),
                    {
                        "slug": slug,
                        "title": spec.title.strip(),
                        "description": spec.description,
                        "public": public,
                        "kind": owner.kind,
                        "owner": owner.id,
                        "organisation": owner.organisation_id,
                        "level": spec.level,
                        "language": spec.language,
                        "days": spec.retention_days,
                    },
                )
        except IntegrityError as error:
            raise ChappeError("collection_taken", 409, name=slug) from error
        await record_in(
            session,
            actor,
            "collection.create",
            slug,
            spec.model_dump() | {"owner": f"{owner.kind}:{owner.name}", "public": public},
            organisation_id=owner.organisation_id,
        )
        views = await _views(session, actor, "collection.id = :id", {"id": identifier})
    return views[0]


async def change_collection(
    database: Database, actor: Actor, slug: str, change: CollectionChange
) -> CollectionView:
    """Change a collection's rules; what isn't given stays.

    Raises:
        ChappeError: as :func:`find_collection`; `collection_owner`, `bad_subject`.
    """
    values: dict[str, Any] = change.model_dump(exclude_unset=True)
    async with database.session() as session:
        await hold(await connection_of(session))
        found = await find_collection(session, actor, slug, "administer")
        if values.get("public") is not None:
            _may_publish(actor, values["public"])
        told = dict(values)
        if (named := values.pop("owner", None)) is not None:
            owner = await find_owner(session, actor, named)
            values |= {
                "owner_kind": owner.kind,
                "owner_id": owner.id,
                "organisation_id": owner.organisation_id,
            }
        # Null is a value for the retention alone: elsewhere it changes nothing.
        values = {k: v for k, v in values.items() if v is not None or k == "retention_days"}
        if "owner_kind" in values:
            values.setdefault("owner_id", None)
            values.setdefault("organisation_id", None)
        if values:
            columns = ", ".join(f"{name} = :{name}" for name in values)
            await session.execute(
                text(f"update collection set {columns} where id = :id"),  # noqa: S608 - our names
                values | {"id": found.id},
            )
        if "retention_days" in values:
            await session.execute(
                text("""
                    update document set deletes_at =
                        (select max(v.created_at) from document_version v
                         where v.document_id = document.id)
                        + cast(:days as int) * interval '1 day'
                    where collection_id = :id and source = '' and state <> 'to_be_deleted'
                """),
                {"id": found.id, "days": values["retention_days"]},
            )
        await record_in(
            session, actor, "collection.change", slug, told, organisation_id=found.organisation_id
        )
        # Whoever gives a collection away may no longer see it.
        views = await _views(session, actor, "collection.id = :id", {"id": found.id})
    if not views:
        raise ChappeError("unknown_collection", 404, name=slug)
    return views[0]


async def remove_collection(database: Database, actor: Actor, slug: str) -> None:
    """Remove a collection with all that is in it: unreadable at once, then deleted by the worker.

    Raises:
        ChappeError: as :func:`find_collection`.
    """
    async with database.session() as session:
        await hold(await connection_of(session))
        found = await find_collection(session, actor, slug, "administer")
        await session.execute(
            text("""
                update collection set removed_at = now(), slug = '~' || id, public = false
                where id = :id
            """),
            {"id": found.id},
        )
        await record_in(
            session, actor, "collection.remove", slug, organisation_id=found.organisation_id
        )
        await session.execute(text(f"notify {CHANNEL}"))


async def list_grants(database: Database, actor: Actor, slug: str) -> list[GrantView]:
    """To whom a collection is shared.

    Raises:
        ChappeError: as :func:`find_collection`.
    """
    async with database.session() as session:
        found = await find_collection(session, actor, slug, "administer")
        name = NAME.format(kind="given.subject_kind", id="given.subject_id")
        rows = await session.execute(
            text(f"""
                select subject_kind, subject_id, {name} as name, role, granted_at
                from collection_grant given where collection_id = :id
                order by granted_at, subject_id
            """),  # noqa: S608 - the expression is ours
            {"id": found.id},
        )
        return [
            GrantView(kind=row[0], id=row[1], name=row[2] or "", role=row[3], granted_at=row[4])
            for row in rows
        ]


async def grant(
    database: Database, actor: Actor, slug: str, kind: SubjectKind, named: str, role: GrantRole
) -> None:
    """Share a collection with a subject, in place of what it had before.

    Raises:
        ChappeError: as :func:`find_collection`; `bad_subject`.
    """
    async with database.session() as session:
        await hold(await connection_of(session))
        found = await find_collection(session, actor, slug, "administer")
        subject = await find_subject(session, actor, kind, named)
        await session.execute(
            text("""
                insert into collection_grant (collection_id, subject_kind, subject_id, role)
                values (:id, :kind, :subject, :role)
                on conflict (collection_id, subject_kind, subject_id)
                    do update set role = excluded.role, granted_at = now()
            """),
            {"id": found.id, "kind": kind, "subject": subject.id, "role": role},
        )
        await record_in(
            session,
            actor,
            "collection.grant",
            slug,
            {"to": f"{kind}:{subject.name}", "role": role},
            organisation_id=found.organisation_id,
        )


async def revoke(
    database: Database, actor: Actor, slug: str, kind: SubjectKind, named: str
) -> None:
    """Share it no more with a subject; one that it isn't shared with is fine.

    Raises:
        ChappeError: as :func:`find_collection`; `bad_subject`.
    """
    async with database.session() as session:
        await hold(await connection_of(session))
        found = await find_collection(session, actor, slug, "administer")
        subject = await find_subject(session, actor, kind, named)
        await session.execute(
            text("""
                delete from collection_grant where collection_id = :id
                    and subject_kind = :kind and subject_id = :subject
            """),
            {"id": found.id, "kind": kind, "subject": subject.id},
        )
        await record_in(
            session,
            actor,
            "collection.revoke",
            slug,
            {"from": f"{kind}:{subject.name}"},
            organisation_id=found.organisation_id,
        )


def _may_publish(actor: Actor, public: bool) -> None:
    if actor.kind == "page" and not public:
        # It could not be told from one that isn't open to the page: nobody would see it.
        raise ChappeError("collection_private", 403)
    if public and not everywhere(actor) and actor.kind != "page":
        raise ChappeError("scope_missing", 403, scope="operate")


async def _free_slug(session: AsyncSession, title: str) -> str:
    folded = unicodedata.normalize("NFKD", title.lower().replace("œ", "oe").replace("æ", "ae"))
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50].rstrip("-") or "collection"
    taken = await session.scalar(text("select 1 from collection where slug = :s"), {"s": slug})
    return f"{slug}-{secrets.token_hex(3)}" if taken else slug


async def _views(
    session: AsyncSession, actor: Actor, condition: str, values: dict[str, Any]
) -> list[CollectionView]:
    name = NAME.format(kind="owner_kind", id="owner_id")
    rows = await session.execute(
        text(f"""
            select collection.*, {name} as owner_name, {_rights(actor)},
                (select count(*) from document d where d.collection_id = collection.id
                    and d.state <> 'to_be_deleted') as documents
            from collection where {condition} and {_seen(actor)} order by id
        """),  # noqa: S608 - conditions of the permission gate
        values,
    )
    return [_view(actor, row) for row in rows]


def _view(actor: Actor, row: Any) -> CollectionView:
    own = everywhere(actor) or row.organisation_id in (None, actor.organisation_id)
    return CollectionView(
        slug=row.slug,
        title=row.title,
        description=row.description,
        documents=row.documents,
        passages=row.passages,
        role=_role(row),
        owner=OwnerView(kind=row.owner_kind, id=row.owner_id, name=row.owner_name if own else None),
        public=row.public,
        level=row.level,
        language=row.language,
        retention_days=row.retention_days,
        source=row.source,
        created_at=row.created_at,
    )


def _role(row: Any) -> Role:
    if row.administers:
        return "owner" if row.edits else "administrator"
    return "editor" if row.edits else "reader"
