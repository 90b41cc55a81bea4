"""HTTP of collections and loads.

Who may call: each route says so. What one may neither read nor administer answers as what doesn't
exist. `editor`: the people of the group or organisation that owns a collection, its person, and
whoever it is granted to as such. `owner`: its person, an administrator (`manage`) of its owner's
organisation, an operator (`operate`). The page of a loopback installation is the owner of the
public collections that it made.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from chappe.identity.http import CurrentActor
from chappe.knowledge import collections, loads
from chappe.knowledge.collection_schemas import (
    CollectionChange,
    CollectionSpec,
    CollectionView,
    GrantSpec,
    GrantView,
    SubjectKind,
)
from chappe.knowledge.document_schemas import LoadReport
from chappe.knowledge.refused import changing

router = APIRouter(prefix="/api", tags=["collections"])


@router.get("/collections")
async def list_collections(request: Request, actor: CurrentActor) -> list[CollectionView]:
    """The collections that one may read or administer. Anybody who may search may call it."""
    return await collections.list_collections(request.app.state.database, actor)


@router.post("/collections", status_code=201)
async def create_collection(
    request: Request, actor: CurrentActor, spec: CollectionSpec
) -> CollectionView:
    """Make a collection, by default for the person of one's key, else for its organisation.
    Anybody who may search may call it; public ones are made by operators."""
    async with changing(request, actor, "collection.create", spec.slug or spec.title):
        return await collections.create_collection(request.app.state.database, actor, spec)


@router.get("/collections/{slug}")
async def read_collection(request: Request, actor: CurrentActor, slug: str) -> CollectionView:
    """One collection. Its readers and owners may call it."""
    return await collections.read_collection(request.app.state.database, actor, slug)


@router.patch("/collections/{slug}")
async def change_collection(
    request: Request, actor: CurrentActor, slug: str, change: CollectionChange
) -> CollectionView:
    """Change a collection's rules. Its owners may call it."""
    async with changing(request, actor, "collection.change", slug):
        return await collections.change_collection(request.app.state.database, actor, slug, change)


@router.delete("/collections/{slug}", status_code=204, response_class=Response)
async def remove_collection(request: Request, actor: CurrentActor, slug: str) -> None:
    """Remove a collection with its documents: unreadable at once. Its owners may call it."""
    async with changing(request, actor, "collection.remove", slug):
        await collections.remove_collection(request.app.state.database, actor, slug)


@router.get("/collections/{slug}/grants")
async def list_grants(request: Request, actor: CurrentActor, slug: str) -> list[GrantView]:
    """To whom a collection is shared. Its owners may call it."""
    async with changing(request, actor, "collection.grant", slug):
        return await collections.list_grants(request.app.state.database, actor, slug)


@router.put("/collections/{slug}/grants/{kind}/{subject:path}", status_code=204)
async def grant(
    request: Request,
    actor: CurrentActor,
    slug: str,
    kind: SubjectKind,
    subject: str,
    spec: GrantSpec,
) -> Response:
    """Share a collection with a person, group or organisation, by identifier or by name (of one's
    own organisation, else `ORGANISATION/NAME`). Its owners may call it."""
    async with changing(request, actor, "collection.grant", slug):
        await collections.grant(request.app.state.database, actor, slug, kind, subject, spec.role)
    return Response(status_code=204)


@router.delete("/collections/{slug}/grants/{kind}/{subject:path}", status_code=204)
async def revoke(
    request: Request, actor: CurrentActor, slug: str, kind: SubjectKind, subject: str
) -> Response:
    """Share a collection with a subject no more. Its owners may call it."""
    async with changing(request, actor, "collection.revoke", slug):
        await collections.revoke(request.app.state.database, actor, slug, kind, subject)
    return Response(status_code=204)


@router.get("/loads", tags=["loads"])
async def list_loads(
    request: Request,
    actor: CurrentActor,
    collection: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[LoadReport]:
    """What was brought into the collections that one may read, newest first. Anybody who may
    search may call it."""
    return await loads.list_loads(request.app.state.database, actor, collection, limit)


@router.get("/loads/{load_id}", tags=["loads"])
async def read_load(request: Request, actor: CurrentActor, load_id: int) -> LoadReport:
    """How far a load is, its rate, and the seconds left. The collection's readers may call it."""
    return await loads.read_load(request.app.state.database, actor, load_id)
