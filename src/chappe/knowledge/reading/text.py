"""Plain text: paragraphs between empty lines, and the lists that their signs show."""

from __future__ import annotations

import re
from pathlib import Path

from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import read_text
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult

MEDIA_TYPE = "text/plain"

_ITEM = re.compile(r"(?P<indent>[ \t]*)(?P<sign>[-*•–‣▪◦]|\d{1,3}[.)]|[a-z]\))[ \t]+\S")
_BULLETS = "-*•–‣▪◦"
_TAB = 4


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file in the encoding that it looks like."""
    composer = Composer(limits)
    compose(composer, composer.cut(read_text(path, limits)))
    if not len(composer):
        raise ReadingError("empty")
    return ReadResult(composer.document(Path(name).stem, MEDIA_TYPE))


def compose(composer: Composer, text: str) -> None:
    """Add the paragraphs and list items of a text.

    Lines that follow each other are one paragraph, since most texts are wrapped; a line that begins
    with a list's sign begins an item, nested as its indent says. Bullets are dropped, numbers kept.
    """
    lines: list[str] = []
    indents: list[int] = []
    item = False

    def flush() -> None:
        if lines:
            composer.add("item" if item else "paragraph", " ".join(lines), len(indents))
            lines.clear()

    for line in text.splitlines():
        found = _ITEM.match(line)
        if not line.strip():
            flush()
            item = False
        elif found and (not lines or item or _opens_list(lines[-1], found["sign"])):
            flush()
            indent = len(found["indent"].expandtabs(_TAB))
            while indents and indents[-1] >= indent:
                indents.pop()
            indents.append(indent)
            item = True
            bullet = found["sign"] in _BULLETS
            lines.append(line[found.end("sign") :] if bullet else line)
        else:
            if not item:
                indents.clear()
            lines.append(line)
    flush()


def _opens_list(before: str, sign: str) -> bool:
    """Whether a sign at a line's start opens a list, right after a paragraph's line.

    A wrapped sentence may go on with « 5. » or a dash; the first item of a list may not.
    """
    return before.rstrip().endswith((":", ";", ".")) or sign in ("•", "▪", "◦", "‣", "1.", "1)")
