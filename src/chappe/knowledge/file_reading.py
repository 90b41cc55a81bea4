"""From an original to a document: read apart, cut, analysed, and the files inside it taken in."""

import asyncio
import datetime
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chappe.core.database import Database
from chappe.knowledge import settling
from chappe.knowledge.document import SourceDocument
from chappe.knowledge.indexing import prepare
from chappe.knowledge.injections import suspicions
from chappe.knowledge.intake import Incoming, receive
from chappe.knowledge.originals import Originals
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, Member, ReadDocument, ReadingError
from chappe.knowledge.reading.process import Reader
from chappe.knowledge.removal import remove_documents
from chappe.knowledge.settling import Pending
from chappe.knowledge.storable import storable

KIND = "file"

# Tesseract's names; what a collection's language doesn't name here is tried as English.
_OCR = {"fr": "fra", "en": "eng", "de": "deu", "es": "spa", "it": "ita", "pt": "por", "nl": "nld"}
_MOST_REFUSALS = 50


class FileReading:
    """Reads originals, one at a time.

    Args:
        folder: where files lie while they are read.
    """

    def __init__(
        self, database: Database, originals: Originals, limits: Limits, folder: Path
    ) -> None:
        self._database = database
        self._originals = originals
        self._limits = limits
        self._folder = folder
        self._reader = Reader()

    async def close(self) -> None:
        """End the reading process."""
        await self._reader.close()

    async def read(self, pending: Pending, urgency: int, *, by_meaning: bool) -> None:
        """Read a version and index it by words.

        Raises:
            ChappeError: something that isn't the file's fault: the blob store, the database.
        """
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="read-") as scratch:
            original, inside = Path(scratch, "original"), Path(scratch, "members")
            await asyncio.to_thread(inside.mkdir)
            await self._originals.fetch(pending.original_key, original)
            try:
                result = await self._reader.read(
                    original, pending.name, self._limits, inside, self._languages(pending)
                )
            except ReadingError as error:
                await settling.settle_failure(self._database, pending, error.code, error.values)
                return
            refused = await self._take_members(pending, result.members, urgency)
        read = result.document or ReadDocument(pending.name, "", "", ())
        prepared = await asyncio.to_thread(
            prepare, as_source_document(pending, read), pending.content_hash
        )
        suspected = await asyncio.to_thread(suspicions, read)
        issues = (*read.issues, *suspected, *refused)
        await settling.settle_words(
            self._database, pending, read, prepared, issues, by_meaning=by_meaning
        )

    def _languages(self, pending: Pending) -> tuple[str, ...]:
        own = _OCR.get(pending.language, "eng")
        return tuple(dict.fromkeys((own, *self._limits.ocr_languages)))

    async def _take_members(
        self, pending: Pending, members: Sequence[Member], urgency: int
    ) -> list[Issue]:
        """Have the files inside taken in as documents; those that aren't there any more go."""
        kept: list[uuid.UUID] = []
        refused: list[Issue] = []
        room = self._limits.members - await self._descendants(pending)
        names: dict[str, int] = {}
        for member in members:
            names[member.name] = again = names.get(member.name, 0) + 1
            if pending.depth + 1 > self._limits.member_depth or len(kept) >= room:
                issue = Issue("member_refused", None, {"name": member.name}, loss=True)
                refused.append(issue)
                continue
            suffix = f"#{again}" if again > 1 else ""
            document_id, _ = await receive(
                self._database,
                self._originals,
                Incoming(
                    pending.collection_id,
                    f"{pending.external_id}!/{member.name}{suffix}",
                    member.name,
                    member.path,
                    source=pending.source,
                    parent_id=pending.document_id,
                    load_id=pending.load_id,
                    urgency=urgency,
                ),
            )
            kept.append(document_id)
        await self._remove_others(pending, kept)
        return refused[:_MOST_REFUSALS]

    async def _descendants(self, pending: Pending) -> int:
        """How many files came out of the same outermost file, this one's own left aside."""
        async with self._database.session() as session:
            found = await session.scalar(
                text("""
                    with recursive up(id, parent) as (
                        select id, parent_id from document where id = :id
                        union all select d.id, d.parent_id
                            from document d join up on d.id = up.parent
                    ), down(id) as (
                        select id from up where parent is null
                        union all select d.id from document d join down on d.parent_id = down.id
                            where d.parent_id <> :id
                    ) select count(*) from down
                """),
                {"id": pending.document_id},
            )
        return int(found or 0)

    async def _remove_others(self, pending: Pending, kept: Sequence[uuid.UUID]) -> None:
        async with self._database.session() as session:
            gone = await session.scalars(
                text("select id from document where parent_id = :id and id <> all(:kept)"),
                {"id": pending.document_id, "kept": list(kept)},
            )
            await remove_documents(session, list(gone))


def as_source_document(pending: Pending, read: ReadDocument) -> SourceDocument:
    """What was read, with what whoever brought it said of it."""
    metadata: dict[str, Any] = storable({**read.metadata, **pending.metadata})
    title = " ".join(storable(read.title).split())[:500]
    return SourceDocument(
        external_id=pending.external_id,
        kind=KIND,
        title=title or pending.name,
        url=pending.url,
        date=pending.date or _date(metadata),
        audience=None,
        theme_path=(),
        text=read.text,
        blocks=read.blocks,
        metadata=metadata,
    )


def _date(metadata: dict[str, Any]) -> datetime.date | None:
    """The day when the file says that it was last changed."""
    for name in ("modified", "created", "date"):
        try:
            return datetime.datetime.fromisoformat(str(metadata.get(name))).date()
        except ValueError:
            continue
    return None


def limits_of(file_bytes: int) -> Limits:
    """The bounds of reading, with the largest file that is taken."""
    return replace(Limits(), file_bytes=file_bytes)
