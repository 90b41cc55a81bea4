"""Writing a document's text from drafts: words joined, hyphens mended, each word's box kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chappe.knowledge.document import MAX_LEVEL, Block
from chappe.knowledge.reading.hyphens import Vocabulary, is_cut
from chappe.knowledge.reading.layout import Line, Table
from chappe.knowledge.reading.model import Box, Boxes
from chappe.knowledge.reading.structure import Draft
from chappe.knowledge.reading.words import Word, turn_box

_OPEN_ENDS = (".", "!", "?", ":", ";", "…", "»", ")")


class Assembly:
    """The text so far, its blocks, its boxes, where its pages begin, what in it is hidden."""

    def __init__(self, vocabulary: Vocabulary, limit: int) -> None:
        self._vocabulary = vocabulary
        self._limit = limit
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._boxes = Boxes()
        self._hidden: list[tuple[int, int]] = []
        self._page = (0, 0.0, 0.0)
        self._last_word: Word | None = None
        self.full = False
        self.hidden_chars = 0

    @property
    def length(self) -> int:
        """Characters so far."""
        return self._length

    def begin_page(self, number: int, width: float, height: float) -> None:
        """What is added from now on stands on this page, of this size as displayed."""
        self._page = number, width, height

    def add(self, draft: Draft) -> int | None:
        """Write a block; gives where it starts, `None` when there is no room left for it."""
        if draft.table is not None:
            return self._table(draft.table)
        words = [word for line in draft.lines for word in line.words]
        if not self._room(sum(len(word.text) + 1 for word in words)):
            return None
        if self._continues(draft, words):
            start = self._write(draft.lines, after=self._last_word)
            self._blocks[-1] = replace(self._blocks[-1], end=self._length)
            return start
        kind, level = draft.kind, min(draft.level, MAX_LEVEL)
        same = bool(self._blocks) and self._blocks[-1].kind == kind == "item"
        self._separate("\n" if same else "\n\n")
        start = self._write(draft.lines)
        if self._length > start:
            self._blocks.append(Block(kind, level, start, self._length))
        return start

    def build(self) -> tuple[str, tuple[Block, ...], Boxes, tuple[tuple[int, int], ...]]:
        """The text, its blocks, boxes and hidden spans. Levels of headings leave no gap."""
        used = sorted({block.level for block in self._blocks if block.kind == "heading"})
        dense = {level: index for index, level in enumerate(used, 1)}
        blocks = tuple(
            replace(block, level=dense[block.level]) if block.kind == "heading" else block
            for block in self._blocks
        )
        return "".join(self._parts), blocks, self._boxes, tuple(self._hidden)

    def _room(self, length: int) -> bool:
        if self._length + length + 2 > self._limit:
            self.full = True
        return not self.full

    def _separate(self, separator: str) -> None:
        if self._blocks:
            self._put(separator)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _continues(self, draft: Draft, words: Sequence[Word]) -> bool:
        """Does a paragraph go on with the one before, cut by a column's or a page's end?"""
        last = self._last_word
        if (
            draft.kind != "paragraph"
            or last is None
            or not self._blocks
            or self._blocks[-1].kind not in ("paragraph", "item")
            or not words
        ):
            return False
        first = words[0]
        if abs(first.size - last.size) > 0.1 * last.size or first.turn != last.turn:
            return False
        return first.text[:1].islower() and not last.text.endswith(_OPEN_ENDS)

    def _write(self, lines: Sequence[Line], after: Word | None = None) -> int:
        """Words with spaces between; gives where the first one starts."""
        start: int | None = None
        before = after
        for word, at_line_start in _flow(lines):
            if before is not None:
                if (at_line_start or before is after) and is_cut(before.text, word.text):
                    self._mend(before, word)
                else:
                    self._put(" ")
            if start is None:
                start = self._length
            self._word(word)
            before = word
        self._last_word = before
        return self._length if start is None else start

    def _mend(self, before: Word, word: Word) -> None:
        """Take back the hyphen just written unless it belongs to the word."""
        if self._vocabulary.keeps_hyphen(before.text[:-1], word.text):
            return
        self._parts[-1] = self._parts[-1][:-1]
        self._length -= 1
        self._boxes.shorten_last()
        if self._hidden and self._hidden[-1][1] > self._length:
            self._hidden[-1] = self._hidden[-1][0], self._length

    def _word(self, word: Word) -> None:
        start, end = self._length, self._length + len(word.text)
        self._put(word.text)
        number, width, height = self._page
        box = word.left, word.top, word.right, word.bottom
        if word.turn:
            if word.turn in (90, 270):
                width, height = height, width
            box = turn_box(box, 360 - word.turn, width, height)
        self._boxes.append(Box(start, end, number, *box))
        if word.hidden:
            self.hidden_chars += len(word.text)
            if self._hidden and self._hidden[-1][1] == start - 1:
                self._hidden[-1] = self._hidden[-1][0], end
            else:
                self._hidden.append((start, end))

    def _table(self, table: Table) -> int | None:
        first: int | None = None
        for row in table.rows:
            words = [word for cell in row for line in cell for word in line.words]
            if not words:
                continue
            if not self._room(sum(len(word.text) + 1 for word in words) + 3 * len(row)):
                break
            self._separate("\n\n" if first is None else "\n")
            start = self._length
            cells: list[tuple[int, int]] = []
            for index, cell in enumerate(row):
                if cell and index and cell is row[index - 1]:
                    cells.append(cells[-1])
                    continue
                if index:
                    spaced = self._length == start or self._parts[-1].endswith(" ")
                    self._put("| " if spaced else " | ")
                begin = self._write(cell)
                cells.append((begin, self._length))
            self._trim(start)
            end = self._length
            spans = tuple((min(a, end), min(b, end)) for a, b in cells)
            self._blocks.append(Block("row", 0, start, end, cells=spans))
            first = start if first is None else first
        self._last_word = None
        return first

    def _trim(self, start: int) -> None:
        """Blocks end with what is seen, not with a space."""
        while self._length > start and self._parts[-1].endswith(" "):
            self._parts[-1] = self._parts[-1][:-1]
            self._length -= 1
            if not self._parts[-1]:
                self._parts.pop()


def _flow(lines: Iterable[Line]) -> Iterator[tuple[Word, bool]]:
    """Words of lines, and whether each is the first of its line."""
    for line in lines:
        for index, word in enumerate(line.words):
            yield word, index == 0
