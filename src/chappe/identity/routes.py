"""Keys, people, groups and the audit log by API.

Who may call: a key with `operate`, or with `manage` for its own organisation. A refusal is written
in the audit log; what belongs to another organisation answers as what doesn't exist.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.identity import audit, keys, organisations
from chappe.identity.access import Actor, administered, require
from chappe.identity.acts import ACTS, Act, act_of
from chappe.identity.audit import connection_of
from chappe.identity.http import CurrentActor
from chappe.identity.keys import KeyView
from chappe.identity.refusals import record_refusal
from chappe.identity.schemas import (
    ActorView,
    GroupNames,
    GroupSpec,
    GroupView,
    KeySpec,
    PersonSpec,
    PersonView,
    Rotation,
    Secret,
    Slug,
)
from chappe.identity.versions import Seen

router = APIRouter(prefix="/api/admin", tags=["identity"])


@asynccontextmanager
async def _refusals_audited(
    request: Request, actor: Actor, action: Act, object: str = ""
) -> AsyncIterator[None]:
    try:
        administered(actor)
        yield
    except ChappeError as error:
        if "operate" not in actor.scopes and error.status in (403, 404):
            connections = request.app.state.gateway.connections
            await record_refusal(connections, actor, action, object, error.code)
        raise


@asynccontextmanager
async def _administering(
    request: Request, actor: Actor, action: Act, object: str = ""
) -> AsyncIterator[Connection]:
    connections = request.app.state.gateway.connections
    async with (
        _refusals_audited(request, actor, action, object),
        connections.transaction() as connection,
    ):
        yield connection


@router.get("/me")
async def who_asks(actor: CurrentActor) -> ActorView:
    """Who asks, and what it may do. Anybody with a key may call it, or the page without one."""
    return ActorView(
        name=actor.name,
        organisation=actor.organisation,
        scopes=sorted(actor.scopes),
        level=actor.level,
    )


@router.get("/keys")
async def list_keys(
    request: Request, actor: CurrentActor, organisation: Slug | None = None
) -> list[KeyView]:
    """The keys, oldest first, without their secrets."""
    async with (
        _refusals_audited(request, actor, "key.list", organisation or ""),
        request.app.state.database.session() as session,
    ):
        own = administered(actor)
        if organisation is not None:
            connection = await connection_of(session)
            own, _ = await organisations.find_organisation(connection, actor, organisation)
        return await keys.list_keys(session, own)


@router.post("/keys", status_code=201)
async def create_key(
    request: Request, response: Response, actor: CurrentActor, spec: KeySpec
) -> Secret:
    """Make a key; its secret is shown this once."""
    async with (
        _refusals_audited(request, actor, "key.create", spec.organisation or ""),
        request.app.state.database.session() as session,
    ):
        made = await keys.issue_key(
            session,
            actor,
            spec.name,
            tuple(spec.scopes),
            spec.days,
            organisation=spec.organisation or actor.organisation or "default",
            person=spec.person,
            level=actor.level if spec.level is None else spec.level,
        )
    response.headers["cache-control"] = "no-store"
    return Secret(id=made.id, key=made.secret)


@router.post("/keys/{key_id}/rotate")
async def rotate_key(
    request: Request,
    response: Response,
    actor: CurrentActor,
    key_id: uuid.UUID,
    rotation: Rotation,
    seen: Seen,
) -> Secret:
    """Give a key a new secret, shown this once; the old one works for some hours more."""
    async with (
        _refusals_audited(request, actor, "key.rotate", str(key_id)),
        request.app.state.database.session() as session,
    ):
        connection = await connection_of(session)
        await seen.check(connection, str(key_id), partial(keys.key_versions, session, actor))
        secret = await keys.rotate_key(session, actor, key_id, rotation.hours)
    response.headers["cache-control"] = "no-store"
    return Secret(id=key_id, key=secret)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(request: Request, actor: CurrentActor, key_id: uuid.UUID) -> None:
    """Revoke a key, at once and for good."""
    async with (
        _refusals_audited(request, actor, "key.revoke", str(key_id)),
        request.app.state.database.session() as session,
    ):
        await keys.revoke_key(session, actor, key_id)


@router.get("/people")
async def list_people(
    request: Request, actor: CurrentActor, organisation: Slug | None = None
) -> list[PersonView]:
    """The people, with their groups."""
    async with _administering(request, actor, "person.list", organisation or "") as connection:
        return await organisations.list_people(connection, actor, organisation)


@router.post("/people", status_code=201)
async def add_person(request: Request, actor: CurrentActor, spec: PersonSpec) -> dict[str, str]:
    """Add somebody."""
    object = f"{spec.organisation or ''}/{spec.name}"
    async with _administering(request, actor, "person.add", object) as connection:
        made = await organisations.add_person(connection, actor, spec.name, spec.organisation)
    return {"id": str(made)}


@router.delete("/people/{person_id}", status_code=204)
async def remove_person(
    request: Request, actor: CurrentActor, person_id: uuid.UUID, seen: Seen
) -> None:
    """Remove somebody: their keys are revoked, their limits go, their accounts stay."""
    async with _administering(request, actor, "person.remove", str(person_id)) as connection:
        await seen.check(connection, str(person_id), partial(organisations.person_versions, actor))
        await organisations.remove_person(connection, actor, person_id)


@router.get("/groups")
async def list_groups(
    request: Request, actor: CurrentActor, organisation: Slug | None = None
) -> list[GroupView]:
    """The groups, with their members."""
    async with _administering(request, actor, "group.list", organisation or "") as connection:
        return await organisations.list_groups(connection, actor, organisation)


@router.post("/groups", status_code=201)
async def add_group(request: Request, actor: CurrentActor, spec: GroupSpec) -> dict[str, str]:
    """Add a group."""
    object = f"{spec.organisation or ''}/{spec.slug}"
    async with _administering(request, actor, "group.add", object) as connection:
        made = await organisations.add_group(
            connection, actor, spec.slug, spec.name, spec.organisation
        )
    return {"id": str(made)}


@router.put("/groups/{group_id}", status_code=204)
async def rename_group(
    request: Request, actor: CurrentActor, group_id: uuid.UUID, names: GroupNames, seen: Seen
) -> None:
    """Call a group otherwise; its members and what was granted to it stay."""
    async with _administering(request, actor, "group.rename", str(group_id)) as connection:
        await seen.check(connection, str(group_id), partial(organisations.group_versions, actor))
        await organisations.rename_group(connection, actor, group_id, names.slug, names.name)


@router.delete("/groups/{group_id}", status_code=204)
async def remove_group(
    request: Request, actor: CurrentActor, group_id: uuid.UUID, seen: Seen
) -> None:
    """Remove a group, with what was granted to it."""
    async with _administering(request, actor, "group.remove", str(group_id)) as connection:
        await seen.check(connection, str(group_id), partial(organisations.group_versions, actor))
        await organisations.remove_group(connection, actor, group_id)


@router.put("/groups/{group_id}/members/{person_id}", status_code=204)
async def join_group(
    request: Request, actor: CurrentActor, group_id: uuid.UUID, person_id: uuid.UUID
) -> None:
    """Put somebody into a group of their organisation."""
    async with _administering(request, actor, "group.join", str(group_id)) as connection:
        await organisations.set_member(connection, actor, group_id, person_id, True)


@router.delete("/groups/{group_id}/members/{person_id}", status_code=204)
async def leave_group(
    request: Request, actor: CurrentActor, group_id: uuid.UUID, person_id: uuid.UUID
) -> None:
    """Take somebody out of a group."""
    async with _administering(request, actor, "group.leave", str(group_id)) as connection:
        await organisations.set_member(connection, actor, group_id, person_id, False)


@router.get("/audit")
async def list_audit(
    request: Request,
    actor: CurrentActor,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    action: Annotated[str | None, Query(json_schema_extra={"enum": list(ACTS)})] = None,
    outcome: audit.Outcome | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[dict[str, Any]]:
    """The audit log, newest first; with `manage`, what concerns one's own organisation."""
    act = act_of(action) if action is not None else None
    async with _administering(request, actor, "audit.read") as connection:
        found = await audit.entries(
            connection,
            organisation_id=administered(actor),
            before=before,
            action=act,
            outcome=outcome,
            limit=limit,
        )
    return [entry.view() for entry in found]


@router.get("/audit/verification")
async def verify_audit(request: Request, actor: CurrentActor) -> dict[str, Any]:
    """Go through the whole log, and say whether its chain holds. Who may call: `operate`."""
    async with _administering(request, actor, "audit.verify") as connection:
        require(actor, "operate")
        verdict = await audit.verify(connection)
    return {
        "entries": verdict.entries,
        "holds": verdict.broken_at is None,
        "broken_at": verdict.broken_at,
        "reason": verdict.reason,
        "last": verdict.last,
    }
