"""Numbers of lists and headings, as their reader sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_MAX_ROMAN = 3_999

MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Level:
    """How one level of a list is numbered.

    ``style``: ``decimal``, ``zero`` (01, 02), ``lower`` and ``upper`` (letters), ``roman_lower``,
    ``roman_upper``, ``ordinal`` (1er, 2e), or ``""`` for a level without number (a bullet).
    ``pattern``: the label, in which ``%1`` to ``%9`` are the numbers of the levels.
    ``legal``: all numbers of the label are decimal, whatever their own levels say.
    """

    style: str
    pattern: str
    start: int = 1
    legal: bool = False


def number(value: int, style: str) -> str:
    """A number as text: ``number(4, "roman_lower") == "iv"``."""
    if style == "zero":
        return f"{value:02d}"
    if style in ("lower", "upper") and value > 0:
        # As word processors do after z: aa, bb, cc.
        count, letter = divmod(value - 1, 26)
        text = chr(ord("a") + letter) * min(count + 1, 8)
        return text if style == "lower" else text.upper()
    if style in ("roman_lower", "roman_upper") and 0 < value <= _MAX_ROMAN:
        text = ""
        for worth, letters in _ROMAN:
            while value >= worth:
                text, value = text + letters, value - worth
        return text.lower() if style == "roman_lower" else text
    if style == "ordinal":
        return "1er" if value == 1 else f"{value}e"
    return str(value)


class Counter:
    """Counts the items of one list, on all its levels."""

    def __init__(self) -> None:
        self._values: list[int | None] = [None] * MAX_DEPTH

    def label(self, depth: int, levels: Sequence[Level], start: int | None = None) -> str:
        """The label of the next item at a depth (from 0); empty for a bullet.

        ``start``: the number that this item has, whatever came before.
        """
        depth = min(max(depth, 0), len(levels) - 1, MAX_DEPTH - 1)
        if depth < 0:
            return ""
        for above in range(depth):
            if self._values[above] is None:
                self._values[above] = levels[above].start
        current = self._values[depth]
        if start is not None:
            value = start
        else:
            value = levels[depth].start if current is None else current + 1
        self._values[depth] = value
        for below in range(depth + 1, MAX_DEPTH):
            self._values[below] = None
        level = levels[depth]
        if not level.style:
            return ""
        label = level.pattern
        for place in range(depth, -1, -1):
            style = "decimal" if level.legal else levels[place].style or "decimal"
            label = label.replace(f"%{place + 1}", number(self._values[place] or 0, style))
        return label.strip()
