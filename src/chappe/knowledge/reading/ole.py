"""What old Office files and Outlook's messages have in common: streams in one file ([MS-CFB])."""

from __future__ import annotations

import datetime as dt
import struct
from typing import Any

import olefile

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.model import ReadingError

ERRORS = (OSError, struct.error, IndexError, ValueError, TypeError, KeyError, AttributeError)
"""What damaged files make the library, and whoever unpacks numbers from them, raise."""


def stream(file: olefile.OleFileIO, name: str) -> bytes:
    """A stream, empty where there is none."""
    if not file.exists(name):
        return b""
    with file.openstream(name) as opened:
        data: bytes = opened.read()
    return data


def properties(file: olefile.OleFileIO) -> tuple[str, dict[str, Any]]:
    """The title, and author and dates, of the file's summary."""
    summary = file.get_metadata()
    found: dict[str, Any] = {}
    for key, value in (
        ("author", summary.author),
        ("subject", summary.subject),
        ("keywords", summary.keywords),
        ("created", summary.create_time),
        ("modified", summary.last_saved_time),
    ):
        # Files without a date have the first one that the format knows.
        dated = isinstance(value, dt.datetime) and value.year > 1601
        shown = value.isoformat() if dated else _text(value)
        if shown:
            found[key] = shown
    return _text(summary.title), found


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return ""
    try:
        return normalise(decode(value.rstrip(b"\0")))
    except ReadingError:
        return ""
