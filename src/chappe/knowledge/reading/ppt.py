"""Presentations of PowerPoint 97 to 2003 (.ppt), read as those of today by `pptx`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import olefile

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import ole, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.ppt_records import Deck, Text

MEDIA_TYPE = "application/vnd.ms-powerpoint"

_TITLES, _BODIES = (0, 6), (1, 5, 7, 8)
# Placeholders of dates, slide numbers, footers and headers.
_FURNITURE = range(7, 11)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the presentation."""
    composer = Composer(limits)
    try:
        with olefile.OleFileIO(path) as file:
            title, metadata = ole.properties(file)
            document = ole.stream(file, "PowerPoint Document")
            deck = Deck(document, ole.stream(file, "Current User"))
        for slide in deck.slides():
            page = composer.start_page()
            if slide.hidden:
                composer.issue("hidden_slide", page)
                composer.hide(" ".join(text.text for text in slide.texts))
            else:
                for text in sorted(slide.texts, key=lambda text: text.kind not in _TITLES):
                    _write(text, composer)
                for text in slide.notes:
                    for paragraph, _ in _paragraphs(text):
                        composer.add("note", paragraph)
            composer.end_page()
            progress.page_done()
            if composer.full:
                break
    except ole.ERRORS as error:
        raise ReadingError("broken", reason=type(error).__name__) from None
    if not len(composer):
        raise ReadingError("empty")
    metadata["page_kind"] = "slide"
    title = title or composer.first("heading") or Path(name).stem
    return ReadResult(composer.document(title, MEDIA_TYPE, metadata))


def _write(text: Text, composer: Composer) -> None:
    if text.placeholder in _FURNITURE:
        return
    paragraphs = [(line, depth) for line, depth in _paragraphs(text) if line]
    if text.kind in _TITLES:
        composer.add("heading", " ".join(line for line, _ in paragraphs), 1)
        return
    listed = text.kind in _BODIES and len(paragraphs) > 1
    for line, depth in paragraphs:
        if listed:
            composer.add("item", line, depth + 1)
        else:
            composer.add("paragraph", line)


def _paragraphs(text: Text) -> Iterator[tuple[str, int]]:
    """Each paragraph and its depth, from 0."""
    ends, at = [], 0
    for count, depth in text.depths:
        at += count
        ends.append((at, depth))
    position = 0
    for paragraph in text.text.split("\r"):
        depth = next((depth for end, depth in ends if position < end), 0)
        yield normalise(paragraph.replace("\x0b", " ")), depth
        position += len(paragraph) + 1
