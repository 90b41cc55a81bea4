"""Images: each of their pages is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from chappe.knowledge.reading import detect, picture, progress
from chappe.knowledge.reading.composed import Sources, compose, note_confidence
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, ReadingError, ReadResult
from chappe.knowledge.reading.ocr import RESOLUTION, OcrError, Picture, recognise
from chappe.knowledge.reading.words import PackedWords, PageWords

_ANIMATED = ("GIF", "WEBP", "PNG")
_SMALL_WIDTH = 1500
_ENLARGE = 2


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Recognise an image, or each page of a TIFF; of an animation only the first picture.

    Raises:
        ReadingError: `broken`, `too_many_pages`, or `empty` when no text is found.
    """
    pages: list[PageWords] = []
    issues: list[Issue] = []
    with picture.opened(path) as image:
        count = 1 if image.format in _ANIMATED else getattr(image, "n_frames", 1)
        if count > limits.pages:
            raise ReadingError("too_many_pages", pages=count, limit=limits.pages)
        for page, found in recognise(_pictures(image, count, pages, issues, limits), limits):
            progress.page_done()
            if isinstance(found, OcrError):
                values = {"page": str(page.number), **found.values}
                issues.append(Issue(found.code, page.number, values, loss=True))
                continue
            page.words, page.text = PackedWords(found.words), "ocr"
            page.confidence = found.confidence
            note_confidence(page, issues)
    sources = Sources(name, detect.media_type(path, name), issues=issues)
    return ReadResult(compose(pages, sources, limits))


def draw(path: Path, page: int, width: int, limits: Limits) -> bytes:
    """A page as PNG, as it is meant to be looked at.

    Raises:
        ReadingError: `no_such_page`, `bomb` or `broken`.
    """
    with picture.opened(path) as image:
        if not 1 <= page <= getattr(image, "n_frames", 1):
            raise ReadingError("no_such_page", page=page)
        image.seek(page - 1)
        if image.width * image.height > limits.image_pixels:
            raise ReadingError("bomb")
        shown = ImageOps.exif_transpose(image)
        height = max(round(shown.height * width / shown.width), 1)
        if width * height > limits.image_pixels:
            raise ReadingError("bomb")
        return picture.png(_on_white(shown, "RGB").resize((width, height)))


def _pictures(
    image: Image.Image,
    count: int,
    pages: list[PageWords],
    issues: list[Issue],
    limits: Limits,
) -> Iterator[tuple[PageWords, Picture]]:
    """Pages one by one, each noted in ``pages`` as it comes; one too large is an issue."""
    for index in range(count):
        number = index + 1
        image.seek(index)
        dpi = picture.resolution(image)
        page = PageWords(number, 0.0, 0.0, PackedWords(()), text="empty")
        pages.append(page)
        if image.width * image.height > limits.image_pixels:
            size = {"width": str(image.width), "height": str(image.height)}
            issues.append(Issue("image_too_large", number, {"page": str(number), **size}, True))
            continue
        grey = _on_white(ImageOps.exif_transpose(image), "L")
        page.width, page.height = grey.width * 72 / dpi, grey.height * 72 / dpi
        scale = dpi / 72
        if grey.width < _SMALL_WIDTH and dpi < RESOLUTION / _ENLARGE:
            # Letters of a screen are too small for Tesseract.
            grey = grey.resize((grey.width * _ENLARGE, grey.height * _ENLARGE))
            scale *= _ENLARGE
        yield page, Picture(grey, scale)


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    """Without transparency: what is transparent is shown on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        page = Image.new("RGBA", coloured.size, "white")
        page.alpha_composite(coloured)
        return page.convert(mode)
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 256).convert(mode)
    return image.convert(mode)
