"""What crosses the API about people, groups and keys."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chappe.identity.access import USER_SCOPES, Scope

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeySpec(_Spec):
    """A key to make. Without an organisation, it acts for that of whoever makes it."""

    name: Name
    scopes: list[Scope] = Field(list(USER_SCOPES), min_length=1, max_length=5)
    days: int | None = Field(None, ge=1, le=36_500, description="valid for so long; none: for ever")
    organisation: Slug | None = None
    person: Name | None = Field(None, description="whose it is; made known if need be")
    level: int | None = Field(
        None, ge=0, le=2, description="0 open, 1 internal, 2 restricted; none: its maker's"
    )


class Rotation(_Spec):
    """How long the secret that a key has goes on working beside the new one."""

    hours: float = Field(24, ge=0, le=2160, description="0: ends at once")


class Secret(BaseModel):
    """A key's secret; it can't be shown again."""

    id: uuid.UUID
    key: str


class PersonSpec(_Spec):
    """Somebody to add. Without an organisation, to that of whoever adds them."""

    name: Name
    organisation: Slug | None = None


class PersonView(BaseModel):
    """Somebody of an organisation."""

    id: uuid.UUID
    organisation: str
    name: str
    created_at: datetime
    groups: list[str] = Field(description="slugs")
    etag: str = Field("", description="the version, for If-Match")


class GroupSpec(_Spec):
    """A group to add. Without an organisation, to that of whoever adds it."""

    slug: Slug
    name: Name | None = None
    organisation: Slug | None = None


class GroupNames(_Spec):
    """What a group is to be called."""

    slug: Slug
    name: Name


class GroupView(BaseModel):
    """A group of people of one organisation."""

    id: uuid.UUID
    organisation: str
    slug: str
    name: str
    members: list[str] = Field(description="names")
    etag: str = Field("", description="the version, for If-Match; members aren't part of it")


class ActorView(BaseModel):
    """Who asks, and what it may do."""

    name: str
    organisation: str
    scopes: list[str]
    level: int
