"""What crosses the API about documents and loads. Offsets are code points of the text."""

import datetime
import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field

from chappe.knowledge.document import BlockKind
from chappe.knowledge.schemas import DocumentSummary

DocumentState = Literal[
    "received", "reading", "indexing", "ready", "partly_read", "failed", "to_be_deleted"
]


VersionState = Literal["waiting", "served", "superseded", "failed"]


class Received(BaseModel):
    """A file that was taken. `unchanged`: it is there already, and is left as it is."""

    id: uuid.UUID
    name: str
    outcome: Literal["added", "changed", "unchanged"]
    state: DocumentState


class IssueView(BaseModel):
    """What could not be read, or is to be known of it, in the reader's language.

    `loss`: text is missing.
    """

    code: str
    page: int | None
    message: str
    loss: bool


class DocumentItem(BaseModel):
    """A document in the list of its collection. `title`: null until it was read."""

    id: uuid.UUID
    name: str
    title: str | None
    kind: str
    state: DocumentState
    reason: str | None = Field(description="why it failed or waits, in the reader's language")
    issues: list[IssueView]
    version: int
    media_type: str
    size: int | None = Field(description="bytes of the original; null where none is kept")
    parent_id: uuid.UUID | None = Field(description="the archive or message that it came in")
    received_at: datetime.datetime
    updated_at: datetime.datetime
    deletes_at: datetime.datetime | None = Field(description="by the collection's rule")


class DocumentList(BaseModel):
    """Documents, newest first. `counts`: of the whole collection, by state."""

    documents: list[DocumentItem]
    counts: dict[DocumentState, int]
    next: str | None = Field(description="`after` of the next page; null at the end")


class PageView(BaseModel):
    """A page, slide or sheet: `start` to `end` is the part of the text that it holds."""

    number: int
    width: float = Field(description="points; 0 where the format has no pages of a size")
    height: float
    start: int
    end: int
    text: Literal["text", "ocr", "mixed", "empty"]
    confidence: float | None = Field(description="of the recognition of characters, 0 to 1")


class BoxView(BaseModel):
    """Where a run of text is drawn: points from the page's top left corner."""

    start: int
    end: int
    page: int
    left: float
    top: float
    right: float
    bottom: float


class BlockView(BaseModel):
    """A structural unit of a document's text. `cells`: of a row, where its cells stand."""

    kind: BlockKind
    level: int
    start: int
    end: int
    cells: list[tuple[int, int]] = []


class DocumentView(DocumentSummary):
    """A version of a document, whole."""

    version: int = Field(description="its number, from 1")
    name: str
    state: DocumentState
    reason: str | None
    issues: list[IssueView]
    superseded: bool = Field(description="another version says what is so now")
    media_type: str
    size: int | None
    original: bool = Field(description="the file can be downloaded")
    drawable: bool = Field(description="its pages can be drawn")
    pages: list[PageView]
    hidden: list[tuple[int, int]] = Field(description="spans that a reader of the file can't see")
    parent_id: uuid.UUID | None
    audience: str | None
    text: str
    blocks: list[BlockView]
    metadata: dict[str, Any]
    valid_from: datetime.date | None
    valid_to: datetime.date | None = Field(description="first day when it no longer is in force")


class VersionView(BaseModel):
    """A version of a document."""

    number: int
    title: str
    state: VersionState
    created_at: datetime.datetime
    superseded_at: datetime.datetime | None
    size: int | None
    original: bool
    valid_from: datetime.date | None
    valid_to: datetime.date | None


class LoadReport(BaseModel):
    """What a load brought, and how far it is.

    `found` counts what it brought so far; `listed` says that nothing more comes. `settled`: read,
    found to be unchanged, or failed. `rate`: documents a second since it began.
    """

    id: int
    collection: str
    origin: str
    state: Literal["running", "done", "failed", "cancelled"]
    found: int
    added: int
    changed: int
    unchanged: int
    removed: int
    failed: int
    settled: int
    listed: bool
    bytes: int
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    rate: float
    remaining_seconds: float | None
    detail: dict[str, Any]
