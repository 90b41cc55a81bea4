"""Workbooks of OpenDocument (.ods): each sheet is a page, its cells as the file shows them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import cell_formats, odf, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.odf_styles import OFFICE, TABLE, TEXT, Styles
from chappe.knowledge.reading.package import Package
from chappe.knowledge.reading.sheets import Row, SheetComposer

MEDIA_TYPE = "application/vnd.oasis.opendocument.spreadsheet"

_MAX_ROW_REPEATS = 1_000
_NOT_SEEN = ("collapse", "filter")


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the workbook."""
    package = Package(path, limits)
    composer = Composer(limits)
    body, styles, metadata, title = odf.open_package(package, composer)
    book = body.find(OFFICE + "spreadsheet")
    if book is None:
        raise ReadingError("broken", reason="office:spreadsheet")
    writer = odf.TextWriter(composer, styles)
    names = []
    for table in book.iterchildren(TABLE + "table"):
        sheet_name = normalise(table.get(TABLE + "name") or "")
        if styles.get("table", table.get(TABLE + "style-name"), "display") == "false":
            composer.issue("hidden_sheet", name=sheet_name)
            continue
        names.append(sheet_name)
        _Sheet(table, styles, writer, SheetComposer(composer, sheet_name)).read()
        progress.page_done()
        if composer.full:
            break
    if not len(composer):
        raise ReadingError("empty")
    metadata |= {"page_kind": "sheet", "page_names": names, "comments": writer.comments}
    return ReadResult(composer.document(title or Path(name).stem, MEDIA_TYPE, metadata))


class _Sheet:
    """One sheet. Rows and cells that repeat are read once, however often they say."""

    def __init__(
        self, table: Element, styles: Styles, writer: odf.TextWriter, sheet: SheetComposer
    ) -> None:
        self._table, self._styles, self._writer, self._sheet = table, styles, writer, sheet
        self._hidden_columns: list[tuple[int, int]] = []

    def read(self) -> None:
        """Compose the sheet."""
        column = 1
        for element in self._table.iter(TABLE + "table-column"):
            last = column + _int(element.get(TABLE + "number-columns-repeated")) - 1
            if element.get(TABLE + "visibility") in _NOT_SEEN:
                self._hidden_columns.append((column, last))
            column = last + 1
        number = 1
        for row in self._table.iter(TABLE + "table-row"):
            repeats = _int(row.get(TABLE + "number-rows-repeated"))
            cells, merged = self._cells(row)
            if cells and row.get(TABLE + "visibility") in _NOT_SEEN:
                self._sheet.hide_row(number, list(cells.values()))
            elif cells:
                for again in range(min(repeats, _MAX_ROW_REPEATS)):
                    self._sheet.row(Row(number + again, cells, merged))
                if repeats > _MAX_ROW_REPEATS:
                    self._sheet.repeats_beyond()
            if self._sheet.full:
                break
            number += repeats
        self._sheet.end_tables()
        for shapes in self._table.iterchildren(TABLE + "shapes"):
            self._writer.blocks(shapes)
        self._writer.write_after()
        self._sheet.end()

    def _cells(self, row: Element) -> tuple[dict[int, str], dict[int, tuple[int, int]]]:
        cells: dict[int, str] = {}
        merged: dict[int, tuple[int, int]] = {}
        column = 1
        for cell in row:
            repeats = _int(cell.get(TABLE + "number-columns-repeated"))
            text = self._shown(cell) if cell.tag == TABLE + "table-cell" else ""
            if text and self._unseen(cell):
                self._sheet.hide_cell(text)
            elif text:
                for at in range(column, column + min(repeats, odf.MAX_COLUMNS_REPEATED)):
                    if any(first <= at <= last for first, last in self._hidden_columns):
                        self._sheet.hide_cell(text)
                    else:
                        cells[at] = text
                rows = _int(cell.get(TABLE + "number-rows-spanned"))
                columns = _int(cell.get(TABLE + "number-columns-spanned"))
                if rows > 1 or columns > 1:
                    merged[column] = (rows, columns)
            column += repeats
        return cells, merged

    def _unseen(self, cell: Element) -> bool:
        return self._styles.white("table-cell", cell.get(TABLE + "style-name"))

    def _shown(self, cell: Element) -> str:
        """The text that the file keeps beside the value, else the value as French writes it."""
        text = self._writer.cell(cell)
        kind, value = cell.get(OFFICE + "value-type") or "", cell.get(OFFICE + "value") or ""
        # Programs that write files without showing them put the bare value there.
        shown = text or cell.find(TEXT + "p") is not None
        if shown and not (text and text == value):
            return text
        try:
            if kind in ("float", "currency", "percentage") and value:
                percent = kind == "percentage"
                number = cell_formats.general(float(value) * (100 if percent else 1))
                return f"{number} %" if percent else number
            if kind == "date":
                stored = cell.get(OFFICE + "date-value") or ""
                return cell_formats.date(dt.datetime.fromisoformat(stored))
        except (ValueError, OverflowError):
            return value
        if kind == "boolean":
            return "VRAI" if cell.get(OFFICE + "boolean-value") == "true" else "FAUX"
        return cell.get(OFFICE + "string-value") or ""


def _int(text: str | None) -> int:
    """A count, 1 when nothing is said."""
    return max(int(text), 1) if text and text.isdigit() and len(text) < 9 else 1
