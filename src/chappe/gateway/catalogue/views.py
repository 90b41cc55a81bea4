"""The catalogue as the administration shows it: each object with its version, never with a secret.

Everything here gives objects, or their versions, by name.
"""

import uuid
from typing import Any

from pydantic import BaseModel

from chappe.core.connections import Connection
from chappe.gateway.catalogue import administration as admin
from chappe.gateway.catalogue.schemas import LimitSpec, ModelSpec, OrganisationSpec
from chappe.identity.versions import version_of

_SECRETS = {"secret", "secret_env", "secret_file"}


class ModelView(ModelSpec):
    """A model, and its version."""

    etag: str


class OrganisationView(OrganisationSpec):
    """An organisation, and its version."""

    etag: str


class EndpointView(BaseModel):
    """An endpoint, whether it has a secret, and its version."""

    endpoint: dict[str, Any]
    has_secret: bool
    etag: str


async def models(connection: Connection) -> dict[str, ModelView]:
    """The models."""
    return {
        spec.name: ModelView(**spec.model_dump(), etag=version_of(spec))
        for spec in await admin.models(connection)
    }


async def organisations(connection: Connection) -> dict[str, OrganisationView]:
    """The organisations."""
    return {
        spec.slug: OrganisationView(**spec.model_dump(), etag=version_of(spec))
        for spec in await admin.organisations(connection)
    }


async def endpoints(connection: Connection) -> dict[str, EndpointView]:
    """The endpoints."""
    found = {}
    for spec, has_secret in await admin.endpoints(connection):
        plain = spec.model_dump(exclude=_SECRETS)
        etag = version_of({"endpoint": plain, "has_secret": has_secret})
        found[spec.name] = EndpointView(endpoint=plain, has_secret=has_secret, etag=etag)
    return found


async def limits(
    connection: Connection, organisation_id: uuid.UUID | None = None
) -> dict[str, dict[str, Any]]:
    """The limits, of one organisation if it is given; what is used of them isn't their version."""
    return {
        spec.name: spec.model_dump() | {"id": str(identifier), "etag": version_of(spec)}
        for identifier, spec in await admin.limits(connection, organisation_id)
    }


async def limit_name(connection: Connection, spec: LimitSpec) -> str:
    """The name of a limit as it is shown: of a key by its identifier.

    Raises:
        ChappeError: `unknown_object`, there is no such key.
    """
    if not spec.subject.startswith("key:"):
        return spec.name
    _, identifier = await admin.resolve_subject(connection, spec.subject, ("key",))
    return spec.model_copy(update={"subject": f"key:{identifier}"}).name


async def model_versions(connection: Connection) -> dict[str, str]:
    """Versions of the models."""
    return {name: view.etag for name, view in (await models(connection)).items()}


async def organisation_versions(connection: Connection) -> dict[str, str]:
    """Versions of the organisations."""
    return {slug: view.etag for slug, view in (await organisations(connection)).items()}


async def endpoint_versions(connection: Connection) -> dict[str, str]:
    """Versions of the endpoints."""
    return {name: view.etag for name, view in (await endpoints(connection)).items()}


async def limit_versions(connection: Connection) -> dict[str, str]:
    """Versions of the limits."""
    return {name: view["etag"] for name, view in (await limits(connection)).items()}
