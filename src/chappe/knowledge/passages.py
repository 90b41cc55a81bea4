"""Cutting a document into passages that follow its structure.

A passage is what is searched, shown to the model and cited. It is a contiguous span of the
document's text, made of whole blocks except where one block alone is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from chappe.knowledge.document import Block, PassageSpan, SourceDocument

TARGET_CHARS = 900
MAX_CHARS = 1500

# A section with less text than this may share its passage with a section beside it.
BIG_SECTION_CHARS = 200

_SENTENCE_END = re.compile(r"[.!?;:…»)][\"»”]?(?=\s)")
_SPACE = re.compile(r"\s")


def split(
    document: SourceDocument, target_chars: int = TARGET_CHARS, max_chars: int = MAX_CHARS
) -> tuple[PassageSpan, ...]:
    """Cut a document into passages (lengths in code points).

    The passages are ordered and disjoint, have no whitespace at their ends, together hold every
    other character of the text, and none is longer than ``max_chars``.

    They follow the structure. A section (a heading or case with what it holds) stays whole when it
    fits; two chapters, or two cases of one choice, of ``BIG_SECTION_CHARS`` or more each never
    share a passage. A heading, the sentence that leads to a list, and the first row of a table
    stay with what follows them. A block longer than ``max_chars`` is cut after a sentence, else
    between words, else anywhere.

    ``heading_path`` names the headings and cases whose section holds the whole passage, apart from
    headings at its very start: a passage that is one case, its own heading included, has that case
    in its path; one made of several small cases only has what they have in common.

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

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

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


def _tree(document: SourceDocument) -> _Section:
    text = document.text
    root = _Section(None, 0, None)
    current = root
    position = 0
    blocks = document.blocks
    for index, block in enumerate(blocks):
        if text[position : block.start].strip():
            raise ValueError(f"{document.external_id}: text outside the blocks at {position}")
        position = block.end
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
            current.children.append(_Unit(start, end, current, leads=leads))
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
    """Whether a section must not share a passage with a big one beside it."""
    if section.heading is None or len(section) < BIG_SECTION_CHARS:
        return False
    return section.heading.kind == "case" or section.level == 1


def _mixes(section: _Section) -> bool:
    """Whether one passage of the whole section would hold big sections that must stay apart."""
    inner = [child for child in section.children if isinstance(child, _Section)]
    return sum(map(_apart, inner)) > 1 or any(map(_mixes, inner))


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
        """Add a section, after what is open already."""
        if self._fits_whole(section):
            self._open.extend(_units(section))
            return
        before: _Section | None = None
        for child in section.children:
            if isinstance(child, _Section):
                if self._must_part(child, before):
                    self._close()
                self.place(child)
                before = child
            else:
                if before is not None and self._ends_inside(before):
                    self._close()
                self._add(child)

    def flush(self) -> None:
        """Close the last passage."""
        if self._open:
            self._append(self._open)
            self._open = []

    def _length(self) -> int:
        return self._open[-1].end - self._open[0].start if self._open else 0

    def _span_with(self, end: int, start: int) -> int:
        return end - (self._open[0].start if self._open else start)

    def _fits_whole(self, section: _Section) -> bool:
        only_text = not any(isinstance(child, _Section) for child in section.children)
        most = self._whole if only_text else self._target
        return self._span_with(section.end, section.start) <= most and not _mixes(section)
