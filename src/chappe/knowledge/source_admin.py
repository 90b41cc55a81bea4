"""Sources of collections: who may add, change and run them, and where they stand.

Whoever administers a collection decides what fills it. A secret is sealed for its source alone.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.connections import Connection
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.core.settings import Settings
from chappe.gateway.catalogue.secrets import Cipher
from chappe.identity.access import (
    SYSTEM,
    Actor,
    administered_collections,
    readable_collections,
)
from chappe.identity.audit import record_in
from chappe.knowledge.catalogue import find_source
from chappe.knowledge.connectors.specs import (
    FileSpec,
    FolderSpec,
    OfficialSpec,
    SourceSpec,
    check_path,
    place,
)
from chappe.knowledge.loads import read_load
from chappe.knowledge.source_schemas import NewSource, SourceChange, SourceView

Spec = FileSpec | OfficialSpec

CHANNEL = "chappe_sources"

_SPEC: TypeAdapter[Spec] = TypeAdapter(SourceSpec)
_SELECT = """
    select s.*, collection.slug,
        (select count(*) from source_item i where i.source_id = s.id) as items,
        (select max(l.id) from load l where l.source_id = s.id) as last_load
    from source s join collection on collection.id = s.collection_id
"""


def read_spec(value: object) -> Spec:
    """A spec from its JSON form."""
    return _SPEC.validate_python(value)


def sealed_for(source_id: int) -> str:
    """What a source's secret is bound to."""
    return f"source:{source_id}"


def kept_by(source_id: int, spec: Spec) -> str:
    """What a source's documents say that keeps them in line.

    A corpus of the catalogue is the same whoever loads it.
    """
    if isinstance(spec, OfficialSpec) and spec.name is not None:
        return find_source(spec.name).package
    return f"source:{source_id}"


class SourceAdministration:
    """What people do with sources."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        """A session; a value that the database can't hold is told as such."""
        try:
            async with self._database.session() as session:
                yield session
        except (DataError, UnicodeEncodeError):
            raise ChappeError("invalid_request", 422, reason=wrong("not_kept")) from None

    async def add(self, actor: Actor, slug: str, new: NewSource) -> SourceView:
        """Add a source to a collection. It runs for the first time within a minute, if it has a
        schedule.

        Raises:
            ChappeError: `unknown_collection`, `scope_missing`, `source_exists`, `source_folder`,
                `unknown_source`, `invalid_request`.
        """
        spec = self._checked(actor, new.spec)
        name = new.name or place(spec)[:200]
        async with self._session() as session:
            collection_id = await self._administered(session, actor, slug)
            source_id = await session.scalar(
                text("""
                    insert into source (collection_id, kind, name, spec, every_seconds, enabled,
                                        created_by, next_run_at)
                    values (:collection, :kind, :name, cast(:spec as jsonb), :every, :enabled,
                            :by, case when cast(:every as int) is not null then now() end)
                    on conflict (collection_id, name) do nothing returning id
                """),
                {
                    "collection": collection_id,
                    "kind": new.spec.kind,
                    "name": name,
                    "spec": spec.model_dump_json(),
                    "every": new.every_seconds,
                    "enabled": new.enabled,
                    "by": actor.name,
                },
            )
            if source_id is None:
                raise ChappeError("source_exists", 409, name=name)
            if new.secret is not None:
                await self._seal(session, source_id, new.secret.get_secret_value())
            detail = new.model_dump(mode="json", exclude={"secret"})
            await record_in(session, actor, "source.put", f"{slug}/{source_id}", detail)
            if new.every_seconds is not None:
                await session.execute(text(f"notify {CHANNEL}"))
            row = await _row(session, source_id)
        return await self._view(row)

    async def change(self, actor: Actor, source_id: int, change: SourceChange) -> SourceView:
        """Change what is given; raises as :meth:`add`, and `unknown_source_id`."""
        given = change.model_fields_set
        async with self._session() as session:
            before = await _reached(session, actor, source_id)
            kept = read_spec(before.spec)
            values: dict[str, Any] = {}
            if change.spec is not None:
                if change.spec.kind != before.kind:
                    raise ChappeError("source_kind", 422, kind=before.kind)
                values["spec"] = self._checked(actor, change.spec).model_dump_json()
                if _moved(kept, change.spec) and "secret" not in given:
                    # A secret isn't sent to a place that it wasn't given for.
                    values["secret"] = None
            if change.name is not None:
                values["name"] = change.name
            if "every_seconds" in given:
                values["every_seconds"] = change.every_seconds
            if change.enabled is not None:
                values["enabled"] = change.enabled
            await self._set(session, source_id, values)
            if "secret" in given:
                secret = change.secret.get_secret_value() if change.secret is not None else None
                await self._seal(session, source_id, secret)
            detail = change.model_dump(mode="json", exclude={"secret"}, exclude_unset=True)
            await record_in(session, actor, "source.put", f"{before.slug}/{source_id}",
                            detail)  # fmt: skip
            row = await _row(session, source_id)
        return await self._view(row)

    async def _set(self, session: AsyncSession, source_id: int, values: Mapping[str, Any]) -> None:
        casts = {"spec": "cast(:spec as jsonb)"}
        columns = [f"{name} = {casts.get(name, ':' + name)}" for name in values]
        if columns:
            taken = await session.scalar(
                text("""
                    select o.id from source s join source o on o.collection_id = s.collection_id
                    where s.id = :id and o.id <> s.id and o.name = cast(:new_name as text)
                """),
                {"id": source_id, "new_name": values.get("name")},
            )
            if taken is not None:
                raise ChappeError("source_exists", 409, name=values["name"])
            await session.execute(
                text(f"update source set {', '.join(columns)} where id = :id"),  # noqa: S608
                {"id": source_id, **values},
            )
        await session.execute(
            text("""
                update source set next_run_at = case when every_seconds is null then null
                    else least(next_run_at, now() + every_seconds * interval '1 second') end
                where id = :id
            """),
            {"id": source_id},
        )

    async def remove(self, actor: Actor, source_id: int) -> None:
        """Remove a source. The documents that it brought stay, as if people had given them."""
        async with self._session() as session:
            source = await _reached(session, actor, source_id)
            await session.execute(
                text("""
                    update document set source = '' where collection_id =
                        (select collection_id from source where id = :id) and source = :key
                """),
                {"id": source_id, "key": kept_by(source_id, read_spec(source.spec))},
            )
            await session.execute(text("delete from source where id = :id"), {"id": source_id})
            await record_in(session, actor, "source.remove", f"{source.slug}/{source_id}",
                            {"name": source.name})  # fmt: skip

    async def list_of(self, actor: Actor, slug: str | None = None) -> list[SourceView]:
        """The sources of a collection, or of all that the actor administers.

        Raises:
            ChappeError: `unknown_collection`, `scope_missing`.
        """
        async with self._session() as session:
            if slug is not None:
                await self._administered(session, actor, slug)
            rows = await session.execute(
                text(
                    f"{_SELECT} where {administered_collections(actor)}"
                    " and (cast(:slug as text) is null or collection.slug = :slug) order by s.id"
                ),
                {"slug": slug},
            )
            found = rows.all()
        return [await self._view(row) for row in found]

    async def read(self, actor: Actor, source_id: int) -> SourceView:
        """One source; raises `unknown_source_id`, also when the actor doesn't administer it."""
        async with self._session() as session:
            row = await _reached(session, actor, source_id)
        return await self._view(row)

    async def ask(self, actor: Actor, source_id: int, *, force: bool) -> SourceView:
        """Have a source run as soon as a worker is free; raises as :meth:`read`.

        Args:
            force: remove what went away even if it is most of it.
        """
        async with self._session() as session:
            source = await _reached(session, actor, source_id)
            await session.execute(
                text("""
                    update source set next_run_at = now(), asked_by = :by, forced = :force
                    where id = :id
                """),
                {"id": source_id, "by": actor.name, "force": force},
            )
            await session.execute(text(f"notify {CHANNEL}"))
            await record_in(session, actor, "source.sync", f"{source.slug}/{source_id}",
                            {"force": force})  # fmt: skip
            row = await _row(session, source_id)
        return await self._view(row)

    def _checked(self, actor: Actor, spec: Spec) -> Spec:
        """A spec that this actor may give; a path in it without links, as it was checked."""
        # The operator's own command may name any folder: it has the machine.
        local = actor.kind != "system"
        match spec:
            case FolderSpec(path=path):
                if local:
                    return spec.model_copy(update={"path": check_path(path, self._settings)})
            case OfficialSpec(name=None, format=format, location=location):
                if format is None or not location:
                    raise ChappeError("source_official", 422)
                if format == "legi" and not spec.codes:
                    raise ChappeError("source_codes", 422)
                if local and not location.startswith(("http://", "https://")):
                    path = check_path(location, self._settings)
                    return spec.model_copy(update={"location": path})
            case OfficialSpec(name=str(name)):
                find_source(name)
            case _:
                pass
        return spec

    async def _administered(self, session: AsyncSession, actor: Actor, slug: str) -> int:
        row = (
            await session.execute(
                text(f"""
                    select id, {administered_collections(actor)} as administered
                    from collection where slug = :slug
                        and ({administered_collections(actor)} or {readable_collections(actor)})
                """),  # noqa: S608
                {"slug": slug},
            )
        ).one_or_none()
        if row is None:
            raise ChappeError("unknown_collection", 404, name=slug)
        if not row.administered:
            raise ChappeError("scope_missing", 403, scope="manage")
        return int(row.id)

    async def _view(self, row: Any) -> SourceView:
        # Its administrator sees what a run did; what is in the documents is for readers.
        last = None
        if row.last_load is not None:
            last = await read_load(self._database, SYSTEM, row.last_load)
        return SourceView(
            id=row.id,
            collection=row.slug,
            name=row.name,
            spec=read_spec(row.spec),
            has_secret=row.secret is not None,
            every_seconds=row.every_seconds,
            enabled=row.enabled,
            created_at=row.created_at,
            next_run_at=row.next_run_at,
            items=row.items,
            last=last,
        )

    async def _seal(self, session: AsyncSession, source_id: int, secret: str | None) -> None:
        sealed = None
        if secret:
            cipher = Cipher.from_settings(self._settings)
            sealed = cipher.encrypt(secret, sealed_for(source_id))
        await session.execute(
            text("update source set secret = :secret where id = :id"),
            {"secret": sealed, "id": source_id},
        )


async def _row(session: AsyncSession, source_id: int) -> Any:
    return (await session.execute(text(f"{_SELECT} where s.id = :id"), {"id": source_id})).one()


async def _reached(session: AsyncSession, actor: Actor, source_id: int) -> Any:
    result = await session.execute(
        text(f"{_SELECT} where s.id = :id and {administered_collections(actor)}"),
        {"id": source_id},
    )
    row = result.one_or_none()
    if row is None:
        raise ChappeError("unknown_source_id", 404, id=source_id)
    return row


def _moved(before: Spec, after: Spec) -> bool:
    """Does a spec lead to another server than before."""
    told = ("endpoint", "url", "location")
    return any(
        _server(getattr(before, name, None)) != _server(getattr(after, name, None)) for name in told
    )


def _server(address: str | None) -> str:
    return "/".join((address or "").split("/")[:3])


async def seal_anew(connection: Connection, cipher: Cipher) -> int:
    """Seal every secret with the newest key, in the caller's transaction; gives how many.

    Raises:
        ChappeError: `secret_unreadable`; nothing is changed then.
    """
    found = await (
        await connection.execute("select id, secret from source where secret is not null")
    ).fetchall()
    for source_id, sealed in found:
        owner = sealed_for(source_id)
        secret = cipher.decrypt(bytes(sealed), owner)
        await connection.execute(
            "update source set secret = %s where id = %s",
            (cipher.encrypt(secret, owner), source_id),
        )
    return len(found)


def decrypted(settings: Settings, source_id: int, sealed: bytes | None) -> str | None:
    """A source's secret, or None; raises `secret_unreadable`."""
    if sealed is None:
        return None
    return Cipher.from_settings(settings).decrypt(bytes(sealed), sealed_for(source_id))
