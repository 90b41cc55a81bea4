"""Loading official corpora into a collection of one's choice."""

import asyncio
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from pathlib import Path

from chappe.core.blobs import archive_folder
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge import dila
from chappe.knowledge.catalogue import find_source
from chappe.knowledge.connectors.specs import OfficialSpec, check_still
from chappe.knowledge.download import archive_path, fetch
from chappe.knowledge.sources import legi_xml
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.service_public import count_xml_sheets, read_xml_sheets
from chappe.knowledge.synchronise import Progress, SyncReport, synchronise


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What a spec leads to.

    `history`: does it give all versions of its documents. `kept`: why an archive that was there
    already was read, and not a fresh one.
    """

    items: Iterable[SourceItem]
    total: int | None
    history: bool = True
    kept: ChappeError | None = None


async def load_official(
    settings: Settings,
    database: Database,
    gateway: Gateway | None,
    spec: OfficialSpec,
    *,
    collection_id: int,
    source: str,
    folder: str,
    load_id: int,
    progress: Progress,
    force: bool = False,
) -> tuple[SyncReport, ChappeError | None]:
    """Fetch a corpus if need be, and bring a collection in line with it.

    Gives what was done and, where an archive that was there already was read since a fresh one
    could not be had, why.

    Args:
        source: what its documents say that keeps them in line.
        folder: name of the folder for what is fetched.

    Raises:
        ChappeError: `archive_broken`, `source_missing`, `download_failed`, `source_unreachable`,
            or a part can't be reached.
    """
    await progress("downloading", 0, None)
    try:
        corpus = await _corpus(settings, spec, archive_folder(settings) / folder)
        report = await synchronise(
            database,
            gateway,
            collection_id,
            corpus.items,
            total=corpus.total,
            complete=True,
            progress=progress,
            source=source,
            load_id=load_id,
            history=corpus.history,
            force=force,
        )
        return report, corpus.kept
    except SourceFormatError as error:
        name = spec.location or spec.name or ""
        raise ChappeError("archive_broken", 503, name=name, reason=error) from error


async def _corpus(settings: Settings, spec: OfficialSpec, folder: Path) -> _Corpus:
    if spec.name is not None:
        entry = find_source(spec.name)
        place, kept = archive_folder(settings), None
        try:
            package = await fetch(entry.package, place, refresh=True)
        except ChappeError as error:
            # On a closed network the operator puts the archive there: that one is read, and said.
            if error.code == "disk_full" or not archive_path(place, entry.package).exists():
                raise
            package, kept = await fetch(entry.package, place), error
        items = await asyncio.to_thread(entry.read, package, False)
        total = len(items) if isinstance(items, Sized) else None
        if entry.count is not None:
            total = await asyncio.to_thread(entry.count, package)
        return _Corpus(items, total, history=False, kept=kept)
    assert spec.location is not None
    if not dila.is_address(spec.location):
        check_still(spec.location, settings)
    if spec.format == "legi":
        folder = await dila.legi_folder(settings, spec.location, folder)
        paths = await asyncio.to_thread(legi_xml.archives, folder)
        return _Corpus(legi_xml.read_versions(paths, frozenset(spec.codes)), None)
    path = await dila.archive(settings, spec.location, folder)
    total = await asyncio.to_thread(count_xml_sheets, path)
    return _Corpus(read_xml_sheets(path, spec.audience), total)
