"""HTTP of knowledge. Who may call: a key with `search`, or the page of a loopback installation."""

from fastapi import APIRouter, Request

from chappe.identity.http import CurrentActor
from chappe.knowledge.schemas import SearchRequest, SearchResponse

router = APIRouter(prefix="/api", tags=["knowledge"])


@router.post("/search")
async def search(request: Request, actor: CurrentActor, body: SearchRequest) -> SearchResponse:
    """Find passages by word and by meaning."""
    result = await request.app.state.search(
        actor,
        body.query,
        body.collections,
        body.limit,
        date=body.date,
        filters=body.filters,
        neighbours=body.neighbours,
    )
    return SearchResponse(
        query=body.query,
        hits=result.hits,
        dense=result.dense,
        took_ms=round(result.took_ms, 2),
        reranked=result.reranked,
    )
