"""From lines in reading order to blocks: headings, paragraphs, items, notes, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from chappe.knowledge.document import MAX_LEVEL, BlockKind
from chappe.knowledge.reading.hyphens import is_cut
from chappe.knowledge.reading.layout import Element, Line, Table
from chappe.knowledge.reading.list_signs import list_sign
from chappe.knowledge.reading.words import ITEM, Word

_LARGER = 1.12
_LARGER_RECOGNISED = 1.18
_SMALLER = 0.88
_HEADING_CHARS = 200
_HEADING_LINES = 3
_RARE = 0.25
_GAP = 1.3
_SIZE_STEP = 0.08
_INDENT_EM = 0.8
_NOTE_BELOW = 0.6
_HANGING_EM = 0.7
_ENDS = (".", "!", "?", ";", ":", "…")


@dataclass(slots=True)
class Draft:
    """A block before its text is written: lines to join, or a table's rows."""

    kind: BlockKind
    level: int = 0
    lines: list[Line] = field(default_factory=list)
    table: Table | None = None


class Styles:
    """How much of a document is set in which size and weight, and so what its headings are."""

    def __init__(self) -> None:
        self._chars: Counter[tuple[float, bool]] = Counter()
        self._outline: dict[str, int] = {}
        self.body = 10.0
        self._body_bold = False
        self._levels: dict[tuple[float, bool], int] = {}

    def add(self, words: Sequence[Word]) -> None:
        """Count a page's words."""
        for word in words:
            self._chars[_style(word.size, word.bold)] += len(word.text)

    def set_outline(self, outline: Mapping[str, int]) -> None:
        """Bookmarks: title → depth from 1."""
        self._outline = {_plain(title): level for title, level in outline.items()}

    def settle(self) -> None:
        """Find the body's style and rank those of headings, the largest first."""
        total = sum(self._chars.values())
        if not total:
            return
        self.body, self._body_bold = max(self._chars, key=lambda style: self._chars[style])
        ranks = sorted(
            (
                style
                for style, count in self._chars.items()
                if self._stands_out(*style, _LARGER) and count < _RARE * total
            ),
            key=lambda style: (-style[0], not style[1]),
        )
        level, before = 0, 0.0
        for size, bold in ranks:
            # A size apart, or the same with and without weight.
            if not before or size < before * (1 - _SIZE_STEP / 2) or size <= self.body:
                level = min(level + 1, MAX_LEVEL)
            before = size
            self._levels[size, bold] = level

    def _stands_out(self, size: float, bold: bool, larger: float) -> bool:
        if size >= self.body * larger:
            return True
        return bold and not self._body_bold and size >= 0.95 * self.body

    def heading_level(self, lines: Sequence[Line], recognised: bool) -> int:
        """1 to 6 for the lines of a heading, 0 for others."""
        text = " ".join(line.text for line in lines)
        if len(text) > _HEADING_CHARS or not any(map(str.isalpha, text)):
            return 0
        tagged = lines[0].words[0].level % ITEM
        if tagged and all(word.level == tagged for line in lines for word in line.words):
            return tagged
        known = self._outline.get(_plain(text))
        if known:
            return min(known, MAX_LEVEL)
        if len(lines) > _HEADING_LINES:
            return 0
        size, bold = lines[0].size, _all_bold(lines)
        if not self._stands_out(size, bold, _LARGER_RECOGNISED if recognised else _LARGER):
            return 0
        larger = size >= self.body * _LARGER
        if text.endswith((",", ";")) or (not larger and text.endswith((".", ":"))):
            return 0
        if text[:1].islower() and not larger:
            return 0
        return self._levels.get(_style(size, bold), 0) or self._nearest(size)

    def _nearest(self, size: float) -> int:
        ranked = [(abs(known - size), level) for (known, _), level in self._levels.items()]
        return min(ranked)[1] if ranked else 1


def drafts(
    elements: Sequence[Element], styles: Styles, height: float, recognised: bool
) -> Iterator[Draft]:
    """Blocks of one page, in order."""
    lines: list[Line] = []
    items = _Items()
    for element in [*elements, None]:
        if isinstance(element, Line) and (not lines or element.column == lines[-1].column):
            lines.append(element)
            continue
        for group in _paragraphs(lines):
            yield _block(group, styles, items, height, recognised)
        lines = [element] if isinstance(element, Line) else []
        if isinstance(element, Table):
            items.end()
            yield Draft("row", table=element)


def _block(
    lines: list[Line], styles: Styles, items: _Items, height: float, recognised: bool
) -> Draft:
    level = styles.heading_level(lines, recognised)
    marker = _marker(lines[0])
    if level and marker != "bullet":
        items.end()
        return Draft("heading", level, lines)
    if marker:
        depth = items.depth(lines[0].left)
        if marker == "bullet":
            lines = [_without_first(lines[0]), *lines[1:]]
        return Draft("item", depth, lines)
    items.end()
    small = all(line.size <= _SMALLER * styles.body for line in lines)
    if small and lines[0].top > _NOTE_BELOW * height and not recognised:
        return Draft("note", 0, lines)
    return Draft("paragraph", 0, lines)


class _Items:
    """Nesting of the items of one list, by how far they are indented."""

    def __init__(self) -> None:
        self._lefts: list[float] = []

    def depth(self, left: float) -> int:
        """1 for the outermost."""
        while self._lefts and left < self._lefts[-1] - 3:
            self._lefts.pop()
        if not self._lefts or left > self._lefts[-1] + 3:
            self._lefts.append(left)
        return min(len(self._lefts), MAX_LEVEL)

    def end(self) -> None:
        """The list is over."""
        self._lefts.clear()


def _paragraphs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Consecutive lines of one column, cut where a new paragraph begins."""
    if not lines:
        return
    leading = _leading(lines)
    group = [lines[0]]
    for line in lines[1:]:
        if _begins(group, line, leading):
            yield group
            group = [line]
        else:
            group.append(line)
    yield group


def _leading(lines: Sequence[Line]) -> float:
    """Usual distance of two lines, in sizes of their letters."""
    steps = [
        (after.base - before.base) / max(after.size, 1.0)
        for before, after in pairwise(lines)
        if abs(after.size - before.size) <= _SIZE_STEP * after.size
        and 0.9 <= (after.base - before.base) / max(after.size, 1.0) <= 2.2
    ]
    return min(median(steps), 1.8) if steps else 1.25


def _begins(group: list[Line], line: Line, leading: float) -> bool:
    """Does a line begin a new paragraph after those of a group?"""
    last, size = group[-1], max(line.size, 1.0)
    if abs(line.size - last.size) > _SIZE_STEP * size or _marker(line):
        return True
    if line.words[0].level % ITEM != last.words[-1].level % ITEM:
        return True
    if is_cut(last.words[-1].text, line.words[0].text):
        return False
    step = line.base - last.base
    if step <= 0 or step > _GAP * leading * size:
        return True
    if _all_bold([line]) != _all_bold([last]) and (len(group) == 1 or _all_bold(group)):
        return _all_bold(group) or not any(word.bold for word in last.words)
    item = _marker(group[0]) is not None
    if item:
        return line.left < group[0].left - 0.5 * size
    left, right = line.column
    if (
        line.left - left > _INDENT_EM * size
        and last.left - left < 0.3 * size
        and (last.text.endswith(_ENDS) and line.left - left < 6 * size)
    ):
        return True
    local = max(right if len(group) < 2 else 0.0, *(one.right for one in group), line.right)
    first = line.words[0].right - line.words[0].left
    fitted = last.right + first + 0.4 * size < local - 0.5 * size
    starts = not line.text[:1].islower()
    return fitted and starts and (last.text.endswith(_ENDS) or len(group) > 1 or _short(last))


def _short(line: Line) -> bool:
    left, right = line.column
    return line.right - left < 0.6 * (right - left)


def _marker(line: Line) -> str | None:
    """`bullet` or `number` when a line begins with a list's sign and goes on.

    `sign`: the file says that it begins an item, whose bullet is drawn rather than written.
    """
    if len(line.words) < 2:
        return "sign" if line.words[0].level == ITEM else None
    first, second = line.words[:2]
    if first.text.isdecimal() and len(first.text) < 3:
        return "number" if second.left - first.right > _HANGING_EM * first.size else None
    return list_sign(first.text) or ("sign" if first.level == ITEM else None)


def _without_first(line: Line) -> Line:
    rest = line.words[1:]
    return Line(
        rest, line.left, line.top, line.right, line.bottom, line.base, line.size, line.column
    )


def _all_bold(lines: Sequence[Line]) -> bool:
    return all(word.bold for line in lines for word in line.words if word.text.isalnum())


def _style(size: float, bold: bool) -> tuple[float, bool]:
    return round(size * 2) / 2, bold


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))
