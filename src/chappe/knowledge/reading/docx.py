"""Word-processor files of Office Open XML (.docx, .docm, .dotx).

The text is what a reader of the file sees once every tracked change is accepted: insertions are
kept, deletions and hidden text left out. Tables of contents are left out too: the headings say the
same, in their places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import office
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.docx_styles import Numbering, Styles, W, list_of, shaded, value
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.package import Package
from chappe.knowledge.sources.tables import Cell

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DELETED = {W + "del", W + "moveFrom"}
_INSERTED = {W + "ins", W + "moveTo"}
_THROUGH = _INSERTED | {
    W + "hyperlink", W + "smartTag", W + "fldSimple", W + "sdtContent", W + "customXml", W + "dir",
    W + "bdo", _M + "oMath", _M + "oMathPara",
}  # fmt: skip
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
# Characters of symbol fonts that stand for something: boxes of forms, arrows.
_SYMBOLS = {
    "F06F": "☐", "F0A8": "☐", "F071": "☐", "F0FE": "☒", "F078": "☒", "F0FC": "✓", "F052": "☑",
    "F0E0": "→", "F0F0": "→", "F0D8": "➢",
}  # fmt: skip
# Word's own styles for nested lists each have a list of their own, of one level.
_NESTED_LIST = re.compile(r"list (?:bullet|number) ([2-5])$")
_SPACES = {"tab": " ", "br": " ", "cr": " ", "noBreakHyphen": "-", "ptab": " "}


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file; images alone (a scan put into a word processor) become members."""
    package = Package(path, limits)
    reader = _Reader(package, limits)
    reader.read()
    composer = reader.composer
    title, metadata = office.properties(package)
    metadata.setdefault("language", reader.styles.language)
    metadata |= reader.metadata
    office.note_active_content(package, composer)
    members = package.images("word/media/", folder) if not len(composer) else []
    if not len(composer) and not members:
        raise ReadingError("empty")
    title = reader.title or title or composer.first("heading") or Path(name).stem
    document = composer.document(title, MEDIA_TYPE, metadata)
    return ReadResult(document if len(composer) else None, members)


class _Reader:
    """Walks through the body of a document."""

    def __init__(self, package: Package, limits: Limits) -> None:
        self.composer = Composer(limits)
        self.metadata: dict[str, Any] = {}
        self.title = ""
        self._package = package
        self._part = office.main_part(package)
        self._relations = package.related(self._part)
        self.styles = Styles(self._related_xml("styles"))
        self._numbering = Numbering(self._related_xml("numbering"))
        self._notes = {kind: self._read_notes(kind) for kind in _NOTES.values()}
        # What belongs after the paragraph or table that is being read.
        self._boxes: list[Element] = []
        self._called: list[tuple[str, str]] = []
        self._note_numbers = {"footnotes": 0, "endnotes": 0}
        self._in_shade = 0
        self._deleted = self._inserted = 0

    def read(self) -> None:
        """Compose the document."""
        root = self._package.xml(self._part)
        body = root.find(W + "body")
        if body is None:
            raise ReadingError("broken", reason="w:body")
        self._blocks(body)
        if self._deleted or self._inserted:
            self.composer.issue("tracked_changes", deleted=self._deleted, inserted=self._inserted)
        self._around()

    # Parts

    def _related_xml(self, kind: str) -> Element | None:
        for found, part in self._relations.values():
            if found == kind:
                return self._package.xml_or_none(part)
        return None

    def _read_notes(self, kind: str) -> dict[str, Element]:
        root = self._related_xml(kind)
        return {} if root is None else {each.get(W + "id") or "": each for each in root}

    def _around(self) -> None:
        """Headers, footers and comments: not text, but not lost."""
        for kind, key in (("header", "running_headers"), ("footer", "running_footers")):
            texts = []
            for found, part in self._relations.values():
                root = self._package.xml_or_none(part) if found == kind else None
                if root is not None:
                    lines = (normalise(self._text(p)) for p in _paragraphs(root))
                    texts.append(" ".join(line for line in lines if line))
            self.metadata[key] = [text for text in dict.fromkeys(texts) if text]
        comments = self._related_xml("comments")
        self.metadata["comments"] = [
            {
                "author": each.get(W + "author") or "",
                "date": each.get(W + "date") or "",
                "text": normalise(" ".join(self._text(p) for p in _paragraphs(each))),
            }
            for each in (() if comments is None else comments)
        ]
        self._boxes, self._called = [], []

    # Blocks

    def _blocks(self, parent: Element) -> None:
        for element in self._block_elements(parent):
            if element.tag == W + "p":
                self._paragraph(element)
            else:
                self._table(element)
            self._after()

    def _block_elements(self, parent: Element) -> Iterator[Element]:
        for child in parent:
            if child.tag in (W + "p", W + "tbl"):
                yield child
            elif child.tag == W + "sdt":
                gallery = child.find(f"{W}sdtPr/{W}docPartObj/{W}docPartGallery")
                content = child.find(W + "sdtContent")
                if content is None:
                    continue
                if gallery is None or gallery.get(W + "val") != "Table of Contents":
                    yield from self._block_elements(content)
            elif child.tag in _DELETED:
                self._deleted += 1
            elif child.tag in _THROUGH:
                yield from self._block_elements(child)
            elif child.tag == W + "altChunk":
                self.composer.issue("embedded_ignored", count=1, loss=True)

    def _paragraph(self, paragraph: Element) -> None:
        properties = paragraph.find(W + "pPr")
        style = value(properties, "pStyle")
        name = self.styles.name(style)
        if name.startswith(("toc ", "table of figures")):
            return
        text = normalise(self._text(paragraph))
        level = self._level(properties, style, name)
        label, depth = self._label(properties, style, level)
        if not text:
            return
        if name == "title" and not self.title:
            self.title = text
        numbered = f"{label} {text}" if label else text
        if level is not None:
            self.composer.add("heading", numbered, level)
        elif label is not None:
            self.composer.add("item", numbered, depth + 1)
        else:
            self.composer.add("paragraph", text)

    def _level(self, properties: Element | None, style: str | None, name: str) -> int | None:
        if name == "title":
            return 1
        direct = value(properties, "outlineLvl") or ""
        if direct.isdigit():
            return int(direct) + 1 if int(direct) < 9 else None
        return self.styles.level(style)

    def _label(
        self, properties: Element | None, style: str | None, level: int | None
    ) -> tuple[str | None, int]:
        """The number of a paragraph (empty: a bullet; ``None``: not in a list) and its depth."""
        list_id, depth = list_of(properties)
        style_list, style_depth = self.styles.numbering(style)
        list_id = style_list if list_id is None else list_id
        depth = style_depth if depth is None else depth
        if depth is None:
            depth = level - 1 if level is not None and style_list is not None else 0
        if list_id is None or list_id == "0":
            return None, depth
        nested = _NESTED_LIST.match(self.styles.name(style))
        if nested and depth == 0:
            return self._numbering.label(list_id, 0), int(nested[1]) - 1
        return self._numbering.label(list_id, depth), depth

    def _after(self) -> None:
        """Text boxes and notes come after what they are anchored to."""
        while self._boxes:
            self._blocks(self._boxes.pop(0))
        called, self._called = self._called, []
        for kind, note_id in called:
            note = self._notes[kind].get(note_id)
            if note is None:
                continue
            self._note_numbers[kind] += 1
            sign = str(self._note_numbers[kind])
            text = normalise(" ".join(self._text(p) for p in _paragraphs(note)))
            if text:
                self.composer.add("note", f"Note {sign} : {text}")

    def _table(self, table: Element) -> None:
        properties = table.find(W + "tblPr")
        shade = self.styles.shaded(value(properties, "tblStyle"))
        self._in_shade += shade
        rows = list(self._rows(table))
        if len(rows) == 1 and len(rows[0]) == 1:
            # A frame around text.
            for cell, _ in rows[0]:
                self._blocks(cell)
        else:
            self.composer.table(_cells(self._texts(rows)))
        self._in_shade -= shade

    def _rows(self, table: Element) -> Iterator[list[tuple[Element, int]]]:
        """Rows of (cell, columns before it that are empty)."""
        for row in table:
            if row.tag in (W + "sdt", W + "customXml"):
                content = row.find(W + "sdtContent")
                yield from self._rows(row if content is None else content)
            if row.tag != W + "tr":
                continue
            properties = row.find(W + "trPr")
            if properties is not None and properties.find(W + "del") is not None:
                self._deleted += 1
                continue
            before = value(properties, "gridBefore") or "0"
            cells = [
                cell
                for child in row
                for cell in (child.iter(W + "tc") if child.tag != W + "tc" else (child,))
            ]
            yield [
                (cell, int(before) if not index and before.isdigit() else 0)
                for index, cell in enumerate(cells)
            ]

    def _texts(
        self, rows: list[list[tuple[Element, int]]]
    ) -> Iterator[list[tuple[str, int, str | None]]]:
        """Rows of (text, columns, vertical merge: ``restart``, ``continue`` or ``None``)."""
        for row in rows:
            texts: list[tuple[str, int, str | None]] = []
            for cell, before in row:
                texts.extend(("", 1, None) for _ in range(min(before, 100)))
                properties = cell.find(W + "tcPr")
                span = value(properties, "gridSpan") or "1"
                merge = None if properties is None else properties.find(W + "vMerge")
                kind = None if merge is None else merge.get(W + "val") or "continue"
                shade = shaded(properties)
                self._in_shade += shade
                text = " ".join(normalise(self._text(p)) for p in _paragraphs(cell, boxes=False))
                self._in_shade -= shade
                texts.append((text.strip(), int(span) if span.isdigit() else 1, kind))
            yield texts

    # Runs

    def _text(self, paragraph: Element) -> str:
        properties = paragraph.find(W + "pPr")
        style = value(properties, "pStyle")
        shade = self._in_shade > 0 or shaded(properties)
        return "".join(self._runs(paragraph, style, shade))

    def _runs(self, parent: Element, style: str | None, shade: bool) -> Iterator[str]:
        for child in parent:
            if child.tag in (W + "r", _M + "r"):
                yield from self._run(child, style, shade)
            elif child.tag in _DELETED:
                self._deleted += 1
            elif child.tag == W + "sdt":
                content = child.find(W + "sdtContent")
                if content is not None:
                    yield from self._runs(content, style, shade)
            elif child.tag in _THROUGH or child.tag.startswith(_M):
                self._inserted += child.tag in _INSERTED
                yield from self._runs(child, style, shade)

    def _run(self, run: Element, style: str | None, shade: bool) -> Iterator[str]:
        properties = run.find(W + "rPr")
        styles = (value(properties, "rStyle"), style)
        text = "".join(self._characters(run))
        hidden = self.styles.hidden(properties, styles) or (
            not shade and self.styles.white(properties, styles)
        )
        if hidden:
            self.composer.hide(text)
        else:
            yield text

    def _characters(self, run: Element) -> Iterator[str]:
        for child in run:
            name = local(child)
            if name == "t":
                yield child.text or ""
            elif name in _SPACES:
                yield _SPACES[name]
            elif name == "sym":
                yield _SYMBOLS.get((child.get(W + "char") or "").upper(), "")
            elif name in _NOTES:
                self._called.append((_NOTES[name], child.get(W + "id") or ""))
            elif name in ("drawing", "pict", "object"):
                self._drawing(child)
            elif child.tag == _MC + "AlternateContent":
                for drawn in child.iterfind(f"{_MC}Choice/{W}drawing"):
                    self._drawing(drawn)

    def _drawing(self, drawing: Element) -> None:
        # A text box inside another one comes with it.
        outer = (
            box
            for box in drawing.iter(W + "txbxContent")
            if next(box.iterancestors(W + "txbxContent", drawing.tag), None) in (None, drawing)
        )
        self._boxes.extend(outer)


def _paragraphs(parent: Element, *, boxes: bool = True) -> Iterator[Element]:
    """The paragraphs inside an element, each once; without ``boxes``, not those of text boxes.

    What is drawn is there twice, the second time for programs that can't draw it.
    """
    apart = [_MC + "Fallback"] if boxes else [_MC + "Fallback", W + "txbxContent"]
    for paragraph in parent.iter(W + "p"):
        above = next(paragraph.iterancestors(*apart, parent.tag))
        if above is parent or above.tag == parent.tag:
            yield paragraph


def _cells(rows: Iterator[list[tuple[str, int, str | None]]]) -> list[list[Cell]]:
    """Cells with the rows that they cover: a merged cell goes on in the rows below."""
    table = list(rows)
    heights: dict[tuple[int, int], int] = {}
    open_cells: dict[int, tuple[int, int]] = {}
    for index, row in enumerate(table):
        column = 0
        for text, columns, merge in row:
            if merge == "continue" and column in open_cells and not text:
                heights[open_cells[column]] += 1
            elif merge is not None:
                open_cells[column] = (index, column)
                heights[index, column] = 1
            else:
                open_cells.pop(column, None)
            column += columns
    cells: list[list[Cell]] = []
    for index, row in enumerate(table):
        column, line = 0, []
        for text, columns, merge in row:
            if merge is None or (index, column) in heights:
                line.append(Cell(text, heights.get((index, column), 1), columns))
            column += columns
        cells.append(line)
    return cells
