"""State of the installation. Who may call: anybody for health; see each route."""

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from sqlalchemy import text

from chappe import __version__
from chappe.core import telemetry
from chappe.core.errors import ChappeError
from chappe.gateway import Model
from chappe.identity.http import CurrentActor, Language, actor_of
from chappe.knowledge.collections import list_collections
from chappe.knowledge.jobs import loads
from chappe.server.readiness import readiness

router = APIRouter()

_STEPS = {
    "fr": {
        "downloading": "Téléchargement",
        "indexing": "Lecture et indexation",
        "embedding": "Préparation de la recherche par le sens",
    },
    "en": {
        "downloading": "Downloading",
        "indexing": "Reading and indexing",
        "embedding": "Preparing search by meaning",
    },
}


def _model(model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "id": model.name,
        "state": model.state,
        "weak": model.weak,
        "detail": model.detail,
    }


@router.get("/api/status", tags=["status"])
async def status(request: Request, language: Language) -> dict[str, Any]:
    """What the page shows: models, collections, loads. Anybody may call it."""
    state = request.app.state
    anonymous = state.settings.anonymous_page
    answer: dict[str, Any] = {
        "version": __version__,
        "anonymous": anonymous,
        "ready": True,
        "model": _model(state.gateway.catalogue.default("chat")),
        "encoder": _model(state.gateway.encoder),
        "collections": [],
        "loads": [],
    }
    if not anonymous and request.headers.get("authorization") is None:
        return answer
    actor = await actor_of(request)
    answer["collections"] = [
        view.model_dump() for view in await list_collections(state.database, actor)
    ]
    for view in await loads(state.database):
        answer["loads"].append(view.model_dump() | {"message": _STEPS[language].get(view.step)})
    return answer


@router.get("/healthz", tags=["status"])
async def healthz() -> dict[str, str]:
    """Is the process alive. Anybody may call it."""
    return {"status": "ok"}


@router.get("/readyz", tags=["status"])
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """Can this replica serve: the database answers, and a model does. Anybody may call it; 503
    when not. `models` counts those that have servers, by state."""
    state = request.app.state
    try:
        async with state.database.session() as session:
            await session.execute(text("select 1"))
        database = "ready"
    except ChappeError:
        database = "away"
    models = state.gateway.catalogue.all()
    response.status_code, value = readiness(models, database, needs_database=True)
    return value


@router.get("/metrics", tags=["status"])
async def metrics(actor: CurrentActor) -> Response:
    """Prometheus metrics. Who may call: any key, or anybody on a loopback installation."""
    return Response(generate_latest(telemetry.REGISTRY), media_type="text/plain; version=0.0.4")
