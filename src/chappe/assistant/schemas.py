"""What crosses the API of the assistant."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AskRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(min_length=1, max_length=2000)
    collections: list[str] | None = Field(None, max_length=100, description="slugs; none: all")
    model: str | None = Field(None, max_length=200, description="none: the first of the catalogue")
    language: Literal["fr", "en"] | None = Field(None, description="none: the reader's")
