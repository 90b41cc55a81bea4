"""What crosses the API about collections."""

import datetime
import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chappe.identity.schemas import Slug

SubjectKind = Literal["person", "group", "organisation"]
OwnerKind = Literal["installation", "organisation", "group", "person"]
GrantRole = Literal["reader", "editor"]
Role = Literal["reader", "editor", "owner", "administrator"]
# What the database can hold, on a line or on several.
_LINE = r"^[^\x00-\x1f\x7f]*$"
_LINES = r"^[^\x00]*$"
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)
]
Description = Annotated[str, Field(max_length=2000, pattern=_LINES)]
Owner = Annotated[str, Field(max_length=300, pattern=_LINE)]
Level = Annotated[int, Field(ge=0, le=2, description="0 open, 1 internal, 2 restricted")]
Language = Annotated[str, Field(pattern="^[a-z]{2}$", description="ISO 639-1")]
Days = Annotated[int, Field(ge=1, le=36_500)]


class CollectionSpec(BaseModel):
    """A collection to make."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    slug: Slug | None = Field(None, description="its name in addresses; none: made from the title")
    description: Description = ""
    owner: Owner | None = Field(
        None,
        description="`person`, `organisation`, `group:SLUG` or `installation`; none: who asks",
    )
    level: Level = 0
    language: Language = "fr"
    retention_days: Days | None = Field(None, description="what people gave is kept so long")
    public: bool | None = Field(
        None, description="readable by whoever may search here; none: as who makes it may"
    )


class CollectionChange(BaseModel):
    """What is to be changed of a collection; what isn't given stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Description | None = None
    owner: Owner | None = None
    level: Level | None = None
    language: Language | None = None
    retention_days: Days | None = Field(None, description="null: kept for ever")
    public: bool | None = None


class OwnerView(BaseModel):
    """Whose a collection is. `name`: null where who asks isn't to know it."""

    kind: OwnerKind
    id: uuid.UUID | None
    name: str | None


class CollectionView(BaseModel):
    """A collection, its size and its rules. `role`: what who asks may do with it."""

    slug: str
    title: str
    description: str
    documents: int
    passages: int
    role: Role
    owner: OwnerView
    public: bool
    level: Level
    language: str
    retention_days: int | None
    source: str = Field(description="what keeps it in line; '' for what people fill")
    created_at: datetime.datetime


class GrantSpec(BaseModel):
    """What a subject may do with a collection."""

    model_config = ConfigDict(extra="forbid")

    role: GrantRole


class GrantView(GrantSpec):
    """A subject to whom a collection is shared."""

    kind: SubjectKind
    id: uuid.UUID
    name: str
    granted_at: datetime.datetime
