"""Electronic books (.epub): chapters in the order of their spine, each read as a page."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import html, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, local, parse_html
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.package import Package

MEDIA_TYPE = "application/epub+zip"

_CHAPTERS = ("application/xhtml+xml", "text/html")
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_DUBLIN_CORE = {
    "creator": "author",
    "language": "language",
    "date": "created",
    "publisher": "publisher",
    "subject": "subject",
    "description": "description",
    "identifier": "identifier",
}


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the book."""
    package = Package(path, limits)
    _refuse_protected(package)
    container = package.xml("META-INF/container.xml")
    part = next((each.get("full-path") for each in container.iter("{*}rootfile")), None)
    if not part:
        raise ReadingError("broken", reason="rootfile")
    root = package.xml(part)
    composer = Composer(limits)
    title, metadata = _properties(root)
    folder_inside = posixpath.dirname(part)
    items = {each.get("id"): each for each in root.iter("{*}item")}
    for reference in root.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _CHAPTERS:
            continue
        # The book's own table of contents repeats its headings.
        if "nav" in (item.get("properties") or "").split():
            continue
        href = unquote(item.get("href") or "")
        chapter = posixpath.normpath(posixpath.join(folder_inside, href))
        if chapter not in package:
            composer.issue("member_broken", name=chapter, loss=True)
            continue
        try:
            html.compose(composer, parse_html(decode(package.bytes(chapter))))
        except ReadingError as error:
            if error.code != "empty":
                raise
        progress.page_done()
        if composer.full:
            break
    if not len(composer):
        raise ReadingError("empty")
    title = title or composer.first("heading") or Path(name).stem
    return ReadResult(composer.document(title, MEDIA_TYPE, metadata))


def _refuse_protected(package: Package) -> None:
    """Books with rights management: chapters are encrypted, not only fonts obfuscated."""
    encryption = package.xml_or_none("META-INF/encryption.xml")
    for method in () if encryption is None else encryption.iter("{*}EncryptionMethod"):
        if method.get("Algorithm") not in _FONT_ALGORITHMS:
            raise ReadingError("encrypted")


def _properties(root: Element) -> tuple[str, dict[str, Any]]:
    title = ""
    found: dict[str, Any] = {}
    metadata = root.find("{*}metadata")
    for element in () if metadata is None else metadata:
        text = normalise(element.text or "")
        if local(element) == "title":
            title = title or text
        elif text and local(element) in _DUBLIN_CORE:
            found.setdefault(_DUBLIN_CORE[local(element)], text)
    return title, found
