"""Running headers and footers, page numbers: lines that come back at the edge of pages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chappe.knowledge.reading.layout import rows_of
from chappe.knowledge.reading.words import Word

Edge = Literal["top", "bottom"]

_MARGIN = 0.13
_ROWS = 4
_SAME_HEIGHT_POINTS = 8.0
_MAX_CHARS = 250
_MAX_KEPT = 20
_NUMBER = re.compile(r"\d+|(?<!\w)[ivxlc]{1,6}(?!\w)", re.I)
_PAGE_OF = re.compile(r"\W*(page|p\.)?\s*\d{1,5}\s*(/|sur|de|of)\s*\d{1,5}\W*", re.I)


@dataclass(frozen=True, slots=True)
class _Seen:
    page: int
    base: float
    text: str


class Running:
    """Collects the edges of all pages, then tells which of their lines are running ones."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Edge, str], list[_Seen]] = defaultdict(list)
        self._pages = 0

    def collect(self, page: int, height: float, words: Sequence[Word]) -> None:
        """Note the lines at the edges of a page; `words` are upright."""
        self._pages += 1
        for edge, row in _edges(height, words):
            text = _text(row)
            if len(text) <= _MAX_CHARS:
                self._seen[edge, _key(text)].append(_Seen(page, row[0].base, text))

    def without(self, height: float, words: Sequence[Word]) -> list[Word]:
        """The words of a page that belong to no running line."""
        gone = {
            id(word)
            for edge, row in _edges(height, words)
            if self._is_running(edge, _text(row), row[0].base)
            for word in row
        }
        return [word for word in words if id(word) not in gone]

    def texts(self, edge: Edge) -> list[str]:
        """The running lines of an edge, each once, as first seen."""
        found = [
            seen[0].text
            for (where, _), seen in self._seen.items()
            if where == edge and self._is_running(edge, seen[0].text, seen[0].base)
        ]
        return found[:_MAX_KEPT]

    def _is_running(self, edge: Edge, text: str, base: float) -> bool:
        if _PAGE_OF.fullmatch(text):
            return True
        same = {
            seen.page
            for seen in self._seen.get((edge, _key(text)), ())
            if abs(seen.base - base) <= _SAME_HEIGHT_POINTS
        }
        return len(same) >= (2 if self._pages <= 4 else 3)


def _edges(height: float, words: Sequence[Word]) -> list[tuple[Edge, list[Word]]]:
    """The first and last lines of a page, as far as they lie in its margins."""
    margin = _MARGIN * height
    top = rows_of(word for word in words if word.bottom <= margin)
    bottom = rows_of(word for word in words if word.top >= height - margin)
    edges: list[tuple[Edge, list[Word]]] = [("top", row) for row in top[:_ROWS]]
    return edges + [("bottom", row) for row in bottom[-_ROWS:]]


def _text(row: Sequence[Word]) -> str:
    return " ".join(word.text for word in row)


def _key(text: str) -> str:
    """The text whatever its numbers: a page number is another on each page."""
    return _NUMBER.sub("#", text.lower())
