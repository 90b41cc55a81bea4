"""Building a read document: blocks one after another, tables as rows of cells, pages, issues."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chappe.knowledge.document import MAX_LEVEL, Block, BlockKind, normalise
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import Issue, Page, ReadDocument, ReadingError
from chappe.knowledge.sources.tables import Cell

# Each cell costs about 200 bytes until it is stored: with the text, a quarter of the memory.
MAX_CELLS = 1_000_000
MAX_TABLE_COLUMNS = 1_000
MAX_TABLE_ROWS_COVERED = 1_000
_MAX_EXCERPTS = 50
_EXCERPT_CHARS = 300
_SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class _Placed:
    """A cell where its row draws it; ``again`` for the other columns that it covers."""

    text: str
    again: bool = False


class Composer:
    """Appends blocks and yields the document.

    Blocks are separated by an empty line, items and the rows of one table by a line's end; between
    two tables there is an empty line.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._cells = 0
        self._pages: list[Page] = []
        self._page_start: int | None = None
        self._issues: list[Issue] = []
        self._hidden: list[str] = []
        self._hidden_chars = 0
        self.full = False

    def __len__(self) -> int:
        """Number of blocks so far."""
        return len(self._blocks)

    def first(self, kind: BlockKind) -> str:
        """The text of the first block of a kind, empty when there is none."""
        index = next((i for i, block in enumerate(self._blocks) if block.kind == kind), None)
        # A separator stands before each text.
        return "" if index is None else self._parts[2 * index + 1]

    def add(self, kind: BlockKind, text: str, level: int = 0, within: int | None = None) -> None:
        """Append a block; one without visible text isn't added.

        Levels of headings, cases and items are brought into 1..6. Beyond the limit on characters
        nothing is added, and the document says that it is truncated.
        """
        text = normalise(text)
        level = min(max(level, 1), MAX_LEVEL) if kind in ("heading", "case", "item") else 0
        previous = self._blocks[-1].kind if self._blocks else None
        self._append(kind, text, level, within, (), "\n" if kind == previous == "item" else "\n\n")

    def table(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Append a table, its first row being its header.

        A cell that covers several rows is said again in each; one that covers several columns is
        said once, and its span stands for each of them. Columns and rows without any text are left
        out, and so are the empty cells at a row's end.
        """
        grid = [row for row in _grid(rows) if any(map(_is_said, row))]
        used = sorted({c for row in grid for c, cell in enumerate(row) if _is_said(cell)})
        separator = "\n\n"
        for row in grid:
            cells = [row[column] for column in used if column < len(row)]
            while not cells[-1].text:
                cells.pop()
            separator = self._row(cells, separator)

    def _row(self, cells: Sequence[_Placed], separator: str) -> str:
        text = ""
        spans: list[tuple[int, int]] = []
        for cell in cells:
            if cell.again and spans:
                spans.append(spans[-1])
                continue
            if spans:
                text = text + ("" if not text or text.endswith(" ") else " ") + "| "
            spans.append((len(text), len(text) + len(cell.text)))
            text += cell.text
        self._cells += len(spans)
        if self._cells > MAX_CELLS:
            self._truncate()
        start = self._length + (len(separator) if self._blocks else 0)
        moved = tuple((start + left, start + right) for left, right in spans)
        return "\n" if self._append("row", text, 0, None, moved, separator) else separator

    def _append(
        self,
        kind: BlockKind,
        text: str,
        level: int,
        within: int | None,
        cells: tuple[tuple[int, int], ...],
        separator: str,
    ) -> bool:
        if not text or self.full:
            return False
        if self._blocks:
            text_length = len(separator) + len(text)
        else:
            text_length, separator = len(text), ""
        if self._length + text_length > self._limits.text_chars:
            self._truncate()
            return False
        self._parts += (separator, text)
        self._length += text_length
        start = self._length - len(text)
        self._blocks.append(Block(kind, level, start, self._length, within, cells))
        return True

    def cut(self, text: str) -> str:
        """As much of a text as is read; where that isn't all, the document says so."""
        if len(text) <= self._limits.text_chars:
            return text
        self.issue("truncated", loss=True)
        return text[: self._limits.text_chars]

    def _truncate(self) -> None:
        if not self.full:
            self.full = True
            self.issue("truncated", loss=True)

    def start_page(self) -> int:
        """Begin the next slide or sheet and return its number, from 1.

        Raises:
            ReadingError: `too_many_pages`.
        """
        self.end_page()
        if len(self._pages) >= self._limits.pages:
            pages = len(self._pages) + 1
            raise ReadingError("too_many_pages", pages=pages, limit=self._limits.pages)
        self._page_start = self._length
        return len(self._pages) + 1

    def end_page(self, width: float = 0.0, height: float = 0.0) -> None:
        """End the page that was begun, if any. Its size is in points, 0 where unknown."""
        if self._page_start is None:
            return
        start = self._page_start
        # The separator before its first block belongs to no page.
        index = bisect_left(self._blocks, start, key=lambda block: block.start)
        has_text = index < len(self._blocks)
        first = self._blocks[index].start if has_text else self._length
        self._pages.append(
            Page(
                len(self._pages) + 1,
                width,
                height,
                first,
                self._length,
                "text" if has_text else "empty",
            )
        )
        self._page_start = None

    def issue(
        self, code: str, page: int | None = None, *, loss: bool = False, **values: object
    ) -> None:
        """Note what isn't read, or is to be known; the same thing is noted once."""
        issue = Issue(code, page, {key: str(value) for key, value in values.items()}, loss)
        if issue not in self._issues:
            self._issues.append(issue)

    def hide(self, text: str) -> None:
        """Leave out text that a person who looks at the file doesn't see, and remember it."""
        text = normalise(text)
        if not text:
            return
        self._hidden_chars += len(text)
        if len(self._hidden) < _MAX_EXCERPTS:
            self._hidden.append(text[:_EXCERPT_CHARS])

    def document(
        self, title: str, media_type: str, metadata: dict[str, Any] | None = None
    ) -> ReadDocument:
        """What was composed. ``metadata`` loses its empty values, and gains ``hidden_text``."""
        self.end_page()
        if self._hidden_chars:
            self.issue("hidden_left_out", characters=self._hidden_chars)
        kept = {key: value for key, value in (metadata or {}).items() if value}
        if self._hidden:
            kept["hidden_text"] = self._hidden
        return ReadDocument(
            title=normalise(title),
            media_type=media_type,
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            pages=tuple(self._pages),
            metadata=kept,
            issues=tuple(self._issues),
        )


def _is_said(cell: _Placed) -> bool:
    return bool(cell.text) and not cell.again


def _grid(rows: Iterable[Sequence[Cell]]) -> Iterator[list[_Placed]]:
    """Rows in which each cell stands at its column, with what covers them from above."""
    pending: dict[int, tuple[int, _Placed]] = {}
    for row in rows:
        placed: list[_Placed] = []
        coming: dict[int, tuple[int, _Placed]] = {}
        cells = iter(row)
        cell = next(cells, None)
        while len(placed) < MAX_TABLE_COLUMNS and (cell is not None or pending):
            column = len(placed)
            if column in pending:
                left, above = pending.pop(column)
                if left > 1:
                    coming[column] = (left - 1, above)
                placed.append(above)
            elif cell is not None:
                text = normalise(cell.text)
                width = min(max(cell.columns, 1), MAX_TABLE_COLUMNS - column)
                height = min(max(cell.rows, 1), MAX_TABLE_ROWS_COVERED)
                for offset in range(width):
                    one = _Placed(text, again=offset > 0)
                    if height > 1:
                        coming[column + offset] = (height - 1, one)
                    pending.pop(column + offset, None)
                    placed.append(one)
                cell = next(cells, None)
            else:
                placed.append(_Placed(""))
        pending = coming
        yield placed
