"""Opening and writing images within bounds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from chappe.knowledge.reading.model import ReadingError

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")
_SMALLEST_DPI = 50.0
_LARGEST_DPI = 1200.0
_ASSUMED_WIDTH_INCHES = 8.27
_ASSUMED_WIDTH_PIXELS = 1000


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image, its pixels not yet read. Bounds on pixels are the caller's.

    Raises:
        ReadingError: `broken`, here or while its pixels are read.
    """
    Image.MAX_IMAGE_PIXELS = None  # ours is looked at before anything is unpacked, and is exact
    try:
        with Image.open(path, formats=_FORMATS) as image:
            yield image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise ReadingError("broken", reason=type(error).__name__) from None


def resolution(image: Image.Image) -> float:
    """Dots per inch: as the file says, or else as if the image were a page of A4's width.

    A small image is taken as one of a screen, 96 to the inch.
    """
    said = image.info.get("dpi")
    try:
        dpi = float(said[0]) if said else 0.0
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        dpi = 0.0
    if _SMALLEST_DPI < dpi <= _LARGEST_DPI and round(dpi) not in (72, 96):
        return dpi
    if image.width < _ASSUMED_WIDTH_PIXELS:
        return 96.0
    return min(image.width / _ASSUMED_WIDTH_INCHES, _LARGEST_DPI)


def png(image: Image.Image) -> bytes:
    """The image as PNG."""
    output = io.BytesIO()
    image.save(output, "PNG")
    return output.getvalue()
