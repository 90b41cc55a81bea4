"""Which words a person who looks at a PDF's page doesn't see: those that leave no ink.

A page is drawn, and a word counts as hidden where its box is of one colour. That holds for white
on white, transparent, clipped and covered text alike, and spares the text that a scanner's
software lays, without ink, over the scanned words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import pypdfium2
from PIL import Image

from chappe.knowledge.reading.pdf_drawings import Area
from chappe.knowledge.reading.words import Word

_CONTRAST = 16
_MAX_PIXELS = 4_000_000


def mark_hidden(
    page: pypdfium2.PdfPage, words: Sequence[Word], suspects: Iterable[int], covers: Sequence[Area]
) -> None:
    """Set `hidden` on words without ink among the suspects and those that an area may cover."""
    doubtful = set(suspects)
    if covers:
        doubtful.update(
            index for index, word in enumerate(words) if any(_over(word, area) for area in covers)
        )
    if not doubtful:
        return
    image, scale = draw_grey(page, 1.0, _MAX_PIXELS)
    for index in doubtful:
        word = words[index]
        if not word.hidden:
            word.hidden = not has_ink(image, scale, (word.left, word.top, word.right, word.bottom))


def draw_grey(page: pypdfium2.PdfPage, scale: float, most: int) -> tuple[Image.Image, float]:
    """The page in shades of grey, at the scale asked (pixels a point) or as many pixels allow."""
    width, height = page.get_size()
    scale = min(scale, math.sqrt(most / max(width * height, 1.0)))
    # A page a million points wide and one high still needs a line of pixels.
    scale = min(scale, 30_000 / max(width, height, 1.0))
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        return bitmap.to_pil().convert("L").copy(), scale
    finally:
        bitmap.close()


def has_ink(image: Image.Image, scale: float, area: Area) -> bool:
    """Is the image in an area of the page of more than one shade?"""
    left, top = max(math.floor(area[0] * scale), 0), max(math.floor(area[1] * scale), 0)
    right = min(max(math.ceil(area[2] * scale), left + 1), image.width)
    bottom = min(max(math.ceil(area[3] * scale), top + 1), image.height)
    if left >= right or top >= bottom:
        return False
    shades = image.crop((left, top, right, bottom)).getcolors(256) or []
    values = [shade for _, shade in shades if isinstance(shade, int)]
    return max(values) - min(values) >= _CONTRAST


def _over(word: Word, area: Area) -> bool:
    x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
    return area[0] <= x <= area[2] and area[1] <= y <= area[3]
