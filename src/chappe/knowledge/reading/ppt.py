"""Presentations of PowerPoint 97 to 2003 (.ppt): not read, and said so."""

from __future__ import annotations

from pathlib import Path

from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Refuse the file, saying what to do."""
    raise ReadingError("old_format", type="PowerPoint 97-2003")
