"""Pages of originals, drawn by the reading process: bounded in time, memory and number at once."""

import asyncio
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.i18n import Sentence
from chappe.core.settings import Settings
from chappe.identity.access import Actor
from chappe.knowledge.documents import find_version
from chappe.knowledge.file_reading import limits_of
from chappe.knowledge.originals import Originals
from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.reading.process import Reader

LEAST_WIDTH, MOST_WIDTH = 50, 2400
_SECONDS = 20.0
_MOST_WAITING = 32


class PageImages:
    """Draws pages, one at a time; the reading process is started at the first."""

    def __init__(self, settings: Settings, database: Database, originals: Originals) -> None:
        self._database = database
        self._originals = originals
        self._folder = settings.data_dir / "reading"
        self._limits = replace(limits_of(settings.document_max_bytes), seconds=_SECONDS)
        self._reader = Reader()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def draw(
        self,
        actor: Actor,
        document_id: uuid.UUID,
        number: int,
        width: int,
        version: int | None = None,
    ) -> bytes:
        """A page as PNG, `width` pixels wide.

        Raises:
            ChappeError: as :func:`find_version`; `original_missing`, `page_not_drawn` (404),
                `pages_busy` (503), too many wait.
        """
        async with self._database.session() as session:
            row = await find_version(
                session, actor, document_id, version, "v.original_key, v.media_type"
            )
        if row.original_key is None:
            raise ChappeError("original_missing", 404)
        if self._waiting >= _MOST_WAITING:
            raise ChappeError("pages_busy", 503)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._draw(row.original_key, number, width)
        finally:
            self._waiting -= 1

    async def _draw(self, key: str, number: int, width: int) -> bytes:
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="page-") as scratch:
            path = Path(scratch, "original")
            await self._originals.fetch(key, path)
            try:
                return await self._reader.render(path, number, width, self._limits)
            except ReadingError as error:
                # The file may well be read: only its pages can't be drawn.
                code = "not_drawn" if error.code == "unsupported" else error.code
                reason = Sentence(f"reading.{code}", error.values)
                raise ChappeError("page_not_drawn", 404, reason=reason) from error

    async def close(self) -> None:
        """End the reading process."""
        await self._reader.close()
