"""Cutting a document into passages that follow its structure.

A passage is what is searched, shown to the model and cited. It is a contiguous span of the
document's text, made of whole blocks except where one block alone is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chappe.knowledge.document import Block, PassageSpan, SourceDocument

TARGET_CHARS = 900
MAX_CHARS = 1500

# A chapter or a case with less text than this may share its passage with those beside it.
BIG_SECTION_CHARS = 200

# So much of the names of a table's columns is told where the table goes on.
COLUMNS_CHARS = 300

_SENTENCE_END = re.compile(r"[.!?;:…»)][\"»”]?(?=\s)")
_SPACE = re.compile(r"\s")


def split(
    document: SourceDocument, target_chars: int = TARGET_CHARS, max_chars: int = MAX_CHARS
) -> tuple[PassageSpan, ...]:
    """Cut a document into passages (lengths in code points).

    The passages are ordered and disjoint, have no whitespace at their ends, together hold every
    other character of the text, and none is longer than ``max_chars``.

    They follow the structure. A section (a heading or case with what it holds) stays whole when it
    fits; a chapter or a case of ``BIG_SECTION_CHARS`` or more never shares a passage with the
    sections beside it, while smaller ones may be together. A heading, the sentence that leads to
    a list, and the first row of a table stay with what follows them. A block longer than
    ``max_chars`` is cut after a sentence, else between words, else anywhere.

    ``heading_path`` ends with the innermost section that the whole passage is about. Headings of
    the passage's own start are part of it: a passage that is one case has that case at the end of
    its path, even after the heading and the few words that lead to the cases. One made of several
    small cases only has what they have in common. A passage that goes on with a table, the first
    row of which is in an earlier one, has that row (the names of the columns) at the end.

    Raises ``ValueError`` when the limits make no sense or text stands outside the blocks.
    """
    if not 0 < target_chars <= max_chars:
        raise ValueError("0 < target_chars <= max_chars is required")
    root = _tree(document)
    cutter = _Cutter(document.text, target_chars, max_chars)
    cutter.place(root)
    cutter.flush()
    return tuple(
        PassageSpan(group[0].start, group[-1].end, _heading_path(document.text, group))
        for group in cutter.groups
    )


# --- The tree of sections -----------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Section:
    """A heading or case and what it holds; the root has no heading."""

    heading: Block | None
    level: int
    parent: _Section | None
    children: list[_Unit | _Section] = field(default_factory=list)
    start: int = 0
    end: int = 0

    def __len__(self) -> int:
        return self.end - self.start

    def path(self) -> list[_Section]:
        """The sections from the outermost heading to this one."""
        above = [] if self.parent is None else self.parent.path()
        return above if self.heading is None else [*above, self]


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut again: a block, or a piece of a block that is too long."""

    start: int
    end: int
    section: _Section
    is_heading: bool = False
    # Must not be the end of a passage: a heading, a sentence that leads to a list...
    leads: bool = False
    # Of a row of a table, its first row: the names of the columns.
    columns: Block | None = None


def _tree(document: SourceDocument) -> _Section:
    text = document.text
    root = _Section(None, 0, None)
    current = root
    position = 0
    columns: Block | None = None
    blocks = document.blocks
    for index, block in enumerate(blocks):
        if text[position : block.start].strip():
            raise ValueError(f"{document.external_id}: text outside the blocks at {position}")
        position = block.end
        first = block.kind == "row" and (index == 0 or blocks[index - 1].kind != "row")
        columns = block if first else columns if block.kind == "row" else None
        start, end = _trimmed(text, block.start, block.end)
        if start == end:
            continue
        if block.kind in ("heading", "case"):
            while current.parent is not None and current.level >= block.level:
                current = current.parent
            inner = _Section(block, block.level, current)
            current.children.append(inner)
            current = inner
            current.children.append(_Unit(start, end, current, is_heading=True, leads=True))
        else:
            while (
                block.within is not None
                and current.parent is not None
                and current.level > block.within
            ):
                current = current.parent
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            leads = following is not None and _leads(text, block, following, blocks[index - 1])
            above = None if columns is block else columns
            current.children.append(_Unit(start, end, current, leads=leads, columns=above))
    if text[position:].strip():
        raise ValueError(f"{document.external_id}: text outside the blocks at {position}")
    _measure(root)
    return root


def _leads(text: str, block: Block, following: Block, previous: Block) -> bool:
    """Whether a block says nothing without the next one."""
    if following.kind in ("heading", "case"):
        return False
    if following.kind == "row":
        # A table's caption, and its first row: the names of the columns.
        return block.kind == "paragraph" or (block.kind == "row" and previous.kind != "row")
    nested = block.kind == "item" and following.kind == "item" and following.level <= block.level
    return text[block.start : block.end].rstrip().endswith(":") and not nested


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _measure(section: _Section) -> None:
    for child in section.children:
        if isinstance(child, _Section):
            _measure(child)
    if section.children:
        section.start, section.end = section.children[0].start, section.children[-1].end


def _units(section: _Section) -> Iterator[_Unit]:
    for child in section.children:
        if isinstance(child, _Section):
            yield from _units(child)
        else:
            yield child


def _apart(section: _Section) -> bool:
    """Whether a section must not share a passage with what stands beside it."""
    if section.heading is None or len(section) < BIG_SECTION_CHARS:
        return False
    if section.heading.kind == "case":
        return True
    # A chapter: a heading that no other heading encloses, be it under the case of a tab.
    above = section.parent
    while above is not None and above.heading is not None:
        if above.heading.kind == "heading":
            return False
        above = above.parent
    return True


def _mixes(section: _Section) -> bool:
    """Whether one passage of the whole section would mix sections that must stay apart."""
    inner = [child for child in section.children if isinstance(child, _Section)]
    return (len(inner) > 1 and any(map(_apart, inner))) or any(map(_mixes, inner))


# --- Cutting --------------------------------------------------------------------------------------


class _Cutter:
    """Places units one after another; closes a passage where the structure asks for it."""

    def __init__(self, text: str, target: int, limit: int) -> None:
        self._text = text
        self._target = target
        self._limit = limit
        # A section of text alone is not cut for a little more than the target.
        self._whole = (target + limit) // 2
        self.groups: list[list[_Unit]] = []
        self._open: list[_Unit] = []

    def place(self, section: _Section) -> None:
        """Add a section after what is open already."""
        if self._fits(section):
            self._open.extend(_units(section))
            return
        placed: list[_Section] = []
        for child in section.children:
            if isinstance(child, _Section):
                if self._must_part(child, placed):
                    self._close()
                self.place(child)
                placed.append(child)
            else:
                if any(_apart(sibling) for sibling in placed if self._holds(sibling)):
                    self._close()
                self._add(child)

    def flush(self) -> None:
        """Close the last passage."""
        if self._open:
            self._append(self._open)
            self._open = []

    def _fits(self, section: _Section) -> bool:
        """Whether the passage that is open can take a whole section."""
        only_text = not any(isinstance(child, _Section) for child in section.children)
        start = self._open[0].start if self._open else section.start
        most = self._whole if only_text else self._target
        return section.end - start <= most and not _mixes(section)

    def _holds(self, section: _Section) -> bool:
        return bool(self._open) and section.end > self._open[0].start

    def _must_part(self, section: _Section, placed: list[_Section]) -> bool:
        """Whether a section must start a new passage, after those of its siblings placed."""
        body = self._body()
        if not body:
            return False
        held = [sibling for sibling in placed if self._holds(sibling)]
        if not held:
            # What is open leads to the section: text of the sections around it.
            long = body[-1].end - body[0].start >= BIG_SECTION_CHARS
            return long and (_apart(section) or not self._fits(section))
        cut = any(sibling.start < self._open[0].start for sibling in held)
        apart = _apart(section) or any(map(_apart, held))
        return cut or apart or not self._fits(section)

    def _body(self) -> list[_Unit]:
        """What is open, less the units at its end that must stay with what follows."""
        count = len(self._open)
        while count and self._open[count - 1].leads:
            count -= 1
        return self._open[:count]

    def _close(self) -> None:
        body = self._body()
        if body:
            self._append(body)
            self._open = self._open[len(body) :]

    def _append(self, group: list[_Unit]) -> None:
        """Keep a passage; a short rest of a section goes back to the passage before it."""
        if self.groups and not any(unit.is_heading for unit in group):
            previous = self.groups[-1]
            if (
                group[-1].end - group[0].start < BIG_SECTION_CHARS
                and previous[-1].section is group[0].section
                and group[-1].end - previous[0].start <= self._limit
            ):
                previous.extend(group)
                return
        self.groups.append(group)

    def _add(self, unit: _Unit) -> None:
        if self._open and unit.end - self._open[0].start > self._target:
            body = self._body()
            short = bool(body) and body[-1].end - body[0].start < BIG_SECTION_CHARS
            if not short or unit.end - self._open[0].start > self._limit:
                self._close()
        start = self._open[0].start if self._open else unit.start
        if unit.end - start <= self._limit:
            self._open.append(unit)
            return
        room = self._limit - (unit.start - start)
        if self._open and room < self._limit // 4:
            self.flush()
            room = self._limit
        for piece in self._pieces(unit, room):
            if self._open and piece.end - self._open[0].start > self._limit:
                self.flush()
            self._open.append(piece)
            if piece.end < unit.end:
                self.flush()

    def _pieces(self, unit: _Unit, room: int) -> Iterator[_Unit]:
        """The pieces of a unit, each of the target's length at most, the first one of ``room``."""
        position = unit.start
        most = min(self._target, room)
        while unit.end - position > most:
            cut = self._cut(position, most)
            start, end = _trimmed(self._text, position, cut)
            if start < end:
                yield replace(unit, start=start, end=end, leads=False)
            position = _trimmed(self._text, cut, unit.end)[0]
            most = self._target
        if position < unit.end:
            yield replace(unit, start=position)

    def _cut(self, position: int, most: int) -> int:
        """Where to cut: after the last sentence, else between words, else anywhere."""
        window = self._text[position : position + most + 1]
        for pattern in (_SENTENCE_END, _SPACE):
            ends = [match.end() for match in pattern.finditer(window) if match.end() <= most]
            if ends and ends[-1] > most // 4:
                return position + ends[-1]
        return position + most


def _heading_path(text: str, group: list[_Unit]) -> tuple[str, ...]:
    path = group[-1].section.path()
    while path and not _is_about(path, group):
        path.pop()
    headings = [section.heading for section in path]
    # What goes on with a table whose first row is in another passage says what its columns are.
    columns = group[0].columns
    texts = [text[block.start : block.end].strip() for block in headings if block is not None]
    if columns is not None:
        texts.append(text[columns.start : columns.end].strip()[:COLUMNS_CHARS])
    return tuple(texts)


def _is_about(path: list[_Section], group: list[_Unit]) -> bool:
    """Whether a passage is the innermost section of a path and, at most, a few words before it.

    Those words, and headings, belong to the sections around it and lead to it.
    """
    section, around = path[-1], path[:-1]
    inside = [section in unit.section.path() for unit in group]
    first = inside.index(True)
    if not all(inside[first:]):
        return False
    before = [unit for unit in group[:first] if not unit.is_heading]
    if any(
        unit.section.heading is not None and unit.section not in around for unit in group[:first]
    ):
        return False
    return sum(unit.end - unit.start for unit in before) < BIG_SECTION_CHARS
