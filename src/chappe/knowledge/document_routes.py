"""HTTP of documents.

Who may call: whoever may read the collection; adding, reading again and removing, its editors.
What one may not read answers as what doesn't exist.
"""

import uuid
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from chappe.core.errors import ChappeError
from chappe.identity.http import CurrentActor, Language
from chappe.knowledge import documents
from chappe.knowledge.document_schemas import (
    BoxView,
    DocumentList,
    DocumentState,
    DocumentView,
    Received,
    VersionView,
)
from chappe.knowledge.page_images import LEAST_WIDTH, MOST_WIDTH
from chappe.knowledge.refused import changing
from chappe.knowledge.uploads import upload

router = APIRouter(prefix="/api", tags=["documents"])

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="none: what is so now")]

# What a browser might run is never named to it.
_ACTIVE = ("html", "svg", "xml", "javascript")
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            }
        },
    }
}


@router.get("/collections/{slug}/documents")
async def list_documents(
    request: Request,
    actor: CurrentActor,
    language: Language,
    slug: str,
    state: DocumentState | None = None,
    q: Annotated[str, Query(max_length=200, description="part of a name or title")] = "",
    after: Annotated[
        str | None, Query(max_length=20, description="`next` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DocumentList:
    """A collection's documents, newest first, and how many there are in each state."""
    return await documents.list_documents(
        request.app.state.database,
        actor,
        slug,
        state=state,
        query=q.replace("\x00", ""),
        after=after,
        limit=limit,
        language=language,
    )


@router.post("/collections/{slug}/documents", status_code=202, openapi_extra=_FORM)
async def upload_documents(request: Request, actor: CurrentActor, slug: str) -> list[Received]:
    """Upload files (100 at most in one form); they are read in the background. A file of a name
    that is there already becomes a version of that document. Editors may call it."""
    state = request.app.state
    async with changing(request, actor, "document.upload", slug):
        return await upload(
            state.settings,
            state.database,
            state.originals,
            actor,
            slug,
            request.headers.get("content-type", ""),
            request.stream(),
        )


@router.get("/documents/{document_id}")
async def read_document(
    request: Request,
    actor: CurrentActor,
    language: Language,
    document_id: uuid.UUID,
    version: Version = None,
) -> DocumentView:
    """A document's text, structure, pages, and what could not be read of it."""
    state = request.app.state
    return await documents.read_document(
        state.database, state.search, actor, document_id, version, language
    )


@router.delete("/documents/{document_id}", status_code=204, response_class=Response)
async def remove_document(request: Request, actor: CurrentActor, document_id: uuid.UUID) -> None:
    """Remove a document and what came out of it: out of search at once. Editors may call it."""
    async with changing(request, actor, "document.remove", str(document_id)):
        await documents.remove_document(request.app.state.database, actor, document_id)


@router.post("/documents/{document_id}/retry", status_code=202, response_class=Response)
async def retry_document(request: Request, actor: CurrentActor, document_id: uuid.UUID) -> None:
    """Have a document read again from its original. Editors may call it."""
    async with changing(request, actor, "document.retry", str(document_id)):
        await documents.retry_document(request.app.state.database, actor, document_id)


@router.get("/documents/{document_id}/versions")
async def list_versions(
    request: Request, actor: CurrentActor, document_id: uuid.UUID
) -> list[VersionView]:
    """A document's versions, newest first."""
    return await documents.list_versions(request.app.state.database, actor, document_id)


@router.get("/documents/{document_id}/boxes")
async def boxes(
    request: Request,
    actor: CurrentActor,
    document_id: uuid.UUID,
    start: Annotated[int, Query(ge=0, le=2**31 - 1)],
    end: Annotated[int, Query(ge=0, le=2**31 - 1)],
    version: Version = None,
) -> list[BoxView]:
    """Where a span of the text is drawn on its pages; empty for a format without pages."""
    return await documents.boxes_of(
        request.app.state.database, actor, document_id, start, end, version
    )


@router.get("/documents/{document_id}/pages/{number}.png", response_class=Response)
async def page_image(
    request: Request,
    actor: CurrentActor,
    document_id: uuid.UUID,
    number: int,
    width: Annotated[int, Query(ge=LEAST_WIDTH, le=MOST_WIDTH, description="pixels")] = 1000,
    version: Version = None,
) -> Response:
    """A page of the original, drawn; pages count from 1."""
    if not 1 <= number < 2**31:
        raise ChappeError("not_found", 404)
    image = await request.app.state.page_images.draw(actor, document_id, number, width, version)
    return Response(image, media_type="image/png", headers=_private())


@router.get("/documents/{document_id}/original", response_class=StreamingResponse)
async def original(
    request: Request, actor: CurrentActor, document_id: uuid.UUID, version: Version = None
) -> StreamingResponse:
    """The file that a version was read from, byte for byte."""
    state = request.app.state
    async with state.database.session() as session:
        row = await documents.find_version(
            session,
            actor,
            document_id,
            version,
            "d.name, v.original_key, v.media_type, v.size",
        )
    if row.original_key is None:
        raise ChappeError("original_missing", 404)
    chunks = state.originals.chunks(row.original_key)
    # The first piece is read before the answer begins, so that a missing original is an error.
    first = await anext(chunks, b"")

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    media_type = row.media_type or "application/octet-stream"
    if any(word in media_type for word in _ACTIVE):
        media_type = "application/octet-stream"
    name = quote(row.name.rsplit("/", 1)[-1], safe="")
    return StreamingResponse(
        body(),
        media_type=media_type,
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "content-length": str(row.size),
            "content-security-policy": "sandbox; default-src 'none'",
        }
        | _private(),
    )


def _private() -> dict[str, str]:
    return {"cache-control": "private, no-store"}
