"""Opening a PDF with PDFium, and what it tells besides its pages."""

from __future__ import annotations

import ctypes
import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from chappe.knowledge.document import MAX_LEVEL, normalise
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, Member, ReadingError
from chappe.knowledge.reading.words import ITEM

_MAX_BOOKMARKS = 5_000
_MAX_TITLE = 300
_MAX_TREE = 50_000
_MAX_TREE_DEPTH = 64
_DATE = re.compile(r"D?:?(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?")
_NO_TITLE = re.compile(
    r"(\(?(untitled|anonymous|unspecified)\)?|sans titre|document\d*"
    r"|microsoft .* - .*|.*\.\w{3,4})\Z",
    re.I,
)
_HEADING = re.compile(r"H([1-6])?\Z")


@contextmanager
def opened(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    """The document; one with an empty user password opens.

    Raises:
        ReadingError: `encrypted` or `broken`.
    """
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD or "assword" in str(error):
            raise ReadingError("encrypted") from None
        raise ReadingError("broken", reason="PDF") from None
    try:
        yield document
    finally:
        document.close()


def metadata_of(document: pypdfium2.PdfDocument) -> tuple[str | None, dict[str, Any]]:
    """A title worth showing, and author, dates, language."""
    raw = {key: normalise(value) for key, value in document.get_metadata_dict().items()}
    title = raw.get("Title", "")[:_MAX_TITLE]
    found: dict[str, Any] = {
        "author": raw.get("Author", "")[:_MAX_TITLE],
        "subject": raw.get("Subject", "")[:_MAX_TITLE],
        "keywords": raw.get("Keywords", "")[:_MAX_TITLE],
        "producer": raw.get("Producer", "")[:_MAX_TITLE],
        "created": _date(raw.get("CreationDate", "")),
        "modified": _date(raw.get("ModDate", "")),
        "language": _language(document),
    }
    useful = len(title) >= 3 and not _NO_TITLE.match(title)
    kept = {key: value for key, value in found.items() if value and not _NO_TITLE.match(value)}
    return (title if useful else None), kept


def _language(document: pypdfium2.PdfDocument) -> str:
    size = pdfium.FPDFCatalog_GetLanguage(document.raw, None, 0)
    if not 2 < size < 200:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDFCatalog_GetLanguage(document.raw, buffer, size)
    return normalise(bytes(buffer).decode("utf-16-le", "ignore").rstrip("\0"))


def _date(value: str) -> str:
    match = _DATE.match(value)
    if match is None:
        return ""
    parts = [int(part) if part else None for part in match.groups()]
    try:
        return dt.datetime(
            parts[0] or 1, parts[1] or 1, parts[2] or 1, parts[3] or 0, parts[4] or 0, parts[5] or 0
        ).isoformat()
    except ValueError:
        return ""


def outline_of(document: pypdfium2.PdfDocument) -> dict[str, int]:
    """Bookmarks: title → depth from 1; a title that comes twice has its smaller depth."""
    found: dict[str, int] = {}
    try:
        for count, bookmark in enumerate(document.get_toc(max_depth=MAX_LEVEL)):
            if count >= _MAX_BOOKMARKS:
                break
            title, level = normalise(bookmark.get_title())[:_MAX_TITLE], bookmark.level + 1
            if title:
                found[title] = min(level, found.get(title, level))
    except pypdfium2.PdfiumError:
        return found
    return found


def heading_levels(page: pdfium.FPDF_PAGE) -> dict[int, int]:
    """Level of headings, and `ITEM` for beginnings of items, by marked content's identifier."""
    tree = pdfium.FPDF_StructTree_GetForPage(page)
    if not tree:
        return {}
    levels: dict[int, int] = {}
    beginnings: dict[int, int] = {}
    try:
        waiting = [
            (pdfium.FPDF_StructTree_GetChildAtIndex(tree, index), 0, 0, 0)
            for index in range(min(pdfium.FPDF_StructTree_CountChildren(tree), _MAX_TREE))
        ]
        seen = 0
        while waiting and seen < _MAX_TREE:
            element, level, item, depth = waiting.pop()
            seen += 1
            if not element or depth > _MAX_TREE_DEPTH:
                continue
            kind = _kind(element)
            heading = _HEADING.match(kind)
            level = int(heading[1] or 1) if heading else level
            item = seen if kind == "LI" else 0 if kind in ("L", "Lbl") else item
            for index in range(pdfium.FPDF_StructElement_GetMarkedContentIdCount(element)):
                mark = pdfium.FPDF_StructElement_GetMarkedContentIdAtIndex(element, index)
                if mark < 0:
                    continue
                if level:
                    levels[mark] = level
                elif item:
                    beginnings[item] = min(mark, beginnings.get(item, mark))
            waiting += [
                (pdfium.FPDF_StructElement_GetChildAtIndex(element, index), level, item, depth + 1)
                for index in range(min(pdfium.FPDF_StructElement_CountChildren(element), _MAX_TREE))
            ]
    finally:
        pdfium.FPDF_StructTree_Close(tree)
    return dict.fromkeys(beginnings.values(), ITEM) | levels


def _kind(element: pdfium.FPDF_STRUCTELEMENT) -> str:
    size = pdfium.FPDF_StructElement_GetType(element, None, 0)
    if not 2 < size <= 16:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDF_StructElement_GetType(element, buffer, size)
    return bytes(buffer).decode("utf-16-le", "ignore").rstrip("\0")


def members_of(
    document: pypdfium2.PdfDocument, folder: Path, limits: Limits
) -> tuple[list[Member], list[Issue]]:
    """Files attached to the document, copied into the folder, never opened."""
    members: list[Member] = []
    issues: list[Issue] = []
    room = limits.unpacked_bytes
    for index in range(document.count_attachments()):
        if len(members) >= limits.members:
            issues.append(Issue("member_refused", values={"name": "…"}, loss=True))
            break
        name = f"{index + 1}"
        try:
            attachment = document.get_attachment(index)
            plain = normalise(attachment.get_name()).replace("\\", "/")
            name = PurePosixPath(plain).name.strip(". ")[:200] or name
            data = bytes(attachment.get_data())
        except (pypdfium2.PdfiumError, ValueError):
            data = b""
        if not data or len(data) > min(room, limits.file_bytes):
            issues.append(Issue("member_refused", values={"name": name}, loss=True))
            continue
        room -= len(data)
        path = folder / f"attached-{index + 1}"
        path.write_bytes(data)
        members.append(Member(name, path))
    return members, issues


def has_scripts(document: pypdfium2.PdfDocument) -> bool:
    """Does the document carry JavaScript? (Nothing here can run it.)"""
    return bool(pdfium.FPDFDoc_GetJavaScriptActionCount(document.raw) > 0)
