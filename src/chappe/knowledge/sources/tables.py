"""Tables as lines of text, each of which can be read alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# What one cell may cover; no cell is dropped, however many there are.
MAX_ROWS = 200
MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, and how many rows and columns it covers (at least 1)."""

    text: str
    rows: int = 1
    columns: int = 1


def table_lines(table: Iterable[Sequence[Cell]]) -> list[str]:
    """One line for each row, cells separated by `` | ``.

    A cell that covers several rows is said again in each of them, as its reader sees it; one that
    covers several columns is said once. Rows without any text of their own are left out. What a
    cell covers is bounded by ``MAX_ROWS`` and ``MAX_COLUMNS``, whatever the source says.
    """
    lines: list[str] = []
    # Column -> rows still covered from above, and the text there ("" for a cell's other columns).
    pending: dict[int, tuple[int, str]] = {}
    for row in table:
        texts: list[str] = []
        column = 0
        cells = iter(row)
        coming: dict[int, tuple[int, str]] = {}
        cell = next(cells, None)
        own_text = False
        while cell is not None or any(at >= column for at in pending):
            if column in pending:
                left, text = pending.pop(column)
                if left > 1:
                    coming[column] = (left - 1, text)
                texts.append(text)
                column += 1
            elif cell is not None:
                width = min(max(cell.columns, 1), max(MAX_COLUMNS - column, 1))
                height = min(max(cell.rows, 1), MAX_ROWS)
                for offset in range(width):
                    text = cell.text if offset == 0 else ""
                    if height > 1:
                        coming[column + offset] = (height - 1, text)
                    texts.append(text)
                column += width
                own_text = own_text or bool(cell.text)
                cell = next(cells, None)
            else:
                column += 1
        pending = coming
        if own_text:
            lines.append(" | ".join(text for text in texts if text))
    return lines
