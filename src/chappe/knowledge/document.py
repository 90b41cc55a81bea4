"""A document as every room sees it: normalised text, its structure, and spans of characters.

All offsets are half-open and count Unicode code points of ``SourceDocument.text``.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

BlockKind = Literal["heading", "paragraph", "item", "case", "row", "note"]

MAX_LEVEL = 6

_WHITESPACE = re.compile(r"\s+")
# Soft hyphens, zero-width characters and byte-order marks have no place in a text that is quoted.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
# PostgreSQL refuses NUL, and other control characters carry nothing that a reader sees.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Block:
    """A structural unit of a document's text.

    Blocks are ordered and disjoint; everything between them is whitespace.

    ``level``: headings and cases 1..6 (a heading inside a case is deeper), items their list
    nesting from 1, other kinds 0.
    ``within``: ``None`` for a block that belongs to the nearest heading or case above it. When the
    text goes back to an outer section (a remark after a list of cases that holds for all of them),
    the level of the heading or case that it belongs to, 0 being the document itself.
    ``cells``: of a row, the span of each of its cells, so that a table can be drawn as one.
    """

    kind: BlockKind
    level: int
    start: int
    end: int
    within: int | None = None
    cells: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One official document, read from its source.

    ``kind`` is ``fiche`` (a service-public.fr sheet), ``service`` (a form or online service) or
    ``article`` (an article of law). ``date`` is the last change of a sheet or the start of this
    version of an article. ``theme_path`` goes from the widest theme to the narrowest.
    ``metadata`` is JSON-safe. ``valid_from`` and ``valid_to``: of a version of an article, its
    first day in force and the first day on which it no longer is.
    """

    external_id: str
    kind: str
    title: str
    url: str
    date: dt.date | None
    audience: str | None
    theme_path: tuple[str, ...]
    text: str
    blocks: tuple[Block, ...]
    metadata: dict[str, Any]
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None


@dataclass(frozen=True, slots=True)
class PassageSpan:
    """A passage: a span of a document's text and the headings and cases that enclose it.

    ``heading_path`` goes from the outermost heading to the innermost one; the document's title is
    not part of it.
    """

    start: int
    end: int
    heading_path: tuple[str, ...]


def normalise(text: str) -> str:
    """One line of text in NFC: any run of whitespace becomes one space, both ends are trimmed.

    Invisible and control characters are dropped; a lone surrogate becomes U+FFFD, since it could
    not be stored as UTF-8.
    """
    text = _CONTROL.sub("", text.translate(_INVISIBLE))
    text = _SURROGATE.sub("\ufffd", text)
    return unicodedata.normalize("NFC", _WHITESPACE.sub(" ", text)).strip()


class DocumentBuilder:
    """Appends blocks one after another and yields the normalised text with their spans."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def __len__(self) -> int:
        """Number of blocks so far."""
        return len(self._blocks)

    def add(
        self, kind: BlockKind, text: str, level: int = 0, within: int | None = None
    ) -> Block | None:
        """Append a block and return it; a block without visible text is not added (``None``).

        Levels of headings, cases and items are brought into 1..6.
        """
        text = normalise(text)
        if not text:
            return None
        level = min(max(level, 1), MAX_LEVEL) if kind in ("heading", "case", "item") else 0
        if self._blocks:
            previous = self._blocks[-1].kind
            separator = "\n" if kind == previous and kind in ("item", "row") else "\n\n"
            self._parts.append(separator)
            self._length += len(separator)
        block = Block(kind, level, self._length, self._length + len(text), within)
        self._parts.append(text)
        self._length = block.end
        self._blocks.append(block)
        return block

    def build(self) -> tuple[str, tuple[Block, ...]]:
        """The text and its blocks."""
        return "".join(self._parts), tuple(self._blocks)
