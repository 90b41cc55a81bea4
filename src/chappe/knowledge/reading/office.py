"""What the formats of Office Open XML have in common: main part, properties, active content."""

from __future__ import annotations

from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.markup import local
from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.reading.package import Package

_CORE = {
    "creator": "author",
    "lastModifiedBy": "last_modified_by",
    "created": "created",
    "modified": "modified",
    "language": "language",
    "subject": "subject",
    "keywords": "keywords",
    "description": "description",
}
_MACROS = ("vbaproject.bin", "xl/macrosheets/")
_EMBEDDED = "/embeddings/"


def main_part(package: Package) -> str:
    """The part that the package is about.

    Raises:
        ReadingError: `broken` when the package doesn't say, or doesn't hold it.
    """
    for kind, part in package.related("").values():
        if kind == "officeDocument" and part in package:
            return part
    raise ReadingError("broken", reason="officeDocument")


def properties(package: Package) -> tuple[str, dict[str, Any]]:
    """The title, and author, dates, language... of the file's properties."""
    title, found = "", {}
    root = package.xml_or_none("docProps/core.xml")
    for element in () if root is None else root:
        text = normalise(element.text or "")
        if local(element) == "title":
            title = text
        elif local(element) in _CORE and text:
            found[_CORE[local(element)]] = text
    return title, found


def note_active_content(package: Package, composer: Composer) -> None:
    """Say that macros were not run and files inside not read."""
    names = [name.lower() for name in package.names()]
    if any(name.endswith(_MACROS[0]) or name.startswith(_MACROS[1]) for name in names):
        composer.issue("scripts_ignored")
    embedded = sum(_EMBEDDED in name and not name.endswith("/") for name in names)
    if embedded:
        composer.issue("embedded_ignored", count=embedded)
