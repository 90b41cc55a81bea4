"""The ASGI application: /v1 in plain ASGI, /api in FastAPI, the page as files."""

import logging
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from chappe import __version__
from chappe.assistant import routes as assistant_routes
from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, of_pydantic, wrong
from chappe.core.settings import Settings
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway import routes as gateway_routes
from chappe.gateway.accounts import routes as accounts_routes
from chappe.gateway.catalogue import routes as catalogue_routes
from chappe.gateway.openai_api import OpenAIApi
from chappe.identity import routes as identity_routes
from chappe.identity.http import language_of
from chappe.knowledge import collection_routes, document_routes, mcp, source_routes
from chappe.knowledge import routes as knowledge_routes
from chappe.server import status
from chappe.server.file_search import FileSearch, VectorStoresApi, serves
from chappe.server.middleware import Observe
from chappe.server.runtime import Runtime

log = logging.getLogger(__name__)

_API_BODY_LIMIT = 1_000_000
# Files are bounded one by one, as they come (`document_max_bytes`).
_UPLOAD = re.compile(r"/api/collections/[^/]+/documents")


def page_folder(settings: Settings) -> Path | None:
    """The built page: the setting, else beside the source tree, else none."""
    if settings.web_dir is not None:
        return settings.web_dir if (settings.web_dir / "index.html").is_file() else None
    folder = Path(__file__).parents[3] / "web" / "dist"
    return folder if (folder / "index.html").is_file() else None


def _problem(request: Request, error: ChappeError) -> JSONResponse:
    return JSONResponse(
        error.problem(language_of(request), telemetry.request_id.get()),
        status_code=error.status,
        media_type="application/problem+json",
        headers={"www-authenticate": "Bearer"} if error.status == 401 else None,
    )


async def _chappe_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ChappeError)
    return _problem(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "JSON"
    if first["type"] == "json_invalid":
        place = ""
    reason = at(place, of_pydantic(first))
    return _problem(request, ChappeError("invalid_request", 422, reason=reason))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    if error.status_code == 405:
        return _problem(request, ChappeError("method_not_allowed", 405, method=request.method))
    if error.status_code == 404:
        return _problem(request, ChappeError("not_found", 404))
    if error.status_code == 413:
        return _problem(request, ChappeError("body_too_large", 413, limit=_API_BODY_LIMIT))
    return _problem(
        request, ChappeError("invalid_request", error.status_code, reason=wrong("body"))
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected", exc_info=error)
    identifier = telemetry.request_id.get()
    return _problem(request, ChappeError("internal", 500, request_id=identifier))


def handle_errors(api: FastAPI) -> None:
    """Have every error answered by a problem object in the reader's language."""
    api.add_exception_handler(ChappeError, _chappe_error)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(StarletteHTTPException, _http_error)
    api.add_exception_handler(Exception, _unexpected)


class _Application:
    """Chooses between /v1 and the rest, and bounds the size of what /api reads."""

    def __init__(self, api: FastAPI, v1: OpenAIApi, stores: VectorStoresApi) -> None:
        self._api = api
        self._v1 = v1
        self._stores = stores

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] == "/v1" or scope["path"].startswith("/v1/")):
            handler = self._stores if serves(scope["path"]) else self._v1
            await handler(scope, receive, send)
            return
        if (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and _UPLOAD.fullmatch(scope["path"])
        ):
            await self._api(scope, receive, send)
            return
        size = 0

        async def bounded() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > _API_BODY_LIMIT:
                raise HTTPException(413)
            return message

        await self._api(scope, bounded, send)


def build_app(runtime: Runtime) -> Observe:
    """The application over a started runtime."""
    settings = runtime.settings
    api = FastAPI(
        title="Chappe",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    api.state.settings = settings
    api.state.database = runtime.database
    api.state.gateway = runtime.gateway
    api.state.search = runtime.search
    api.state.assistant = runtime.assistant
    api.state.originals = runtime.originals
    api.state.page_images = runtime.page_images
    for router in (
        knowledge_routes.router,
        collection_routes.router,
        document_routes.router,
        source_routes.router,
        assistant_routes.router,
        gateway_routes.router,
        catalogue_routes.router,
        accounts_routes.router,
        identity_routes.router,
        mcp.router,
        status.router,
    ):
        api.include_router(router)
    handle_errors(api)
    folder = page_folder(settings)
    if folder is not None:
        api.mount("/", StaticFiles(directory=folder, html=True))
    files = FileSearch(runtime.database, runtime.search)
    runtime.gateway.augment = files.augment
    v1 = OpenAIApi(runtime.gateway)
    stores = VectorStoresApi(runtime.gateway, runtime.database, files)
    return Observe(_Application(api, v1, stores), settings.hosts)
