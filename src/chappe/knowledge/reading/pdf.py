"""PDF: the text of pages that have one, recognition of those that don't."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium

from chappe.knowledge.reading import pdf_file, progress
from chappe.knowledge.reading.composed import Sources, compose, note_confidence
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, PageText, ReadingError, ReadResult
from chappe.knowledge.reading.ocr import (
    RESOLUTION,
    OcrError,
    Picture,
    Recognised,
    recognise,
)
from chappe.knowledge.reading.pdf_drawings import Area, Drawings, drawings_of
from chappe.knowledge.reading.pdf_visibility import draw_grey, has_ink, mark_hidden
from chappe.knowledge.reading.pdf_words import Frame, words_of
from chappe.knowledge.reading.pdf_words import PageText as TextLayer
from chappe.knowledge.reading.picture import png
from chappe.knowledge.reading.words import PackedWords, PageWords, Word

_MEDIA_TYPE = "application/pdf"
_PRIVATE = 0.3
_UNMAPPED = 0.02
_FEW_UNMAPPED = 4
_SCAN_SHARE = 0.5
_SCAN_CHARS = 60
_DRAWN_PATHS = 30
_REGION_SHARE = 0.06
_REGION_CONFIDENCE = 0.75
_REGION_WORDS = 4
_VOWELS = frozenset("aeiouyàâäéèêëîïôöùûüœæ")
_MAX_ISSUES = 500


@dataclass(slots=True)
class _Work:
    """Pages read so far, and what of them must be recognised (a page, or an image on it)."""

    pages: list[PageWords] = field(default_factory=list)
    waiting: list[tuple[int, Area | None]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read all pages.

    Raises:
        ReadingError: `encrypted`, `broken`, `too_many_pages` or `empty`.
    """
    with pdf_file.opened(path) as document:
        count = len(document)
        if count > limits.pages:
            raise ReadingError("too_many_pages", pages=count, limit=limits.pages)
        if count == 0:
            raise ReadingError("broken", reason="PDF")
        members, refused = pdf_file.members_of(document, folder, limits)
        title, metadata = pdf_file.metadata_of(document)
        work = _Work()
        for index in range(count):
            _read_page(document, index, work)
            progress.page_done()
        _recognise(document, work, limits)
        outline = pdf_file.outline_of(document)
        scripts = pdf_file.has_scripts(document)
    issues = [*refused, *sorted(work.issues, key=lambda issue: issue.page or 0)[:_MAX_ISSUES]]
    if scripts:
        issues.insert(0, Issue("scripts_ignored"))
    sources = Sources(name, _MEDIA_TYPE, title, metadata, outline, issues)
    try:
        return ReadResult(compose(work.pages, sources, limits), members)
    except ReadingError:
        if not members:
            raise
        return ReadResult(None, members)  # an envelope


def draw(path: Path, page: int, width: int, limits: Limits) -> bytes:
    """A page as PNG, with its form fields filled as they are.

    Raises:
        ReadingError: `no_such_page`, `encrypted` or `broken`.
    """
    with pdf_file.opened(path) as document:
        if not 1 <= page <= len(document):
            raise ReadingError("no_such_page", page=page)
        document.init_forms()
        try:
            found = document[page - 1]
            wide, high = found.get_size()
            scale = min(width / wide, math.sqrt(limits.image_pixels / (wide * high)))
            return png(found.render(scale=scale).to_pil())
        except (pypdfium2.PdfiumError, ZeroDivisionError, ValueError):
            raise ReadingError("broken", reason="PDF") from None


def _read_page(document: pypdfium2.PdfDocument, index: int, work: _Work) -> None:
    number = index + 1
    try:
        page = _flat(document, index)
    except pypdfium2.PdfiumError:
        work.issues.append(Issue("page_unreadable", number, {"page": str(number)}, loss=True))
        work.pages.append(PageWords(number, 0.0, 0.0, PackedWords(()), text="empty"))
        return
    try:
        left, bottom, right, top = page.get_bbox()
        frame = Frame(left, bottom, right, top, page.get_rotation())
        width, height = frame.size
        layer = words_of(page.raw, frame, pdf_file.heading_levels(page.raw))
        drawn = drawings_of(page.raw, frame)
        mark_hidden(page, layer.words, layer.suspects, drawn.covers)
        whole, regions = _to_recognise(page, layer, drawn, width * height)
    finally:
        page.close()
    words = [] if whole else layer.words
    text: PageText = "text" if words else "empty"
    if layer.invisible > layer.characters / 2 and words:
        text = "ocr"  # somebody else's recognition, laid under the image
    hidden = sum(len(word.text) for word in words if word.hidden)
    if hidden:
        values = {"page": str(number), "characters": str(hidden)}
        work.issues.append(Issue("hidden_text", number, values))
    if whole:
        work.waiting.append((index, None))
    work.waiting += [(index, area) for area in regions]
    work.pages.append(
        PageWords(number, width, height, PackedWords(words), tuple(drawn.rules), text)
    )


def _flat(document: pypdfium2.PdfDocument, index: int) -> pypdfium2.PdfPage:
    """The page with what is written in its form fields and notes as part of its text."""
    page = document[index]
    if pdfium.FPDFPage_GetAnnotCount(page.raw) == 0:
        return page
    flattened = pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY)
    if flattened != pdfium.FLATTEN_SUCCESS:
        return page
    page.close()
    return document[index]


def _to_recognise(
    page: pypdfium2.PdfPage, layer: TextLayer, drawn: Drawings, area: float
) -> tuple[bool, list[Area]]:
    """Must the whole page be recognised, or which images on it?"""
    shares = [(_area(image) / max(area, 1.0), image) for image in drawn.images]
    usable = _usable(layer)
    largest = max((share for share, _ in shares), default=0.0)
    if usable and not (largest >= _SCAN_SHARE and layer.characters < _SCAN_CHARS):
        regions = [image for share, image in shares if share >= _REGION_SHARE]
        return False, [image for image in regions if not _written_on(image, layer.words)]
    drawing = bool(drawn.images) or drawn.paths >= _DRAWN_PATHS or layer.characters > 0
    if not drawing:
        return False, []
    image, scale = draw_grey(page, 0.5, 1_000_000)
    return has_ink(image, scale, (0.0, 0.0, *page.get_size())), []


def _usable(layer: TextLayer) -> bool:
    """Does the text layer say what is written, rather than codes of glyphs?"""
    if layer.characters == 0 or layer.private > _PRIVATE * layer.characters:
        return False
    if layer.unmapped > max(_UNMAPPED * layer.characters, _FEW_UNMAPPED):
        return False
    words = [word.text.lower() for word in layer.words if len(word.text) > 2]
    latin = [text for text in words if text.isalpha() and max(text) < "\u0250"]
    spoken = sum(any(letter in _VOWELS for letter in text) for text in latin)
    return len(latin) < 20 or spoken >= 0.5 * len(latin)


def _area(box: Area) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _written_on(image: Area, words: list[Word]) -> bool:
    """Has the file itself text where the image stands?"""
    letters = sum(
        len(word.text)
        for word in words
        if image[0] <= (word.left + word.right) / 2 <= image[2]
        and image[1] <= (word.top + word.bottom) / 2 <= image[3]
    )
    return letters > 10


def _pictures(
    document: pypdfium2.PdfDocument, work: _Work, limits: Limits
) -> Iterator[tuple[tuple[int, Area | None], Picture]]:
    for index, area in work.waiting:
        page = document[index]
        try:
            image, scale = draw_grey(page, RESOLUTION / 72, limits.image_pixels // 4)
        finally:
            page.close()
        left, top = 0.0, 0.0
        if area is not None:
            left, top = area[0], area[1]
            image = image.crop((left * scale, top * scale, area[2] * scale, area[3] * scale))
        yield (index, area), Picture(image, scale, left, top, whole=area is None)


def _recognise(document: pypdfium2.PdfDocument, work: _Work, limits: Limits) -> None:
    if not work.waiting:
        return
    for (index, area), found in recognise(_pictures(document, work, limits), limits):
        progress.page_done()
        page = work.pages[index]
        if area is not None:
            _add_region(page, found, work)
        elif isinstance(found, OcrError):
            values = {"page": str(page.number), **found.values}
            work.issues.append(Issue(found.code, page.number, values, loss=True))
        else:
            page.words, page.text = PackedWords(found.words), "ocr"
            page.confidence = found.confidence
            note_confidence(page, work.issues)


def _add_region(page: PageWords, found: Recognised | OcrError, work: _Work) -> None:
    """Take the words of an image beside text, if they are words at all: most images are none."""
    if isinstance(found, OcrError):
        values = {"page": str(page.number), **found.values}
        issue = Issue(found.code, page.number, values, loss=True)
        if issue not in work.issues:
            work.issues.append(issue)
        return
    real = sum(len(word.text) > 2 for word in found.words)
    if found.confidence < _REGION_CONFIDENCE or real < _REGION_WORDS:
        return
    page.words = PackedWords([*page.words.unpack(), *found.words])
    page.text = "mixed"
    page.confidence = min(found.confidence, page.confidence or 1.0)
