"""Words cut at a line's end: whether their hyphen goes, by what the document says itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

HYPHENS = "-\u2010\u00ad"

_MAX_WORDS = 300_000
_EDGES = re.compile(r"^[^\w]+|[^\w]+$")
# After these a hyphen is French spelling, whatever follows; before those, whatever precedes.
_FIRST = frozenset(
    (
        "vice", "sous", "demi", "ex", "non", "avant", "après", "mi", "semi", "quasi", "celui",
        "celle", "ceux", "celles", "peut", "au", "ci", "là", "par", "jusque", "rendez", "grand",
        "grands", "grande", "grandes", "chef", "arc", "quelques", "lui", "elle", "eux", "nous",
        "vous", "moi", "toi", "soi", "même", "porte", "garde", "rez", "bien", "outre", "vis",
        "est",
    )
)  # fmt: skip
_SECOND = frozenset(
    (
        "ci", "là", "même", "mêmes", "je", "tu", "il", "elle", "on", "nous", "vous", "ils",
        "elles", "ce", "moi", "toi", "lui", "leur", "y", "en", "t", "le", "la", "les", "dessus",
        "dessous", "dehors", "delà", "uns", "unes", "clé", "clés",
    )
)  # fmt: skip


class Vocabulary:
    """The words of a document that stand whole on a line."""

    def __init__(self) -> None:
        self._words: Counter[str] = Counter()

    def add(self, words: Iterable[str]) -> None:
        """Count words; the first 300,000 different ones."""
        for word in words:
            bare = _EDGES.sub("", word).lower()
            if bare in self._words or len(self._words) < _MAX_WORDS:
                self._words[bare] += 1

    def keeps_hyphen(self, first: str, second: str) -> bool:
        """Does `first-` at a line's end and `second` at the next one's start keep the hyphen?

        The document's own spelling decides; without it, French compounds, names and numbers keep
        theirs, and anything else was cut to fill the line.
        """
        left, right = _EDGES.sub("", first).lower(), _EDGES.sub("", second).lower()
        hyphened = self._words[f"{left}-{right}"]
        joined = self._words[left + right]
        if hyphened != joined:
            return hyphened > joined
        if not second[:1].islower() or not left[-1:].isalpha():
            return True
        # In « dix-huit à vingt-deux » the part after the last hyphen is what was cut.
        return left.rsplit("-", 1)[-1] in _FIRST or right.split("-", 1)[0] in _SECOND


def is_cut(word: str, following: str) -> bool:
    """Does a word at a line's end go on at the start of the next line?"""
    return len(word) > 1 and word[-1] in HYPHENS and word[-2].isalnum() and following[:1].isalnum()
