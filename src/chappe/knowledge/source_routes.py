"""HTTP of sources. Who may call: whoever administers the collection, see `identity.access`; without
a key, on a loopback address only."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Request

from chappe.identity.http import CurrentActor
from chappe.knowledge.refused import changing
from chappe.knowledge.source_admin import SourceAdministration
from chappe.knowledge.source_schemas import NewSource, SourceChange, SourceView, SyncRequest

router = APIRouter(prefix="/api", tags=["sources"])

SourceId = Annotated[int, Path(ge=1, le=2**63 - 1)]


def _administration(request: Request) -> SourceAdministration:
    state = request.app.state
    return SourceAdministration(state.settings, state.database)


@router.get("/sources")
async def list_all(request: Request, actor: CurrentActor) -> list[SourceView]:
    """The sources of every collection that one administers."""
    async with changing(request, actor, "source.put", "sources"):
        return await _administration(request).list_of(actor)


@router.get("/collections/{slug}/sources")
async def list_sources(request: Request, actor: CurrentActor, slug: str) -> list[SourceView]:
    """The sources of a collection."""
    async with changing(request, actor, "source.put", slug):
        return await _administration(request).list_of(actor, slug)


@router.post("/collections/{slug}/sources", status_code=201)
async def add_source(
    request: Request, actor: CurrentActor, slug: str, new: NewSource
) -> SourceView:
    """Add a source to a collection."""
    async with changing(request, actor, "source.put", slug):
        return await _administration(request).add(actor, slug, new)


@router.get("/sources/{source_id}")
async def read_source(request: Request, actor: CurrentActor, source_id: SourceId) -> SourceView:
    """One source, and its newest run."""
    async with changing(request, actor, "source.put", str(source_id)):
        return await _administration(request).read(actor, source_id)


@router.patch("/sources/{source_id}")
async def change_source(
    request: Request, actor: CurrentActor, source_id: SourceId, change: SourceChange
) -> SourceView:
    """Change what is given of a source."""
    async with changing(request, actor, "source.put", str(source_id)):
        return await _administration(request).change(actor, source_id, change)


@router.delete("/sources/{source_id}", status_code=204)
async def remove_source(request: Request, actor: CurrentActor, source_id: SourceId) -> None:
    """Remove a source; the documents that it brought stay."""
    async with changing(request, actor, "source.remove", str(source_id)):
        await _administration(request).remove(actor, source_id)


@router.post("/sources/{source_id}/sync", status_code=202)
async def run_source(
    request: Request,
    actor: CurrentActor,
    source_id: SourceId,
    wanted: Annotated[SyncRequest, Body(default_factory=SyncRequest)],
) -> SourceView:
    """Have a source run as soon as a worker is free."""
    async with changing(request, actor, "source.sync", str(source_id)):
        return await _administration(request).ask(actor, source_id, force=wanted.force)
