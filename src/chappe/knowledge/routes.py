"""HTTP of knowledge. Who may call: a key with `search`, or the page of a loopback installation."""

import uuid

from fastapi import APIRouter, Request

from chappe.identity.http import CurrentActor
from chappe.knowledge.library import read_document
from chappe.knowledge.schemas import DocumentView, SearchRequest, SearchResponse

router = APIRouter(prefix="/api", tags=["knowledge"])


@router.post("/search")
async def search(request: Request, actor: CurrentActor, body: SearchRequest) -> SearchResponse:
    """Find passages by word and by meaning."""
    result = await request.app.state.search(actor, body.query, body.collections, body.limit)
    return SearchResponse(
        query=body.query, hits=result.hits, dense=result.dense, took_ms=round(result.took_ms, 2)
    )


@router.get("/documents/{document_id}")
async def document(request: Request, actor: CurrentActor, document_id: uuid.UUID) -> DocumentView:
    """Read a document."""
    state = request.app.state
    return await read_document(state.database, state.search, actor, document_id)
