"""What the formats of OpenDocument have in common: the package, and text with all that is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.reading.numbering import Counter
from chappe.knowledge.reading.odf_styles import DRAW, OFFICE, STYLE, TABLE, TEXT, Styles
from chappe.knowledge.reading.package import Package
from chappe.knowledge.sources.tables import Cell

_META = {
    "initial-creator": "author",
    "creator": "last_modified_by",
    "creation-date": "created",
    "date": "modified",
    "language": "language",
    "subject": "subject",
    "keyword": "keywords",
    "description": "description",
}
_INDEXES = frozenset(
    TEXT + name
    for name in ("table-of-content", "illustration-index", "table-index", "object-index",
                 "user-index", "alphabetical-index", "bibliography")
)  # fmt: skip
_THROUGH = frozenset({"section", "index-body", "list-header", "text-box", "body"})
_NOT_TEXT = frozenset(
    {"annotation-end", "tracked-changes", "forms", "bookmark", "ruby-text", "script"}
)
# Inside a cell, but not its own text.
_APART = (TEXT + "note", OFFICE + "annotation", DRAW + "text-box")
_MAX_REPEATS = 1_000
MAX_COLUMNS_REPEATED = 1_000


def open_package(
    package: Package, composer: Composer
) -> tuple[Element, Styles, dict[str, Any], str]:
    """The body, the styles, the metadata and the title of a file.

    Raises:
        ReadingError: `encrypted`, `broken`.
    """
    manifest = package.xml_or_none("META-INF/manifest.xml")
    if manifest is not None and next(manifest.iter("{*}encryption-data"), None) is not None:
        raise ReadingError("encrypted")
    content = package.xml("content.xml")
    styled = package.xml_or_none("styles.xml")
    body = content.find(OFFICE + "body")
    if body is None:
        raise ReadingError("broken", reason="office:body")
    styles = Styles(styled, content)
    title, metadata = _properties(package.xml_or_none("meta.xml"))
    metadata.setdefault("language", styles.language)
    metadata |= _running(styled)
    if any(name.startswith(("Basic/", "Scripts/")) for name in package.names()):
        composer.issue("scripts_ignored")
    embedded = sum(
        name.startswith("Object ") and name.endswith("/content.xml") for name in package.names()
    )
    if embedded:
        composer.issue("embedded_ignored", count=embedded)
    return body, styles, metadata, title


def _properties(root: Element | None) -> tuple[str, dict[str, Any]]:
    title, found = "", {}
    for element in () if root is None else root.iter():
        text = normalise(element.text or "")
        if local(element) == "title":
            title = text
        elif text and local(element) in _META:
            found[_META[local(element)]] = text
    return title, found


def _running(root: Element | None) -> dict[str, list[str]]:
    """Headers and footers of the page styles."""
    found: dict[str, list[str]] = {"running_headers": [], "running_footers": []}
    for key, name in (("running_headers", "header"), ("running_footers", "footer")):
        for each in () if root is None else root.iter(STYLE + name, f"{STYLE}{name}-first"):
            text = normalise(" ".join(each.itertext()))
            if text and text not in found[key]:
                found[key].append(text)
    return found


class TextWriter:
    """Writes paragraphs, lists and tables of an OpenDocument text, frame or cell."""

    def __init__(self, composer: Composer, styles: Styles) -> None:
        self._composer = composer
        self._styles = styles
        self._counters: dict[str, Counter] = {}
        self._outline = Counter()
        self._after: list[Element] = []
        self._in_shade = 0
        self.title = ""
        self.comments: list[dict[str, str]] = []
        self.deleted = 0

    def blocks(self, parent: Element) -> None:
        """Write what an element holds."""
        for child in parent:
            if self._composer.full:
                return
            name = local(child)
            if child.tag == TEXT + "tracked-changes":
                self.deleted += sum(1 for _ in child.iter(TEXT + "deletion"))
            elif child.tag in _INDEXES:
                continue
            elif child.tag == TEXT + "h":
                self._heading(child)
            elif child.tag == TEXT + "p":
                self._paragraph(child)
            elif child.tag == TEXT + "list":
                self._list(child, None, 1)
            elif child.tag == TABLE + "table":
                self._table(child)
            elif name == "section" and child.get(TEXT + "display") in ("none", "condition"):
                self._composer.hide(" ".join(child.itertext()))
            elif name in _THROUGH:
                self.blocks(child)
            elif child.tag.startswith(DRAW) and name not in ("page", "layer-set"):
                self.frame(child)
            self.write_after()

    def _heading(self, element: Element) -> None:
        level = _int(element.get(TEXT + "outline-level"), 1)
        text = normalise(self.line(element))
        label = ""
        if element.get(TEXT + "is-list-header") != "true" and text:
            label = self._outline.label(level - 1, self._styles.outline)
        self._composer.add("heading", f"{label} {text}" if label else text, level)

    def _paragraph(self, element: Element) -> None:
        text = normalise(self.line(element))
        if text and self._styles.is_title(element.get(TEXT + "style-name")):
            self.title = self.title or text
            self._composer.add("heading", text, 1)
        else:
            self._composer.add("paragraph", text)

    def _list(self, element: Element, style: str | None, depth: int) -> None:
        style = element.get(TEXT + "style-name") or style
        levels = self._styles.lists.get(style or "", [])
        continued = element.get(TEXT + "continue-numbering") == "true"
        continued = continued or element.get(TEXT + "continue-list") is not None
        if depth == 1 and not continued:
            self._counters[style or ""] = Counter()
        counter = self._counters.setdefault(style or "", Counter())
        for item in element:
            # A list's header has no number and no sign.
            label = ""
            labelled = item.tag == TEXT + "list-item"
            if labelled and any(child.tag in (TEXT + "p", TEXT + "h") for child in item):
                start = item.get(TEXT + "start-value")
                label = counter.label(depth - 1, levels, _int(start, 1) if start else None)
            for child in item:
                if child.tag == TEXT + "list":
                    self._list(child, style, depth + 1)
                elif child.tag == TEXT + "h":
                    text = normalise(self.line(child))
                    level = _int(child.get(TEXT + "outline-level"), depth)
                    self._composer.add("heading", f"{label} {text}".strip() if text else "", level)
                elif child.tag == TEXT + "p":
                    text = normalise(self.line(child))
                    self._composer.add("item", f"{label} {text}".strip() if text else "", depth)
                    label = "" if text else label
                self.write_after()

    def write_after(self) -> None:
        """Notes and frames come after what they are anchored to."""
        while self._after:
            element = self._after.pop(0)
            if element.tag == TEXT + "note":
                citation = normalise("".join(element.find(TEXT + "note-citation").itertext()))
                body = element.find(TEXT + "note-body")
                text = " ".join(self.line(p) for p in body.iter(TEXT + "p"))
                self._composer.add("note", f"Note {citation} : {text}" if normalise(text) else "")
            else:
                self.blocks(element)

    def frame(self, element: Element) -> None:
        """Text boxes and shapes, in their order; what is anchored inside comes with them."""
        if element.tag == DRAW + "text-box":
            self.blocks(element)
            return
        if any(child.tag in (TEXT + "p", TEXT + "list") for child in element):
            self.blocks(element)
            return
        for child in element:
            if child.tag == TABLE + "table":
                self._table(child)
            elif child.tag.startswith(DRAW) and local(child) != "image":
                self.frame(child)

    # Lines

    def line(self, element: Element, *, hidden: bool = False) -> str:
        """The text of a paragraph, less what isn't seen."""
        name = element.get(TEXT + "style-name")
        family = "text" if local(element) in ("span", "a") else "paragraph"
        hidden = hidden or self._unseen(family, name)
        shade = self._styles.shaded(family, name)
        self._in_shade += shade
        parts: list[str] = []
        for text in self._pieces(element, hidden):
            parts.append(text)
        self._in_shade -= shade
        return "".join(parts)

    def _unseen(self, family: str, name: str | None) -> bool:
        if name is None or not self._styles.hidden(family, name):
            return False
        return not (self._in_shade and self._styles.white(family, name))

    def _pieces(self, element: Element, hidden: bool) -> Iterator[str]:
        yield from self._piece(element.text, hidden)
        for child in element:
            name = local(child)
            if name in ("span", "a", "meta", "ruby", "ruby-base", "meta-field"):
                yield self.line(child, hidden=hidden)
            elif name == "s" or name in ("tab", "line-break"):
                yield " "
            elif name == "note" or child.tag.startswith(DRAW):
                self._after.append(child)
            elif name == "annotation":
                self._comment(child)
            elif name in ("hidden-text", "hidden-paragraph"):
                self._composer.hide("".join(child.itertext()))
            elif name not in _NOT_TEXT:
                yield from self._piece("".join(child.itertext()), hidden)
            yield from self._piece(child.tail, hidden)

    def _comment(self, annotation: Element) -> None:
        paragraphs = ("".join(p.itertext()) for p in annotation.iter(TEXT + "p"))
        self.comments.append(
            {
                "author": normalise(annotation.findtext("{*}creator") or ""),
                "date": annotation.findtext("{*}date") or "",
                "text": normalise(" ".join(paragraphs)),
            }
        )

    def _piece(self, text: str | None, hidden: bool) -> Iterator[str]:
        if text and hidden:
            self._composer.hide(text)
        elif text:
            yield text

    # Tables

    def _table(self, table: Element) -> None:
        rows = list(table_rows(table))
        cells = [cell for row in rows[:2] for cell in row if cell.tag == TABLE + "table-cell"]
        if len(rows) == 1 and len(cells) == 1:
            self.blocks(cells[0])
        else:
            self._composer.table(map(self._cells, rows))

    def _cells(self, row: Element) -> list[Cell]:
        cells: list[Cell] = []
        for cell in row:
            if cell.tag == TABLE + "covered-table-cell":
                continue
            if cell.tag != TABLE + "table-cell":
                continue
            shade = self._styles.shaded("table-cell", cell.get(TABLE + "style-name"))
            self._in_shade += shade
            text = self.cell(cell)
            self._in_shade -= shade
            one = Cell(
                text,
                _int(cell.get(TABLE + "number-rows-spanned"), 1),
                _int(cell.get(TABLE + "number-columns-spanned"), 1),
            )
            repeats = _int(cell.get(TABLE + "number-columns-repeated"), 1)
            cells.extend([one] * min(repeats, MAX_COLUMNS_REPEATED))
        return cells

    def cell(self, cell: Element) -> str:
        """The text of a cell on one line, lists and inner tables included.

        What is anchored in it (notes, frames) comes with :meth:`write_after`.
        """
        for annotation in cell.iterchildren(OFFICE + "annotation"):
            self._comment(annotation)
        parts = [
            normalise(self.line(each))
            for each in cell.iter(TEXT + "p", TEXT + "h")
            if next(each.iterancestors(*_APART, cell.tag)) is cell
        ]
        return " ".join(part for part in parts if part)


def table_rows(table: Element) -> Iterator[Element]:
    """The rows of a table, those of groups and headers included; repeated ones are said again."""
    for child in table:
        if child.tag == TABLE + "table-row":
            repeats = _int(child.get(TABLE + "number-rows-repeated"), 1)
            for _ in range(min(repeats, _MAX_REPEATS)):
                yield child
        elif local(child) in ("table-header-rows", "table-row-group", "table-rows"):
            yield from table_rows(child)


def _int(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 9 else default
