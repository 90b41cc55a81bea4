"""Workbooks of Excel 97 to 2003 (.xls), read as those of today by `xlsx`."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import xlrd

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import cell_formats, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.sheets import Row, SheetComposer

MEDIA_TYPE = "application/vnd.ms-excel"

_FIRST_OWN_FORMAT = 164
_MACROS = "_VBA_PROJECT_CUR".encode("utf-16-le")
_ERRORS = (xlrd.XLRDError, xlrd.compdoc.CompDocError, struct.error, IndexError, KeyError,
           ValueError, TypeError, AttributeError, AssertionError, OverflowError)  # fmt: skip


class _Silence:
    """Where xlrd writes its remarks."""

    def write(self, text: str) -> int:
        return len(text)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the workbook."""
    data = path.read_bytes()
    try:
        book = xlrd.open_workbook(
            file_contents=data, formatting_info=True, on_demand=True, logfile=_Silence()
        )
    except xlrd.XLRDError as error:
        code = "encrypted" if "encrypt" in str(error).lower() else "broken"
        raise ReadingError(code, reason=str(error)) from None
    except _ERRORS as error:
        raise ReadingError("broken", reason=type(error).__name__) from None
    composer = Composer(limits)
    names = []
    for index, sheet_name in enumerate(map(normalise, book.sheet_names())):
        try:
            sheet = book.sheet_by_index(index)
            if sheet.visibility:
                composer.issue("hidden_sheet", name=sheet_name)
                continue
            names.append(sheet_name)
            _read_sheet(book, sheet, SheetComposer(composer, sheet_name))
        except _ERRORS as error:
            raise ReadingError("broken", reason=type(error).__name__) from None
        book.unload_sheet(index)
        progress.page_done()
        if composer.full:
            break
    if _MACROS in data:
        composer.issue("scripts_ignored")
    if not len(composer):
        raise ReadingError("empty")
    metadata = {"author": book.user_name, "page_kind": "sheet", "page_names": names}
    return ReadResult(composer.document(Path(name).stem, MEDIA_TYPE, metadata))


def _read_sheet(book: Any, sheet: Any, composer: SheetComposer) -> None:
    merged: dict[int, dict[int, tuple[int, int]]] = {}
    for first, last, left, right in sheet.merged_cells:
        merged.setdefault(first, {})[left + 1] = (last - first, right - left)
    hidden_columns = {index for index, info in sheet.colinfo_map.items() if info.hidden}
    for index in range(sheet.nrows):
        cells: dict[int, str] = {}
        for column, cell in enumerate(sheet.row(index)):
            text = _shown(book, cell)
            if text and column in hidden_columns:
                composer.hide_cell(text)
            elif text:
                cells[column + 1] = text
        info = sheet.rowinfo_map.get(index)
        if info is not None and info.hidden:
            composer.hide_row(index + 1, list(cells.values()))
        else:
            composer.row(Row(index + 1, cells, merged.get(index, {})))
        if composer.full:
            break
    composer.end()


def _shown(book: Any, cell: Any) -> str:
    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return ""
    number = book.xf_list[cell.xf_index].format_key if cell.xf_index is not None else 0
    code = cell_formats.built_in(number)
    if number >= _FIRST_OWN_FORMAT and number in book.format_map:
        code = book.format_map[number].format_str
    if cell.ctype == xlrd.XL_CELL_TEXT:
        return cell_formats.text_shown(cell.value, code)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "VRAI" if cell.value else "FAUX"
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, ""))
    return cell_formats.shown(float(cell.value), code, bool(book.datemode))
