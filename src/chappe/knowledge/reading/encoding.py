"""The encoding of a text that doesn't say, or says it wrongly.

A byte order mark, then UTF-8, which no other text happens to be, then UTF-16 by its zeros. What is
left is one byte a character: the old encodings of French are told apart by what they make of the
text, and others are guessed by charset-normalizer when they make nothing of it.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from charset_normalizer import from_bytes

from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Windows, macOS before X, MS-DOS: in the order in which a tie is decided.
_FRENCH_ENCODINGS = ("cp1252", "iso8859-15", "mac_roman", "cp850")
_FRENCH = frozenset("àâäçéèêëîïôöùûüÿæœÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸÆŒ")
_SIGNS = frozenset("«»’‘“”–—…€°§²³·•\u00a0")
_SAMPLE_BYTES = 256 * 1024


def read_text(path: Path, limits: Limits, declared: re.Pattern[bytes] | None = None) -> str:
    """The text of a file as far as it may be long; ``declared`` finds where it says its encoding.

    Compare its length with ``limits.text_chars``: what is longer was cut and must be cut again.

    Raises:
        ReadingError: as :func:`decode`.
    """
    with path.open("rb") as file:
        # No character has more bytes in any encoding.
        data = file.read(4 * limits.text_chars + 4)
    found = declared.search(data[:4096]) if declared else None
    return decode(data, found[1].decode("ascii") if found else None)


def decode(data: bytes, declared: str | None = None) -> str:
    """The text of a file; ``declared`` is believed when the bytes fit.

    Raises:
        ReadingError: `unsupported` for bytes that are no text in any encoding.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").lstrip("\ufeff")
    if wide := _without_mark(data[:_SAMPLE_BYTES]):
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared and (text := _declared(data, declared)) is not None:
        return text
    if data.count(b"\0"):
        raise ReadingError("unsupported", type="application/octet-stream")
    if _nearly_utf8(data):
        return data.decode("utf-8", "replace")
    return data.decode(_single_byte(data), "replace")


def _declared(data: bytes, declared: str) -> str | None:
    try:
        # Browsers read Latin-1 as Windows-1252, and so do their authors.
        name = codecs.lookup(declared).name
        text = data.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeDecodeError, ValueError):
        return None
    return text if name != "utf-8" and isinstance(text, str) else None


def _without_mark(sample: bytes) -> str | None:
    half = len(sample) // 2
    if half < 2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _nearly_utf8(data: bytes) -> bool:
    """UTF-8 with a few damaged bytes, or cut in the middle of a character."""
    text = data[:_SAMPLE_BYTES].decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(ord(character) > 127 for character in text) - bad
    return good > 10 * bad


def _single_byte(data: bytes) -> str:
    sample = _beyond_ascii(data)
    scores = {encoding: _frenchness(sample, encoding) for encoding in _FRENCH_ENCODINGS}
    best = max(_FRENCH_ENCODINGS, key=lambda encoding: scores[encoding])
    if scores[best] > 0.5:
        return best
    guess = from_bytes(data[:_SAMPLE_BYTES]).best()
    return guess.encoding if guess is not None else best


def _beyond_ascii(data: bytes) -> bytes:
    """The words that the question is about, wherever they stand in the file."""
    words = [word for word in data[: 40 * _SAMPLE_BYTES].split() if not word.isascii()]
    return b" ".join(words[:20_000])


def _frenchness(sample: bytes, encoding: str) -> float:
    """From -1 to 1: what is French among the characters beyond ASCII.

    A capital accented letter inside a word in small letters, or a sign inside a word, counts
    against the encoding.
    """
    text = sample.decode(encoding, "replace")
    score = total = 0
    for index, character in enumerate(text):
        if ord(character) < 128:
            continue
        total += 1
        before, after = text[max(index - 1, 0) : index], text[index + 1 : index + 2]
        if character in _FRENCH:
            odd = character.isupper() and (
                before.islower() or (after.islower() and before.islower())
            )
            score += -1 if odd else 1
        elif character in _SIGNS:
            inside = before.isalpha() and after.isalpha() and character not in "’‘·–—"
            score += -1 if inside else 1
        else:
            score -= 1
    return score / total if total else 1.0
