"""What crosses the API of knowledge. Offsets are code points of the document's text."""

import datetime
import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Plain = str | int | float | bool


class SearchFilters(BaseModel):
    """What documents must be; each that is left out doesn't bind."""

    model_config = ConfigDict(extra="forbid")

    kinds: list[str] | None = Field(None, max_length=50, description="fiche, article, file…")
    media_types: list[str] | None = Field(None, max_length=50)
    since: datetime.date | None = Field(None, description="dated this day or later")
    until: datetime.date | None = Field(None, description="dated this day or earlier")
    metadata: dict[str, Plain] | None = Field(
        None, max_length=20, description="names and the values that they must have"
    )


class SearchRequest(BaseModel):
    """A search."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=2000, pattern=r"\S")
    collections: list[str] | None = Field(None, max_length=100, description="slugs; none: all")
    limit: int = Field(10, ge=1, le=50)
    date: datetime.date | None = Field(
        None, description="law as it was in force on this day; none: today"
    )
    filters: SearchFilters | None = None
    neighbours: int = Field(0, ge=0, le=3, description="passages on each side of a hit")


class DocumentSummary(BaseModel):
    """A document, without its text."""

    id: uuid.UUID
    external_id: str
    title: str
    url: str
    date: datetime.date | None
    collection: str
    kind: str
    theme_path: list[str]
    stale: bool = Field(description="older than the setting `stale_after_days` (sheets only)")


class PassageView(BaseModel):
    """A passage: exactly `document.text[start:end]`."""

    id: int
    text: str
    start: int
    end: int
    heading_path: list[str]


class Scores(BaseModel):
    """BM25, cosine similarity, and the fused score (0–1); null: not among that half's best."""

    lexical: float | None
    dense: float | None
    fused: float
    final: float | None = Field(
        None,
        description="what orders hits, but for diversity; null: not searched",
    )


class Hit(BaseModel):
    """A passage that was found. `neighbours`: passages beside it, when they were asked for."""

    document: DocumentSummary
    passage: PassageView
    scores: Scores
    neighbours: list[PassageView] = []


class SearchResponse(BaseModel):
    """Hits, best first.

    `dense` is false when the encoder could not be used; `reranked` is true when a reranking model
    of the catalogue ordered the first ones.
    """

    query: str
    hits: list[Hit]
    dense: bool
    took_ms: float
    reranked: bool = False


class BlockView(BaseModel):
    """A structural unit of a document's text."""

    kind: str
    level: int
    start: int
    end: int


class DocumentView(DocumentSummary):
    """A document, whole."""

    audience: str | None
    text: str
    blocks: list[BlockView]
    metadata: dict[str, Any]


class CollectionView(BaseModel):
    """A collection and its size."""

    slug: str
    title: str
    documents: int
    passages: int


class LoadView(BaseModel):
    """How far the loading of a source is."""

    source: str
    title: str
    state: str
    step: str
    done: int
    total: int | None
    message: str | None
    error: str | None
    priority_done: bool = Field(description="questions can be asked")
    complete: bool = Field(description="the whole source was loaded once")
