"""What a source is told: where it reads, and how far. Secrets are kept apart."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds, Connector
from chappe.knowledge.connectors.folder import FolderConnector
from chappe.knowledge.connectors.s3 import S3Connector
from chappe.knowledge.connectors.web import Extent, WebConnector
from chappe.knowledge.connectors.webdav import WebDavConnector

# Without user and password: an address is shown and audited, a secret is sealed.
_WEB_ADDRESS = r"^https?://[^\s/@]+(/\S*)?$"
_CODE = r"^LEGITEXT\d{12}$"


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FolderSpec(_Spec):
    """A folder of the machine that does the background work."""

    kind: Literal["folder"] = "folder"
    path: str = Field(min_length=1, max_length=4_000, description="absolute path")
    settle_seconds: float = Field(
        10.0, ge=0, le=3_600, description="seconds without a change before a file is taken"
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/") or "\0" in value:
            raise ValueError("an absolute path is expected")
        return value


class S3Spec(_Spec):
    """A bucket. Its secret is the secret access key; without one, requests aren't signed."""

    kind: Literal["s3"] = "s3"
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,62}$")
    prefix: str = Field("", max_length=1_000)
    endpoint: str | None = Field(None, pattern=_WEB_ADDRESS, description="none: Amazon's")
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$")
    access_key_id: str | None = Field(None, max_length=200)


class WebDavSpec(_Spec):
    """A WebDAV folder. Its secret is the password of `user`, or a bearer token without `user`."""

    kind: Literal["webdav"] = "webdav"
    url: str = Field(pattern=_WEB_ADDRESS, max_length=2_000)
    user: str | None = Field(None, max_length=200)


class WebSpec(_Spec):
    """A web site, from a start address or a sitemap."""

    kind: Literal["web"] = "web"
    url: str = Field(pattern=_WEB_ADDRESS, max_length=2_000)
    sitemap: bool | None = Field(None, description="none: by the ending of the address")
    prefix: str | None = Field(
        None, pattern=_WEB_ADDRESS, description="what addresses begin with; none: the start's part"
    )
    depth: int = Field(5, ge=0, le=20, description="links from the start")
    pages: int = Field(2_000, ge=1, le=50_000, description="most pages and documents")
    total_bytes: int = Field(5_000_000_000, ge=1, description="most bytes in all")
    delay: float = Field(0.5, ge=0.1, le=60, description="seconds between two requests, at least")


class OfficialSpec(_Spec):
    """An official corpus: one of the catalogue by `name`, or archives as DILA publishes them.

    `vosdroits`: an archive of service-public.fr sheets. `legi`: a folder of LEGI archives.
    `location`: a path, or the address of the archive (`vosdroits`) or of the list of archives
    (`legi`).
    """

    kind: Literal["official"] = "official"
    name: str | None = Field(None, max_length=100)
    format: Literal["vosdroits", "legi"] | None = None
    location: str | None = Field(None, max_length=4_000)
    audience: Literal["particuliers", "professionnels", "associations"] = "particuliers"
    codes: list[Annotated[str, Field(pattern=_CODE)]] = Field(default_factory=list, max_length=100)


SourceSpec = Annotated[
    FolderSpec | S3Spec | WebDavSpec | WebSpec | OfficialSpec, Field(discriminator="kind")
]
FileSpec = FolderSpec | S3Spec | WebDavSpec | WebSpec


def connector(spec: FileSpec, secret: str | None, settings: Settings) -> Connector:
    """The connector that a spec describes; raises `source_folder`, see :func:`check_still`."""
    reach = Reach(settings.source_networks)
    bounds = Bounds(settings.source_file_bytes, settings.source_items)
    match spec:
        case FolderSpec():
            check_still(spec.path, settings)
            return FolderConnector(Path(spec.path), bounds=bounds, settle=spec.settle_seconds)
        case S3Spec():
            return S3Connector(
                spec.bucket,
                reach=reach,
                bounds=bounds,
                prefix=spec.prefix,
                endpoint=spec.endpoint,
                region=spec.region,
                access_key_id=spec.access_key_id,
                secret_access_key=secret,
            )
        case WebDavSpec():
            return WebDavConnector(
                spec.url, reach=reach, bounds=bounds, user=spec.user, secret=secret
            )
        case WebSpec():
            return WebConnector(
                spec.url,
                reach=reach,
                bounds=bounds,
                extent=Extent(spec.depth, spec.pages, spec.total_bytes, spec.delay),
                prefix=spec.prefix,
                is_sitemap=spec.sitemap,
            )


def place(spec: FileSpec | OfficialSpec) -> str:
    """Where a source reads, in a few words: its name unless it is given one."""
    match spec:
        case FolderSpec():
            return spec.path
        case S3Spec():
            return f"s3://{spec.bucket}/{spec.prefix.strip('/')}".rstrip("/")
        case WebDavSpec() | WebSpec():
            return spec.url
        case OfficialSpec():
            return spec.name or f"{spec.format} {spec.location}"


def check_still(path: str, settings: Settings) -> None:
    """Has a path in a folder that the operator opened not become a link to somewhere else.

    Whoever writes to that folder may have put one there since the source was added. A path
    elsewhere is the operator's own choice.

    Raises:
        ChappeError: `source_folder` (422).
    """
    if any(Path(path).is_relative_to(folder.resolve()) for folder in settings.source_folders):
        check_path(path, settings)


def check_path(path: str, settings: Settings) -> str:
    """May a source read this path of the machine; gives it without links.

    Raises:
        ChappeError: `source_folder` (422), it isn't in a folder that the operator opened.
    """
    actual = Path(path).resolve()
    if not any(actual.is_relative_to(folder.resolve()) for folder in settings.source_folders):
        raise ChappeError("source_folder", 422, path=path)
    return str(actual)
