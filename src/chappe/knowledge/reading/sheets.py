"""A sheet of a workbook as blocks: its name, then the tables that empty rows separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import progress
from chappe.knowledge.reading.composition import MAX_CELLS, Composer
from chappe.knowledge.sources.tables import Cell

# A long sheet gets on, though its only page isn't done.
_ROWS_PER_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number from 1, the text at each column that has any (from 1), and the rows and
    columns that merged cells cover, by the column of each."""

    number: int
    cells: Mapping[int, str]
    merged: Mapping[int, tuple[int, int]]


class SheetComposer:
    """Writes one sheet, row after row, as a page of the document (a lone table needs none)."""

    def __init__(self, composer: Composer, name: str, *, page: bool = True) -> None:
        self._composer = composer
        self._page = composer.start_page() if page else None
        self._name = normalise(name)
        self._named = False
        self._group: list[Row] = []
        self._held = 0
        self._last = self._rows = 0
        # Column -> the last row that a merged cell covers, its text and its columns.
        self._covering: dict[int, tuple[int, str, int]] = {}
        self._hidden_rows = self._hidden_cells = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self._composer.full or self._held > MAX_CELLS

    def row(self, row: Row) -> None:
        """Add a row; rows without any text end a table, unless a merged cell goes on there."""
        cells = {column: text for column, raw in row.cells.items() if (text := normalise(raw))}
        if not cells:
            return
        merged = {column: (1, columns) for column, (_, columns) in row.merged.items()}
        covered_until = 0
        for column, (last, text, columns) in list(self._covering.items()):
            if last < row.number:
                del self._covering[column]
                covered_until = max(covered_until, last)
            elif column not in cells:
                cells[column], merged[column] = text, (1, columns)
                covered_until = row.number
        for column, (rows, columns) in row.merged.items():
            if rows > 1 and column in cells:
                self._covering[column] = (row.number + rows - 1, cells[column], columns)
        if row.number > max(self._last, covered_until) + 1:
            self._flush()
        self._last = row.number
        self._group.append(Row(row.number, cells, merged))
        self._held += len(cells)
        self._rows += 1
        if self._rows % _ROWS_PER_PAGE == 0:
            progress.page_done()

    def hide_row(self, number: int, texts: Sequence[str]) -> None:
        """Leave out a hidden row; the table goes on below it."""
        if number == self._last + 1:
            self._last = number
        if any(texts):
            self._hidden_rows += 1
            self._composer.hide(" | ".join(texts))

    def hide_cell(self, text: str) -> None:
        """Leave out a cell of a hidden column, or that nobody sees."""
        self._hidden_cells += 1
        self._composer.hide(text)

    def repeats_beyond(self) -> None:
        """Say that a row stands more often in the file than it was written."""
        self._composer.issue("truncated", loss=True)

    def end_tables(self) -> None:
        """Write what is held; what else the sheet shows comes after."""
        self._flush()

    def paragraph(self, text: str) -> None:
        """Add text that stands outside the cells."""
        self._flush()
        self._composer.add("paragraph", text)

    def end(self) -> None:
        """Finish the sheet."""
        self._flush()
        if self._hidden_rows or self._hidden_cells:
            self._composer.issue(
                "hidden_cells",
                self._page,
                sheet=self._name,
                rows=self._hidden_rows,
                cells=self._hidden_cells,
            )
        self._composer.end_page()

    def _flush(self) -> None:
        group, self._group = self._group, []
        self._held = 0
        if not group:
            return
        if not self._named:
            self._composer.add("heading", self._name, 1)
            self._named = True
        group = self._titles(group)
        if not group:
            return
        first = min(min(row.cells) for row in group)
        self._composer.table(_line(row, first) for row in group)

    def _titles(self, group: list[Row]) -> list[Row]:
        """Write as paragraphs the lone cells above a table, and give the rest."""
        wide = max(len(row.cells) for row in group) > 1
        lone = 0
        while lone < len(group) and len(group[lone].cells) == 1 and (wide or len(group) == 1):
            lone += 1
        for row in group[:lone]:
            self._composer.add("paragraph", next(iter(row.cells.values())))
        return group[lone:]


def _line(row: Row, first: int) -> list[Cell]:
    """A row's cells from a column on; what merged cells cover is left to them."""
    line: list[Cell] = []
    column = first
    for at in sorted(row.cells):
        line.extend(Cell("") for _ in range(column, at))
        _, columns = row.merged.get(at, (1, 1))
        line.append(Cell(row.cells[at], 1, columns))
        column = at + columns
    return line
