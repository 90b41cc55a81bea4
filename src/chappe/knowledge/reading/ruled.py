"""Tables whose cells are drawn with rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chappe.knowledge.reading.layout import Line, Table, line_of, rows_of
from chappe.knowledge.reading.words import Rule, Word

_SNAP = 2.0
_TOUCH = 3.0
_MAX_CROSSINGS = 1_000_000
_REPEATED_CHARS = 200


@dataclass(slots=True)
class _Span:
    """A rule: where it lies (`at`), and from where to where."""

    at: float
    start: float
    end: float


def ruled_tables(rules: Sequence[Rule], words: list[Word]) -> tuple[list[Table], list[Word]]:
    """Tables of at least two rows and two columns with text, and the words outside them."""
    flat = _merged(_Span(r.top, r.left, r.right) for r in rules if r.top == r.bottom)
    steep = _merged(_Span(r.left, r.top, r.bottom) for r in rules if r.left == r.right)
    if not flat or not steep or len(flat) * len(steep) > _MAX_CROSSINGS:
        return [], words
    tables = []
    for horizontal, vertical in _meshes(flat, steep):
        table, words = _table(horizontal, vertical, words)
        if table is not None:
            tables.append(table)
    return tables, words


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """Rules that lie on each other or follow each other become one."""
    groups: list[list[_Span]] = []
    for span in sorted(spans, key=lambda span: span.at):
        if groups and span.at - groups[-1][0].at <= _SNAP:
            groups[-1].append(span)
        else:
            groups.append([span])
    merged: list[_Span] = []
    for group in groups:
        at = sum(span.at for span in group) / len(group)
        group.sort(key=lambda span: span.start)
        current = _Span(at, group[0].start, group[0].end)
        for span in group[1:]:
            if span.start - current.end <= _TOUCH:
                current.end = max(current.end, span.end)
            else:
                merged.append(current)
                current = _Span(at, span.start, span.end)
        merged.append(current)
    return merged


def _meshes(flat: list[_Span], steep: list[_Span]) -> list[tuple[list[_Span], list[_Span]]]:
    """Rules that cross or touch, directly or through others, belong to one table."""
    parent = list(range(len(flat) + len(steep)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for i, h in enumerate(flat):
        for j, v in enumerate(steep):
            if (
                h.start - _TOUCH <= v.at <= h.end + _TOUCH
                and v.start - _TOUCH <= h.at <= v.end + _TOUCH
            ):
                parent[root(i)] = root(len(flat) + j)
    meshes: dict[int, tuple[list[_Span], list[_Span]]] = {}
    for index, span in enumerate([*flat, *steep]):
        mesh = meshes.setdefault(root(index), ([], []))
        mesh[index >= len(flat)].append(span)
    return [mesh for mesh in meshes.values() if mesh[0] and mesh[1]]


def _edges(lines: list[_Span], across: list[_Span]) -> list[float]:
    """Where columns (or rows) begin and end; a table open at its sides ends with the others."""
    places = sorted(
        [line.at for line in lines]
        + [min(line.start for line in across), max(line.end for line in across)]
    )
    edges: list[float] = []
    for place in places:
        if not edges or place - edges[-1] > _TOUCH:
            edges.append(place)
    return edges


def _table(
    flat: list[_Span], steep: list[_Span], words: list[Word]
) -> tuple[Table | None, list[Word]]:
    xs, ys = _edges(steep, flat), _edges(flat, steep)
    columns, rows = len(xs) - 1, len(ys) - 1
    if columns < 2 or rows < 2:
        return None, words
    inside: dict[int, list[Word]] = {}
    outside: list[Word] = []
    owner = _cells(xs, ys, flat, steep)
    for word in words:
        x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
        if xs[0] <= x <= xs[-1] and ys[0] <= y <= ys[-1]:
            row = min(bisect_right(ys, y), rows) - 1
            column = min(bisect_right(xs, x), columns) - 1
            inside.setdefault(owner[row * columns + column], []).append(word)
        else:
            outside.append(word)
    lines = {cell: [line_of(row) for row in rows_of(part)] for cell, part in inside.items()}
    grid = _grid(lines, owner, rows, columns)
    if len(grid) < 2 or len(grid[0]) < 2:
        return None, words
    return Table(grid, xs[0], ys[0], xs[-1], ys[-1]), outside


def _cells(xs: list[float], ys: list[float], flat: list[_Span], steep: list[_Span]) -> list[int]:
    """For each place of the grid, the cell that it is part of: no rule, no border."""
    columns, rows = len(xs) - 1, len(ys) - 1
    owner = list(range(columns * rows))

    def ruled(lines: list[_Span], at: float, middle: float) -> bool:
        return any(
            abs(line.at - at) <= _TOUCH and line.start - _TOUCH <= middle <= line.end + _TOUCH
            for line in lines
        )

    for row in range(rows):
        for column in range(columns):
            here = row * columns + column
            middle_x, middle_y = (
                (xs[column] + xs[column + 1]) / 2,
                (ys[row] + ys[row + 1]) / 2,
            )
            if column and not ruled(steep, xs[column], middle_y):
                owner[here] = owner[here - 1]
            elif row and not ruled(flat, ys[row], middle_x):
                owner[here] = owner[here - columns]
    return owner


def _grid(
    lines: dict[int, list[Line]], owner: list[int], rows: int, columns: int
) -> list[list[list[Line]]]:
    """Rows and columns that hold something; a long cell over several rows is said once."""
    said: set[int] = set()
    grid: list[list[list[Line]]] = []
    for row in range(rows):
        cells: list[list[Line]] = []
        for column in range(columns):
            cell = owner[row * columns + column]
            content = lines.get(cell, [])
            above = row and owner[(row - 1) * columns + column] == cell
            if above and cell in said and sum(len(x.text) for x in content) > _REPEATED_CHARS:
                content = []
            cells.append(content)
        said.update(owner[row * columns : (row + 1) * columns])
        grid.append(cells)
    grid = [row for row in grid if any(row)]
    used = [column for column in range(columns) if any(row[column] for row in grid)]
    # A column that only repeats what its left neighbour covers isn't one.
    distinct = [
        column
        for place, column in enumerate(used)
        if place == 0
        or any(row[column] and row[column] is not row[used[place - 1]] for row in grid)
    ]
    return [[row[column] for column in distinct] for row in grid]
