"""What crosses the API of sources."""

import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from chappe.knowledge.connectors.specs import SourceSpec
from chappe.knowledge.document_schemas import LoadReport


class NewSource(BaseModel):
    """A source to add. `secret` is kept sealed and never shown again."""

    model_config = ConfigDict(extra="forbid")

    spec: SourceSpec
    name: str | None = Field(None, min_length=1, max_length=200, description="none: its place")
    secret: SecretStr | None = Field(None, max_length=4_000)
    every_seconds: int | None = Field(
        None, ge=60, le=31_536_000, description="seconds between runs; none: by hand only"
    )
    enabled: bool = True


class SourceChange(BaseModel):
    """What to change; what isn't given stays. The kind of a source stays."""

    model_config = ConfigDict(extra="forbid")

    spec: SourceSpec | None = None
    name: str | None = Field(None, min_length=1, max_length=200)
    secret: SecretStr | None = Field(None, max_length=4_000, description="null: none any more")
    every_seconds: int | None = Field(None, ge=60, le=31_536_000)
    enabled: bool | None = None


class SourceView(BaseModel):
    """A source, without its secret."""

    id: int
    collection: str
    name: str
    spec: SourceSpec
    has_secret: bool
    every_seconds: int | None
    enabled: bool
    created_at: datetime.datetime
    next_run_at: datetime.datetime | None
    items: int = Field(description="items that it keeps in line")
    last: LoadReport | None = Field(description="its newest run")


class SyncRequest(BaseModel):
    """How to run a source."""

    model_config = ConfigDict(extra="forbid")

    force: bool = Field(False, description="remove what went away even if it is most of it")
