"""Presentations of OpenDocument (.odp): each slide is a page, as in `pptx`."""

from __future__ import annotations

from pathlib import Path

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import odf, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.odf_styles import DRAW, OFFICE, PRESENTATION, TEXT
from chappe.knowledge.reading.package import Package

MEDIA_TYPE = "application/vnd.oasis.opendocument.presentation"

_FURNITURE = frozenset({"footer", "header", "date-time", "page-number", "page"})


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the presentation; slides that are nothing but images become members."""
    package = Package(path, limits)
    composer = Composer(limits)
    body, styles, metadata, title = odf.open_package(package, composer)
    show = body.find(OFFICE + "presentation")
    if show is None:
        raise ReadingError("broken", reason="office:presentation")
    writer = odf.TextWriter(composer, styles)
    for slide in show.iterchildren(DRAW + "page"):
        page = composer.start_page()
        style = slide.get(DRAW + "style-name")
        if styles.get("drawing-page", style, "visibility") == "hidden":
            composer.issue("hidden_slide", page)
            composer.hide(" ".join(slide.itertext()))
        else:
            _slide(slide, composer, writer)
        composer.end_page()
        progress.page_done()
        if composer.full:
            break
    metadata |= {"page_kind": "slide", "comments": writer.comments}
    members = package.images("Pictures/", folder) if not len(composer) else []
    if not len(composer) and not members:
        raise ReadingError("empty")
    title = title or composer.first("heading") or Path(name).stem
    document = composer.document(title, MEDIA_TYPE, metadata)
    return ReadResult(document if len(composer) else None, members)


def _slide(slide: Element, composer: Composer, writer: odf.TextWriter) -> None:
    shapes = [child for child in slide if child.tag.startswith(DRAW)]
    shapes.sort(key=lambda shape: shape.get(PRESENTATION + "class") != "title")
    for shape in shapes:
        kind = shape.get(PRESENTATION + "class") or ""
        if kind in _FURNITURE:
            continue
        if kind == "title":
            composer.add("heading", " ".join(writer.line(p) for p in shape.iter(TEXT + "p")), 1)
        else:
            writer.frame(shape)
    for notes in slide.iterchildren(PRESENTATION + "notes"):
        for frame in notes:
            if local(frame) == "frame" and frame.get(PRESENTATION + "class") == "notes":
                for paragraph in frame.iter(TEXT + "p"):
                    composer.add("note", normalise(writer.line(paragraph)))
