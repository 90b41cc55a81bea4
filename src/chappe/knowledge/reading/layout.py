"""From words to lines in the order that a person reads them: columns, tables, one after another.

Recursive cuts along white space (X-Y cut, Nagy & Seth 1984): a run of rows that share a gutter is
either columns of prose, read one after the other, or a table, read row by row.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from chappe.knowledge.reading.list_signs import list_sign
from chappe.knowledge.reading.words import Word

_SAME_LINE_EM = 0.25
_EXPONENT = 0.82
_RAISED_EM = 0.6
_BESIDE_EM = 0.65
_HANGING_EM = 2.5
_GAP_EM = 1.0
_GUTTER_EM = 0.9
_PROSE_WORDS = 4
_COLUMN_ROWS = 3
_ROW_GAP_EM = 1.9
_MAX_DEPTH = 12


@dataclass(slots=True)
class Line:
    """Words on one line of one column, whose sides are ``column``."""

    words: list[Word]
    left: float
    top: float
    right: float
    bottom: float
    base: float
    size: float
    column: tuple[float, float] = (0.0, 0.0)

    @property
    def text(self) -> str:
        """Its words with spaces between."""
        return " ".join(word.text for word in self.words)


@dataclass(slots=True)
class Table:
    """Rows of cells, each cell the lines in it. Cells that are one merged cell are one object."""

    rows: list[list[list[Line]]]
    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0

    @property
    def base(self) -> float:
        """Where a first line of it would stand, to take its place among lines."""
        return self.top + self.size

    @property
    def size(self) -> float:
        """Of the letters in it."""
        return next((line.size for row in self.rows for cell in row for line in cell), 10.0)


Element = Line | Table


@dataclass(slots=True)
class _Row:
    """Pieces of lines, and tables, that stand or begin at one height."""

    pieces: list[Element] = field(default_factory=list)

    @property
    def top(self) -> float:
        return min(piece.top for piece in self.pieces)

    @property
    def base(self) -> float:
        return self.pieces[0].base

    def takes(self, piece: Element) -> bool:
        """Does a piece stand beside the others, if perhaps not quite level with them?"""
        return piece.base - self.base <= _BESIDE_EM * piece.size and all(
            piece.left >= other.right or piece.right <= other.left for other in self.pieces
        )


def line_of(words: list[Word]) -> Line:
    """A line of words that are in order."""
    return Line(
        words,
        min(word.left for word in words),
        min(word.top for word in words),
        max(word.right for word in words),
        max(word.bottom for word in words),
        median(word.base for word in words),
        max(words, key=lambda word: len(word.text)).size,
    )


def rows_of(words: Iterable[Word]) -> list[list[Word]]:
    """Words grouped by the line they stand on over the whole width, each group from left to right.

    A raised or lowered small letter belongs to the line of the larger one beside it.
    """
    rows: list[list[Word]] = []
    base = size = 0.0
    for word in sorted(words, key=lambda word: word.base):
        if rows and word.base - base <= _SAME_LINE_EM * min(size, word.size):
            rows[-1].append(word)
        else:
            rows.append([word])
            base, size = word.base, word.size
    for index, row in enumerate(rows):
        for neighbour in (index - 1, index + 1):
            if 0 <= neighbour < len(rows):
                _raise(row, rows[neighbour])
    rows = [row for row in rows if row]
    for row in rows:
        row.sort(key=lambda word: word.left)
    return rows


def _raise(row: list[Word], neighbour: list[Word]) -> None:
    """Move the row's exponents and indices to the line that they belong to."""
    for word in list(row):
        for other in neighbour:
            if (
                word.size <= _EXPONENT * other.size
                and abs(word.base - other.base) <= _RAISED_EM * other.size
                and -0.1 * other.size
                <= max(word.left - other.right, other.left - word.right)
                <= 0.5 * other.size
            ):
                row.remove(word)
                neighbour.append(word)
                break


def in_reading_order(words: Sequence[Word], tables: Sequence[Table] = ()) -> list[Element]:
    """Lines and tables of upright words; `tables` were found before, and their words taken out."""
    pieces: list[Element] = [piece for row in rows_of(words) for piece in _pieces(row)]
    pieces += tables
    rows: list[_Row] = []
    for piece in sorted(pieces, key=lambda piece: piece.base):
        if rows and rows[-1].takes(piece):
            rows[-1].pieces.append(piece)
        else:
            rows.append(_Row([piece]))
    for row in rows:
        row.pieces.sort(key=lambda piece: piece.left)
    return _order(rows, 0)


def _pieces(words: list[Word]) -> list[Line]:
    """A row cut where it leaves a gap wider than a space of justified text.

    A list's sign stays with its item, however far it hangs.
    """
    pieces: list[list[Word]] = [[words[0]]]
    right = words[0].right
    for word in words[1:]:
        hangs = len(pieces[-1]) == 1 and list_sign(pieces[-1][0].text) is not None
        allowed = _HANGING_EM if hangs else _GAP_EM
        if word.left - right > allowed * max(word.size, pieces[-1][-1].size):
            pieces.append([word])
        else:
            pieces[-1].append(word)
        right = max(right, word.right)
    return [line_of(piece) for piece in pieces]


def _order(rows: list[_Row], depth: int) -> list[Element]:
    """Cut rows into runs that share a gutter, and the rest, which is read line by line."""
    elements: list[Element] = []
    plain: list[_Row] = []
    index = 0

    def flush() -> None:
        elements.extend(_lines(plain))
        plain.clear()

    while index < len(rows):
        row = rows[index]
        run = None
        if len(row.pieces) > 1 and depth < _MAX_DEPTH:
            before = _compatible_before(plain, row)
            run = _Run.grow(before + rows[index:])
        if run is None:
            plain.append(row)
            index += 1
            continue
        taken = len(run.rows) - len(before)
        del plain[len(plain) - len(before) :]
        flush()
        elements += run.elements(depth)
        index += taken
    flush()
    return elements


def _compatible_before(plain: list[_Row], seed: _Row) -> list[_Row]:
    """Rows just above a run that may be the top of its first column or its head: few and short."""
    gutter = seed.pieces[0].right, seed.pieces[1].left
    taken: list[_Row] = []
    below = seed
    for row in reversed(plain):
        piece = row.pieces[0]
        if (
            len(row.pieces) > 1
            or isinstance(piece, Table)
            or below.top - piece.bottom > 0.9 * piece.size
        ):
            break
        if not (piece.right <= gutter[0] + piece.size or piece.left >= gutter[1] - piece.size):
            break
        taken.insert(0, row)
        below = row
    return taken


def _lines(rows: list[_Row]) -> Iterator[Element]:
    """Rows of one column, each one line or a table."""
    lines: list[Line] = []
    elements: list[Element] = []
    for row in rows:
        words = [word for piece in row.pieces if isinstance(piece, Line) for word in piece.words]
        if words:
            lines.append(line_of(words))
            elements.append(lines[-1])
        elements += [piece for piece in row.pieces if isinstance(piece, Table)]
    for line in lines:
        line.column = min(one.left for one in lines), max(one.right for one in lines)
    return iter(elements)


@dataclass(slots=True)
class _Run:
    """Consecutive rows and the gutters that none of them crosses."""

    rows: list[_Row]
    gutters: list[tuple[float, float]]

    @classmethod
    def grow(cls, rows: list[_Row]) -> _Run | None:
        """The longest run from the first row on; `None` when it is neither columns nor a table."""
        free = [(float("-inf"), float("inf"))]
        taken: list[_Row] = []
        seen, bottom = 0, 0.0
        for row in rows:
            smaller = _less(free, row.pieces)
            if len(row.pieces) > 1:
                seen += 1
            pieces = [piece for one in [*taken, row] for piece in one.pieces]
            if seen and not _between(smaller, pieces):
                break
            gap = _ROW_GAP_EM * row.pieces[0].size * (2.0 if len(row.pieces) > 1 else 1.0)
            if taken and row.top - bottom > gap:
                break
            taken.append(row)
            bottom = max(bottom, *(piece.bottom for piece in row.pieces))
            free = smaller
        while taken and len(taken[-1].pieces) == 1 and not _goes_on(taken):
            taken.pop()
        free = [(float("-inf"), float("inf"))]
        for row in taken:
            free = _less(free, row.pieces)
        gutters = _between(free, [piece for row in taken for piece in row.pieces])
        run = cls(taken, gutters)
        # Within columns of prose, a list's signs leave a gutter of their own.
        widest = sorted(gutters, key=lambda gutter: gutter[0] - gutter[1])
        for wanted in [gutters, *([gutter] for gutter in widest)]:
            columns = cls(taken, wanted)
            if wanted and columns.prose:
                return columns
        return run if gutters and run.tabular else None

    def _column(self, piece: Element) -> int:
        return bisect_right([(g[0] + g[1]) / 2 for g in self.gutters], piece.left)

    @property
    def prose(self) -> bool:
        """Columns of running text: several lines in each, most of them of several words."""
        lines: list[list[int]] = [[] for _ in range(len(self.gutters) + 1)]
        tables = set()
        for row in self.rows:
            words = [0] * len(lines)
            for piece in row.pieces:
                column = self._column(piece)
                if isinstance(piece, Table):
                    tables.add(column)
                else:
                    words[column] += len(piece.words)
            for column, count in enumerate(words):
                if count:
                    lines[column].append(count)
        return all(
            column in tables or (len(counts) >= _COLUMN_ROWS and median(counts) >= _PROSE_WORDS)
            for column, counts in enumerate(lines)
        )

    @property
    def tabular(self) -> bool:
        """Rows that have something in several columns at the same height."""
        if any(isinstance(piece, Table) for row in self.rows for piece in row.pieces):
            return False
        several = sum(len(row.pieces) > 1 for row in self.rows)
        enough = 2 if len(self.gutters) > 1 else 3
        return several >= enough and several >= 0.5 * len(self.rows)

    def elements(self, depth: int) -> list[Element]:
        """The run's lines, column by column, or its table."""
        if not self.prose:
            return [self._table()]
        found: list[Element] = []
        for column in range(len(self.gutters) + 1):
            rows = [
                _Row([piece for piece in row.pieces if self._column(piece) == column])
                for row in self.rows
            ]
            found += _order([row for row in rows if row.pieces], depth + 1)
        return found

    def _table(self) -> Table:
        """A row without anything in the first column goes on with the cells above it."""
        rows: list[list[list[Line]]] = []
        before: _Row | None = None
        for row in self.rows:
            cells: list[list[Line]] = [[] for _ in range(len(self.gutters) + 1)]
            for piece in row.pieces:
                if isinstance(piece, Line):
                    cells[self._column(piece)].append(piece)
            close = before is not None and row.top - before.base < 0.6 * row.pieces[0].size
            if rows and not cells[0] and close:
                for cell, more in zip(rows[-1], cells, strict=True):
                    cell += more
            else:
                rows.append(cells)
            before = row
        pieces = [piece for row in self.rows for piece in row.pieces]
        return Table(
            rows,
            min(piece.left for piece in pieces),
            min(piece.top for piece in pieces),
            max(piece.right for piece in pieces),
            max(piece.bottom for piece in pieces),
        )


def _goes_on(rows: list[_Row]) -> bool:
    """Does the last row, alone in its column, stand close under a line of that column?"""
    piece = rows[-1].pieces[0]
    above = [
        other
        for row in rows[:-1]
        for other in row.pieces
        if other.left < piece.right and piece.left < other.right
    ]
    return bool(above) and piece.top - above[-1].bottom < 0.7 * piece.size


def _less(free: list[tuple[float, float]], pieces: Iterable[Element]) -> list[tuple[float, float]]:
    """Free intervals of x without those that pieces take."""
    for piece in pieces:
        left: list[tuple[float, float]] = []
        need = _GUTTER_EM * piece.size
        for start, end in free:
            for one in ((start, min(end, piece.left)), (max(start, piece.right), end)):
                if one[1] - one[0] >= need:
                    left.append(one)
        free = left
    return free


def _between(
    free: list[tuple[float, float]], pieces: Sequence[Element]
) -> list[tuple[float, float]]:
    """The free intervals that have something on both sides."""
    return [
        (start, end)
        for start, end in free
        if any(piece.right <= start for piece in pieces)
        and any(piece.left >= end for piece in pieces)
    ]
