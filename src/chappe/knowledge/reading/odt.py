"""Texts of OpenDocument (.odt, .ott): insertions kept, deletions and hidden text left out."""

from __future__ import annotations

from pathlib import Path

from chappe.knowledge.reading import odf
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.odf_styles import OFFICE, TEXT
from chappe.knowledge.reading.package import Package

MEDIA_TYPE = "application/vnd.oasis.opendocument.text"


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file; images alone (a scan put into a word processor) become members."""
    package = Package(path, limits)
    composer = Composer(limits)
    body, styles, metadata, title = odf.open_package(package, composer)
    text = body.find(OFFICE + "text")
    if text is None:
        raise ReadingError("broken", reason="office:text")
    writer = odf.TextWriter(composer, styles)
    writer.blocks(text)
    inserted = sum(1 for _ in text.iter(TEXT + "insertion"))
    if writer.deleted or inserted:
        composer.issue("tracked_changes", deleted=writer.deleted, inserted=inserted)
    metadata["comments"] = writer.comments
    members = package.images("Pictures/", folder) if not len(composer) else []
    if not len(composer) and not members:
        raise ReadingError("empty")
    title = writer.title or title or composer.first("heading") or Path(name).stem
    document = composer.document(title, MEDIA_TYPE, metadata)
    return ReadResult(document if len(composer) else None, members)
