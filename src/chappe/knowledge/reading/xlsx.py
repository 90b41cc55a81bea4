"""Workbooks of Office Open XML (.xlsx, .xlsm, .xltx): each sheet is a page, its cells as shown.

Formulas are never worked out: the value that the file keeps is what is read. Hidden sheets, rows
and columns are left out. A sheet is read as a stream, since it may have a million rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import cell_formats, office, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, local, stream_xml
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.package import Package
from chappe.knowledge.reading.sheets import Row, SheetComposer

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_STRICT_S = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})$")
_COMMENTS = re.compile(r"xl/comments\d*\.xml$|xl/comments/")
_MAX_SHARED_CHARS = 60_000_000


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the workbook."""
    package = Package(path, limits)
    composer = Composer(limits)
    workbook = _Workbook(package)
    names = []
    for sheet_name, hidden, part in workbook.sheets:
        if hidden:
            composer.issue("hidden_sheet", name=sheet_name)
            continue
        names.append(sheet_name)
        _read_sheet(workbook, part, SheetComposer(composer, sheet_name))
        progress.page_done()
        if composer.full:
            break
    if workbook.uncomputed:
        composer.issue("formulas_uncomputed", count=workbook.uncomputed, loss=True)
    office.note_active_content(package, composer)
    title, metadata = office.properties(package)
    if not len(composer):
        raise ReadingError("empty")
    metadata |= {"page_kind": "sheet", "page_names": names, "comments": _comments(package)}
    return ReadResult(composer.document(title or Path(name).stem, MEDIA_TYPE, metadata))


def _comments(package: Package) -> list[dict[str, str]]:
    found = []
    for part in package.names():
        if _COMMENTS.match(part):
            for each in package.xml(part).iter("{*}comment"):
                if text := normalise(_string(each)):
                    found.append({"cell": each.get("ref") or "", "text": text})
    return found


@dataclass(slots=True)
class _Styles:
    """Format codes by style number; whether the font of each is white on nothing."""

    codes: list[str] = field(default_factory=list)
    white: list[bool] = field(default_factory=list)


class _Workbook:
    """What sheets share: their list, strings, styles."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._part = office.main_part(package)
        if self._part.endswith(".bin"):
            raise ReadingError("unsupported", type="xlsb")
        root = package.xml(self._part)
        self._relations = package.related(self._part)
        properties = next((e for e in root if local(e) == "workbookPr"), None)
        self.date_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self.sheets = list(self._sheets(root))
        self.styles = self._read_styles()
        self.strings = self._read_strings()
        # Formulas whose value the file doesn't keep.
        self.uncomputed = 0

    def _sheets(self, root: Element) -> Iterator[tuple[str, bool, str]]:
        for sheet in root.iter("{*}sheet"):
            relation = next(
                (value for key, value in sheet.attrib.items() if key.endswith("}id")), ""
            )
            kind, part = self._relations.get(relation, ("", ""))
            if kind == "worksheet":
                hidden = sheet.get("state") in ("hidden", "veryHidden")
                yield normalise(sheet.get("name") or ""), hidden, part

    def _part_of(self, kind: str) -> str | None:
        found = (part for each, part in self._relations.values() if each == kind)
        return next((part for part in found if part in self.package), None)

    def _read_styles(self) -> _Styles:
        part = self._part_of("styles")
        styles = _Styles()
        if part is None:
            return styles
        root = self.package.xml(part)
        own = {
            each.get("numFmtId"): each.get("formatCode") or "" for each in root.iter("{*}numFmt")
        }
        fonts = [
            any((color.get("rgb") or "").lower() == "ffffffff" for color in font.iter("{*}color"))
            for font in root.iterfind("{*}fonts/{*}font")
        ]
        fills = [
            fill.find("{*}patternFill") is not None
            and fill.find("{*}patternFill").get("patternType") in (None, "none")
            for fill in root.iterfind("{*}fills/{*}fill")
        ]
        for each in root.iterfind("{*}cellXfs/{*}xf"):
            number = each.get("numFmtId") or "0"
            styles.codes.append(own.get(number) or cell_formats.built_in(_int(number)))
            font, fill = _int(each.get("fontId")), _int(each.get("fillId"))
            white = font < len(fonts) and fonts[font]
            styles.white.append(white and fill < len(fills) and fills[fill])
        return styles

    def _read_strings(self) -> list[str]:
        part = self._part_of("sharedStrings")
        strings: list[str] = []
        length = 0
        if part is None:
            return strings
        with self.package.open(part) as file:
            for item in stream_xml(file, (_S + "si", _STRICT_S + "si")):
                strings.append(_string(item))
                length += len(strings[-1])
                if length > _MAX_SHARED_CHARS:
                    raise ReadingError("too_much_memory")
        return strings


def _string(item: Element) -> str:
    """A text with its runs, less the readings that East Asian texts carry."""
    return "".join(
        each.text or "" for each in item.iter("{*}t") if local(each.getparent()) != "rPh"
    )


def _read_sheet(workbook: _Workbook, part: str, sheet: SheetComposer) -> None:
    merged = _merged(workbook, part)
    hidden_columns: set[int] = set()
    names = ("cols", "row")
    tags = tuple(space + name for space in (_S, _STRICT_S) for name in names)
    comes = 0
    with workbook.package.open(part) as file:
        for element in stream_xml(file, tags):
            if local(element) == "cols":
                hidden_columns |= _hidden_columns(element)
                continue
            number = _int(element.get("r")) or comes + 1
            comes = number
            if element.get("hidden") in ("1", "true"):
                sheet.hide_row(number, [text for _, text in _cells(workbook, element, sheet)])
                continue
            cells = dict(_cells(workbook, element, sheet))
            for column in hidden_columns & cells.keys():
                sheet.hide_cell(cells.pop(column))
            sheet.row(Row(number, cells, merged.get(number, {})))
            if sheet.full:
                break
    for kind, drawing in workbook.package.related(part).values():
        if kind == "drawing" and drawing in workbook.package:
            for paragraph in workbook.package.xml(drawing).iter(_A + "p"):
                sheet.paragraph("".join(text.text or "" for text in paragraph.iter(_A + "t")))
    sheet.end()


def _hidden_columns(element: Element) -> set[int]:
    hidden: set[int] = set()
    for column in element:
        if column.get("hidden") in ("1", "true"):
            first, last = _int(column.get("min")), _int(column.get("max"))
            hidden.update(range(max(first, 1), min(last, 16_384) + 1))
    return hidden


def _merged(workbook: _Workbook, part: str) -> dict[int, dict[int, tuple[int, int]]]:
    """Row → column → rows and columns that the cell there covers. They stand after the rows."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    with workbook.package.open(part) as file:
        for element in stream_xml(file, (_S + "mergeCell", _STRICT_S + "mergeCell", _S + "row")):
            first, _, last = (element.get("ref") or "").partition(":")
            start, end = _position(first), _position(last)
            if start is None or end is None:
                continue
            rows, columns = end[0] - start[0] + 1, end[1] - start[1] + 1
            if rows > 0 and columns > 0:
                found.setdefault(start[0], {})[start[1]] = (rows, columns)
    return found


def _cells(workbook: _Workbook, row: Element, sheet: SheetComposer) -> Iterator[tuple[int, str]]:
    """Column (from 1) and text of each cell that shows something."""
    column = 0
    for cell in row:
        if local(cell) != "c":
            continue
        position = _position(cell.get("r") or "")
        column = position[1] if position else column + 1
        style = _int(cell.get("s"))
        text = _shown(workbook, cell, style)
        if not text:
            continue
        if style < len(workbook.styles.white) and workbook.styles.white[style]:
            sheet.hide_cell(text)
        else:
            yield column, text


def _shown(workbook: _Workbook, cell: Element, style: int) -> str:
    kind = cell.get("t") or "n"
    if kind == "inlineStr":
        return _string(cell)
    stored: str | None = next((child.text for child in cell if local(child) == "v"), None)
    if stored is None:
        if any(local(child) == "f" for child in cell):
            workbook.uncomputed += 1
        return ""
    codes = workbook.styles.codes
    code = codes[style] if style < len(codes) else "General"
    if kind == "s":
        index = _int(stored)
        text = workbook.strings[index] if index < len(workbook.strings) else ""
        return cell_formats.text_shown(text, code)
    if kind == "b":
        return "VRAI" if stored == "1" else "FAUX"
    if kind == "d":
        try:
            return cell_formats.date(dt.datetime.fromisoformat(stored.rstrip("Z")))
        except ValueError:
            return stored
    if kind != "n":
        return stored
    try:
        return cell_formats.shown(float(stored), code, workbook.date_1904)
    except (ValueError, OverflowError):
        return stored


def _position(reference: str) -> tuple[int, int] | None:
    """Row and column, from 1, of a reference such as ``AB12``."""
    match = _REFERENCE.match(reference)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]), column


def _int(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
