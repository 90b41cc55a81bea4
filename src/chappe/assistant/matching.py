"""Typography-insensitive text matching that gives back exact spans of the original text.

Two writings of the same words compare equal here when they differ only in typography: letter
case, kinds of space, apostrophe, quotation mark and dash, ligatures, soft hyphens, emphasis
asterisks, the space that French puts before high punctuation, the space inside « 1 000 », and
composed against decomposed accents. Accents themselves are kept: « interne » and « interné » are
different words, and a quotation that drops an accent is not verbatim.
"""

import unicodedata
from dataclasses import dataclass

_CHARACTERS: dict[str, str] = {
    **dict.fromkeys("\u2019\u2018\u02bc\u201b\u2032\u00b4`", "'"),
    **dict.fromkeys("\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff*", ""),
    "\u0153": "oe",
    "\u0152": "oe",
    "\u00e6": "ae",
    "\u00c6": "ae",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\u2026": "...",
}
_NO_SPACE_BEFORE = frozenset(';:!?%€".,)]')
_NO_SPACE_AFTER = frozenset('"([')
_ONE_TO_ONE = str.maketrans(
    {character: to for character, to in _CHARACTERS.items() if len(to) == 1}
    | dict.fromkeys("\u00a0\u202f\u2007\u2009\u200a\u2002\u2003\u3000\t", " ")
)


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text folded for comparison, with the way back to the original.

    `starts[i]` and `ends[i]` are the half-open span, in code points of the original text, that the
    folded character `text[i]` comes from.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Give the original span of the folded characters [start, end); they must not be empty."""
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"empty or out of range span [{start}, {end})")
        return self.starts[start], self.ends[end - 1]


def plain_typography(text: str) -> str:
    """Unify apostrophes, quotation marks, dashes and spaces, keeping every offset as it was."""
    return text.translate(_ONE_TO_ONE)


def fold(text: str) -> FoldedText:
    """Fold `text` for typography-insensitive comparison (see the module)."""
    folded: list[tuple[str, int, int]] = []
    position, length = 0, len(text)
    while position < length:
        start = position
        position += 1
        character = text[start]
        if character.isspace():
            if folded and folded[-1][0] != " ":
                folded.append((" ", start, position))
            continue
        while position < length and unicodedata.combining(text[position]):
            position += 1
        composed = unicodedata.normalize("NFC", text[start:position])
        for piece in composed:
            for out in _CHARACTERS.get(piece, piece).lower():
                folded.append((out, start, position))
    kept = _drop_typographic_spaces(folded)
    return FoldedText(
        "".join(entry[0] for entry in kept),
        tuple(entry[1] for entry in kept),
        tuple(entry[2] for entry in kept),
    )


def _drop_typographic_spaces(folded: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    kept: list[tuple[str, int, int]] = []
    last = len(folded) - 1
    for index, entry in enumerate(folded):
        if entry[0] == " ":
            if index == last or not kept or kept[-1][0] == " ":
                continue
            before, after = kept[-1][0], folded[index + 1][0]
            if after in _NO_SPACE_BEFORE or before in _NO_SPACE_AFTER:
                continue
            if before.isdigit() and _is_group_of_three(folded, index + 1):
                continue
        kept.append(entry)
    while kept and kept[-1][0] == " ":
        kept.pop()
    return kept


def _is_group_of_three(folded: list[tuple[str, int, int]], index: int) -> bool:
    group = [entry[0] for entry in folded[index : index + 4]]
    return (
        len(group) >= 3
        and all(character.isdigit() for character in group[:3])
        and (len(group) == 3 or not group[3].isdigit())
    )


def find_folded(haystack: FoldedText, needle: str, after: int = 0) -> tuple[int, int] | None:
    """Find a folded `needle` at whole words of `haystack`, from folded offset `after` on.

    Returns the folded span, or None. A needle that starts or ends with a letter or digit never
    matches inside a longer word or number: « 6 mois » is not found in « 36 mois », nor « 5 % » in
    « 1,5 % ».
    """
    if not needle:
        return None
    position = haystack.text.find(needle, after)
    while position != -1:
        end = position + len(needle)
        if _is_whole(haystack.text, position, end):
            return position, end
        position = haystack.text.find(needle, position + 1)
    return None


def _is_whole(text: str, start: int, end: int) -> bool:
    first, last = text[start], text[end - 1]
    if start and first.isalnum():
        before = text[start - 1]
        if before.isalnum():
            return False
        if first.isdigit() and before in ",.-" and start > 1 and text[start - 2].isdigit():
            return False
    if end < len(text) and last.isalnum():
        behind = text[end]
        if behind.isalnum():
            return False
        if last.isdigit() and behind in ",.-*" and end + 1 < len(text) and text[end + 1].isdigit():
            return False
    return True


def strip_accents(text: str) -> str:
    """Drop combining marks (é becomes e); for comparing stems, never for quotations."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(piece for piece in decomposed if not unicodedata.combining(piece))
