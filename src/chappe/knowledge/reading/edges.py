"""Tables of formats that place cells by their right edges (RTF, old Word)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from chappe.knowledge.sources.tables import Cell

Row = tuple[Sequence[str], Sequence[tuple[int, bool]]]
"""The texts of a row's cells; where each ends, and whether it goes on from the row above."""


def cells_by_edges(rows: Sequence[Row]) -> Iterator[list[Cell]]:
    """Rows whose cells cover as many columns as their edges tell."""
    edges = sorted({edge for _, cells in rows for edge, _ in cells})
    above: dict[int, str] = {}
    for texts, cells in rows:
        line: list[Cell] = []
        column = 0
        for index, text in enumerate(texts):
            edge, goes_on = cells[index] if index < len(cells) else (0, False)
            width = max(bisect_right(edges, edge) - column, 1)
            text = above.get(column, "") if goes_on and not text else text
            above[column] = text
            line.append(Cell(text, 1, width))
            column += width
        yield line
