"""Words as they are placed on a page, whatever gave them: a PDF's text or a recognised image."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from chappe.knowledge.reading.model import PageText

Turn = Literal[0, 90, 180, 270]

ITEM = 7
"""The level of the first word of a list's item, where the file's own structure says so."""


@dataclass(slots=True)
class Word:
    """A word in points from the page's top left corner, as displayed; y grows downwards.

    ``base``: where it stands; ``size``: of its font; ``level``: of the heading that the file's own
    structure makes it part of, 0 for none, `ITEM` for the first word of a list's item;
    ``turn``: degrees, clockwise, by which it is turned;
    ``hidden``: a person who looks at the page doesn't see it.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    base: float
    size: float
    bold: bool = False
    level: int = 0
    turn: Turn = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line drawn on the page, horizontal or vertical."""

    left: float
    top: float
    right: float
    bottom: float


class PackedWords:
    """Words in a tenth of the memory, for documents of thousands of pages."""

    def __init__(self, words: Iterable[Word]) -> None:
        texts = []
        self._floats = array("f")
        self._flags = array("H")
        for word in words:
            texts.append(word.text)
            self._floats.extend(
                (word.left, word.top, word.right, word.bottom, word.base, word.size)
            )
            self._flags.append(
                word.bold | word.hidden << 1 | word.level << 2 | word.turn // 90 << 5
            )
        self._text = "\0".join(texts).encode()

    def __len__(self) -> int:
        return len(self._flags)

    def unpack(self) -> list[Word]:
        """The words again."""
        if not self._flags:
            return []
        words = []
        texts = self._text.decode().split("\0")
        for index, (text, flags) in enumerate(zip(texts, self._flags, strict=True)):
            left, top, right, bottom, base, size = self._floats[6 * index : 6 * index + 6]
            looks = bool(flags & 1), flags >> 2 & 7, _TURNS[flags >> 5], bool(flags & 2)
            words.append(Word(text, left, top, right, bottom, base, size, *looks))
        return words


_TURNS: tuple[Turn, ...] = (0, 90, 180, 270)


@dataclass(slots=True)
class PageWords:
    """What is known of a page before its text is put in order."""

    number: int
    width: float
    height: float
    words: PackedWords
    rules: tuple[Rule, ...] = ()
    text: PageText = "text"
    confidence: float | None = None


def upright(word: Word, turn: Turn, width: float, height: float) -> Word:
    """The word on a page of `width` by `height` turned back, where it reads from left to right.

    `turn` is the word's own, which it keeps, so that its box can be turned again.
    """
    if turn == 0:
        return word
    left, top, right, bottom = turn_box(
        (word.left, word.top, word.right, word.bottom), turn, width, height
    )
    base = bottom - 0.2 * (bottom - top)
    return replace(word, left=left, top=top, right=right, bottom=bottom, base=base)


def turn_box(
    box: tuple[float, float, float, float], turn: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """A box on the page turned counterclockwise by `turn` degrees."""
    left, top, right, bottom = box
    if turn == 90:
        return top, width - right, bottom, width - left
    if turn == 180:
        return width - right, height - bottom, width - left, height - top
    if turn == 270:
        return height - bottom, left, height - top, right
    return box
