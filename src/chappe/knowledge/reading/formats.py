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
    "application/pdf": "pdf",
    "image/png": "images",
    "image/jpeg": "images",
    "image/tiff": "images",
    "image/webp": "images",
    "image/bmp": "images",
    "image/gif": "images",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/csv": "delimited",
    "text/html": "html",
    "message/rfc822": "mail",
    "application/rtf": "rtf",
    "application/zip": "archive",
    "application/epub+zip": "epub",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.ms-outlook": "msg",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
}
"""Media type (as `detect.media_type` gives it) → module of this package."""

DRAWERS = {
    "application/pdf": "pdf",
    "image/png": "images",
    "image/jpeg": "images",
    "image/tiff": "images",
    "image/webp": "images",
    "image/bmp": "images",
    "image/gif": "images",
}
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
