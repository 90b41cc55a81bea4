"""The catalogue and its limits by API. Who may call: a key with `operate`; a refusal is audited.

`GET /api/admin/limits` also: a key with `manage`, which sees its own organisation's.
"""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import of_pydantic, wrong
from chappe.gateway.catalogue import Catalogue, proposals, views
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue import apply as declarative
from chappe.gateway.catalogue.schemas import EndpointSpec, LimitSpec, ModelSpec, OrganisationSpec
from chappe.gateway.http.upstream import UpstreamError
from chappe.gateway.quotas.limits import Measure, Period
from chappe.gateway.quotas.store import limit_states, state_view
from chappe.identity import Actor
from chappe.identity.acts import Act
from chappe.identity.http import CurrentActor
from chappe.identity.refusals import record_refusal
from chappe.identity.versions import AsShown, Seen

router = APIRouter(prefix="/api/admin", tags=["catalogue"])

View = TypeVar("View", views.ModelView, views.EndpointView, views.OrganisationView)


class Decision(BaseModel):
    """What becomes of a proposal: the model that it is; none sets it aside."""

    endpoint: str
    upstream_name: str
    model: str | None = None


class File(BaseModel):
    """The declarative file."""

    toml: str = Field(max_length=1_000_000)
    dry_run: bool = True
    prune: bool = False


class ChangeView(BaseModel):
    """One difference."""

    act: str
    kind: str
    name: str
    fields: dict[str, tuple[Any, Any]]


@asynccontextmanager
async def operating(
    request: Request, actor: Actor, action: Act, object: str = ""
) -> AsyncIterator[Connection]:
    """A transaction for whoever may operate the installation.

    Raises:
        ChappeError: `scope_missing` (403), after it was written in the audit log.
    """
    gateway = request.app.state.gateway
    if "operate" not in actor.scopes:
        await record_refusal(gateway.connections, actor, action, object, "scope operate missing")
        raise ChappeError("scope_missing", 403, scope="operate")
    try:
        async with gateway.connections.transaction() as connection:
            yield connection
    except psycopg.IntegrityError as error:
        reason = wrong("conflict", constraint=error.diag.constraint_name or "?")
        raise ChappeError("invalid_request", 409, reason=reason) from None
    except (psycopg.DataError, UnicodeEncodeError):
        raise ChappeError("invalid_request", 422, reason=wrong("not_kept")) from None


@router.get("/models")
async def list_models(request: Request, actor: CurrentActor) -> list[views.ModelView]:
    """The models of the catalogue; those of the settings aren't among them."""
    async with operating(request, actor, "model.list") as connection:
        return list((await views.models(connection)).values())


@router.get("/models/{name:path}")
async def read_model(
    request: Request, response: Response, actor: CurrentActor, name: str
) -> views.ModelView:
    """A model of the catalogue."""
    async with operating(request, actor, "model.list", name) as connection:
        return _one(response, "model", name, await views.models(connection))


@router.put("/models/{name:path}", status_code=204)
async def put_model(
    request: Request,
    actor: CurrentActor,
    name: str,
    spec: Annotated[ModelSpec, AsShown],
    seen: Seen,
) -> None:
    """Add or change a model."""
    _same(name, spec.name)
    async with operating(request, actor, "model.put", name) as connection:
        await seen.check(connection, name, views.model_versions)
        await admin.put_model(connection, actor, spec, _configured(request))


@router.delete("/models/{name:path}", status_code=204)
async def delete_model(request: Request, actor: CurrentActor, name: str, seen: Seen) -> None:
    """Remove a model that nothing needs."""
    async with operating(request, actor, "model.remove", name) as connection:
        await seen.check(connection, name, views.model_versions)
        await admin.remove_model(connection, actor, name, _configured(request))


@router.get("/endpoints")
async def list_endpoints(request: Request, actor: CurrentActor) -> list[views.EndpointView]:
    """The endpoints of the catalogue."""
    async with operating(request, actor, "endpoint.list") as connection:
        return list((await views.endpoints(connection)).values())


@router.get("/endpoints/{name:path}")
async def read_endpoint(
    request: Request, response: Response, actor: CurrentActor, name: str
) -> views.EndpointView:
    """An endpoint of the catalogue."""
    async with operating(request, actor, "endpoint.list", name) as connection:
        return _one(response, "endpoint", name, await views.endpoints(connection))


@router.put("/endpoints/{name:path}", status_code=204)
async def put_endpoint(
    request: Request, actor: CurrentActor, name: str, spec: EndpointSpec, seen: Seen
) -> None:
    """Add or change an endpoint; without a secret, the one that it has is kept."""
    _same(name, spec.name)
    _no_local_secret(spec)
    cipher = request.app.state.gateway.cipher
    async with operating(request, actor, "endpoint.put", name) as connection:
        await seen.check(connection, name, views.endpoint_versions)
        await admin.put_endpoint(connection, actor, cipher, spec)


@router.delete("/endpoints/{name:path}", status_code=204)
async def delete_endpoint(request: Request, actor: CurrentActor, name: str, seen: Seen) -> None:
    """Remove an endpoint."""
    async with operating(request, actor, "endpoint.remove", name) as connection:
        await seen.check(connection, name, views.endpoint_versions)
        await admin.remove_endpoint(connection, actor, name)


@router.post("/endpoints/{name:path}/drain", status_code=204)
async def drain_endpoint(request: Request, actor: CurrentActor, name: str) -> None:
    """Send nothing more there; what runs there goes on."""
    async with operating(request, actor, "endpoint.drain", name) as connection:
        await admin.set_drained(connection, actor, name, True)


@router.post("/endpoints/{name:path}/resume", status_code=204)
async def resume_endpoint(request: Request, actor: CurrentActor, name: str) -> None:
    """Take a drained endpoint back."""
    async with operating(request, actor, "endpoint.resume", name) as connection:
        await admin.set_drained(connection, actor, name, False)


@router.post("/endpoints/{name:path}/test")
async def test_endpoint(request: Request, actor: CurrentActor, name: str) -> dict[str, Any]:
    """Ask an endpoint now whether it is well, what it is, and which models it announces."""
    async with operating(request, actor, "endpoint.test", name):
        gateway = request.app.state.gateway
        endpoint = next((e for e in gateway.catalogue.endpoints() if e.name == name), None)
        if endpoint is None or endpoint.base_url is None:
            raise ChappeError("unknown_object", 404, kind="endpoint", name=name)
    try:
        seen = await gateway.test_endpoint(endpoint)
    except UpstreamError as error:
        return {"well": False, "detail": str(error)[:300]}
    return {"well": True, "engine": seen.engine, "models": seen.models}


@router.get("/proposals")
async def list_proposals(request: Request, actor: CurrentActor) -> list[dict[str, Any]]:
    """Models that endpoints announce and that nobody has taken or set aside."""
    async with operating(request, actor, "proposal.list") as connection:
        return await proposals.proposals(connection)


@router.post("/proposals", status_code=204)
async def decide_proposal(request: Request, actor: CurrentActor, decision: Decision) -> None:
    """Take a proposal, or set it aside."""
    async with operating(request, actor, "proposal.decide", decision.endpoint) as connection:
        await proposals.decide(
            connection, actor, decision.endpoint, decision.upstream_name, decision.model
        )


@router.get("/organisations")
async def list_organisations(request: Request, actor: CurrentActor) -> list[views.OrganisationView]:
    """The organisations; with `manage`, one's own."""
    if "operate" not in actor.scopes and "manage" in actor.scopes:
        async with request.app.state.gateway.connections.transaction() as connection:
            found = await views.organisations(connection)
        return [view for slug, view in found.items() if slug == actor.organisation]
    async with operating(request, actor, "organisation.list") as connection:
        return list((await views.organisations(connection)).values())


@router.get("/organisations/{slug}")
async def read_organisation(
    request: Request, response: Response, actor: CurrentActor, slug: str
) -> views.OrganisationView:
    """An organisation."""
    async with operating(request, actor, "organisation.list", slug) as connection:
        return _one(response, "organisation", slug, await views.organisations(connection))


@router.put("/organisations/{slug}", status_code=204)
async def put_organisation(
    request: Request,
    actor: CurrentActor,
    slug: str,
    spec: Annotated[OrganisationSpec, AsShown],
    seen: Seen,
) -> None:
    """Add or change an organisation."""
    _same(slug, spec.slug)
    async with operating(request, actor, "organisation.put", slug) as connection:
        await seen.check(connection, slug, views.organisation_versions)
        await admin.put_organisation(connection, actor, spec)


@router.get("/limits")
async def list_limits(request: Request, actor: CurrentActor) -> list[dict[str, Any]]:
    """The limits, with what all replicas together have used and hold of each now."""
    gateway = request.app.state.gateway
    if "operate" in actor.scopes:
        own = None
    elif "manage" in actor.scopes and actor.organisation_id is not None:
        own = actor.organisation_id
    else:
        await record_refusal(gateway.connections, actor, "limit.list", "", "scope manage missing")
        raise ChappeError("scope_missing", 403, scope="manage")
    async with gateway.connections.transaction() as connection:
        found = await views.limits(connection, own)
        states = await limit_states(connection)
    return [view | state_view(states.get(uuid.UUID(view["id"]))) for view in found.values()]


@router.put("/limits", status_code=204)
async def put_limit(request: Request, actor: CurrentActor, spec: LimitSpec, seen: Seen) -> None:
    """Set a limit. Nobody raises their own: only who operates the installation may."""
    async with operating(request, actor, "limit.set", spec.name) as connection:
        await seen.check(connection, await views.limit_name(connection, spec), views.limit_versions)
        await admin.put_limit(connection, actor, spec, _configured(request))


@router.delete("/limits", status_code=204)
async def delete_limit(
    request: Request,
    actor: CurrentActor,
    subject: str,
    measure: Measure,
    seen: Seen,
    period: Period | None = None,
    model: str | None = None,
) -> None:
    """Remove a limit."""
    try:
        spec = LimitSpec.model_validate(
            {"subject": subject, "measure": measure, "period": period, "model": model, "amount": 0}
        )
    except ValidationError as error:
        raise ChappeError("invalid_request", 422, reason=of_pydantic(error.errors()[0])) from None
    async with operating(request, actor, "limit.remove", spec.name) as connection:
        await seen.check(connection, await views.limit_name(connection, spec), views.limit_versions)
        await admin.remove_limit(connection, actor, spec)


@router.post("/apply")
async def apply_file(request: Request, actor: CurrentActor, file: File) -> list[ChangeView]:
    """Compare a declarative file with the catalogue, and make it so unless `dry_run`."""
    cipher = request.app.state.gateway.cipher
    wanted = declarative.read_file(file.toml)
    for spec in wanted.endpoints:
        _no_local_secret(spec)
    async with operating(request, actor, "catalogue.apply") as connection:
        changes = await declarative.make_so(
            connection,
            actor,
            cipher,
            wanted,
            prune=file.prune,
            dry_run=file.dry_run,
            configured=_configured(request),
        )
    return [ChangeView(act=c.act, kind=c.kind, name=c.name, fields=c.fields) for c in changes]


def _configured(request: Request) -> frozenset[str]:
    catalogue: Catalogue = request.app.state.gateway.catalogue
    return catalogue.configured


def _one(response: Response, kind: str, name: str, shown: Mapping[str, View]) -> View:
    if name not in shown:
        raise ChappeError("unknown_object", 404, kind=kind, name=name)
    response.headers["etag"] = shown[name].etag
    return shown[name]


def _same(path: str, name: str) -> None:
    if path != name:
        reason = wrong("names_differ", path=path[:200], name=name)
        raise ChappeError("invalid_request", 422, reason=reason)


def _no_local_secret(spec: EndpointSpec) -> None:
    """A caller must not have the server read its own files or variables for it."""
    if spec.secret_env is not None or spec.secret_file is not None:
        raise ChappeError("invalid_request", 422, reason=wrong("command_only"))
