"""Which module reads which type.

A reader module has `read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult`. It
raises `ReadingError` for what can't be read, copies members into `folder`, and calls
`progress.page_done()` after each page, slide or sheet. It runs in the reading process only, and
is imported there when the first file of its kind comes. A drawer module has `draw(path, page,
width, limits) -> bytes`, a PNG of one page.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult

PACKAGE = "chappe.knowledge.reading."

READERS = {
    "text/plain": "text",
}
"""Media type (as `detect.media_type` gives it) → module of this package."""

DRAWERS: dict[str, str] = {}
"""Media type → module that draws its pages."""


class Reader(Protocol):
    """What a reader module offers."""

    def read(self, path: Path, name: str, limits: Limits, folder: Path) -> ReadResult: ...


class Drawer(Protocol):
    """What a module that draws pages offers."""

    def draw(self, path: Path, page: int, width: int, limits: Limits) -> bytes: ...


def reader(media_type: str) -> Reader:
    """The module that reads a type.

    Raises:
        ReadingError: `unsupported`.
    """
    return cast(Reader, _module(READERS, media_type))


def drawer(media_type: str) -> Drawer:
    """The module that draws a type.

    Raises:
        ReadingError: `unsupported`.
    """
    return cast(Drawer, _module(DRAWERS, media_type))


def _module(table: dict[str, str], media_type: str) -> object:
    name = table.get(media_type)
    if name is None:
        raise ReadingError("unsupported", type=media_type)
    return importlib.import_module(PACKAGE + name)
