"""Rich Text Format (.rtf).

RTF 1.9.1: groups, control words, and destinations that aren't text. Hidden and deleted text is
left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.edges import cells_by_edges
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult

MEDIA_TYPE = "application/rtf"

_TOKEN = re.compile(
    rb"\\'(?P<byte>[0-9a-fA-F]{2})|\\(?P<word>[a-zA-Z]{1,32})(?P<value>-?\d{1,10})? ?"
    rb"|\\(?P<sign>[^a-zA-Z])|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)|[\r\n]+"
)
_MAX_DEPTH = 1_000
_DESTINATIONS = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "listtable", "listoverridetable", "revtbl", "rsidtbl"}
    | {"info", "pict", "object", "objdata", "themedata", "colorschememapping", "datastore"}
    | {"latentstyles", "generator", "xmlnstbl", "fldinst", "bkmkstart", "bkmkend", "nonshppict"}
    | {"pgdsctbl", "filetbl", "template", "private", "annotation", "atnid", "atnauthor", "shpinst"}
    | {"footnote", "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr"}
    | {
        "footerf",
        "listtext",
        "pntext",
        "htmltag",
        "mhtmltag",
        "xe",
        "tc",
        "mmathPr",
        "wgrffmtfilter",
    }
)
_RUNNING = ("header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf")
_KEPT = {"footnote": "note", "listtext": "label", "pntext": "label"} | {
    name: "running_headers" if name.startswith("header") else "running_footers" for name in _RUNNING
}
_INFO = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords"}
_SIGNS = {
    "tab": " ", "line": " ", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ",
}  # fmt: skip
_BULLETS = "•·-–o▪\uf0b7\uf0a7"
_HEADING = re.compile(r"(?:heading|titre) ([1-9])\b", re.IGNORECASE)
_TITLE = re.compile(r"(?:title|titre);?$", re.IGNORECASE)
# Character sets of fonts whose code page isn't the document's.
_CHARSETS = {
    2: "cp1252", 77: "mac_roman", 161: "cp1253", 162: "cp1254", 204: "cp1251", 238: "cp1250",
}  # fmt: skip


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file."""
    composer = Composer(limits)
    metadata = compose(composer, path.read_bytes())
    if not len(composer):
        raise ReadingError("empty")
    title = str(metadata.pop("title", ""))
    return ReadResult(
        composer.document(
            title or composer.first("heading") or Path(name).stem, MEDIA_TYPE, metadata
        )
    )


def compose(composer: Composer, data: bytes) -> dict[str, Any]:
    """Add the text of an RTF file to a document, and give its properties.

    Raises:
        ReadingError: `broken` for groups that are nested beyond all measure.
    """
    parser = _Parser(composer)
    for match in _TOKEN.finditer(data):
        parser.token(match)
        if composer.full:
            break
    parser.end()
    if parser.deleted:
        composer.issue("tracked_changes", deleted=parser.deleted, inserted=0)
    return parser.metadata


@dataclass(slots=True)
class _State:
    """What a group inherits and gives back when it ends."""

    target: str = "body"
    encoding: str = ""
    fallback: int = 1
    hidden: bool = False
    deleted: bool = False
    white: bool = False
    shaded: bool = False

    def unseen(self, *, in_shade: bool) -> bool:
        """Hidden, or white with nothing of its own behind it."""
        return self.hidden or (self.white and not self.shaded and not in_shade)


@dataclass(slots=True)
class _Paragraph:
    level: int | None = None
    style: int = 0
    in_table: bool = False
    label: str | None = None
    depth: int = 0
    texts: list[str] = field(default_factory=list)


class _Parser:
    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._states = [_State()]
        self._code_page = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._styles: dict[int, int] = {}
        self._style = 0
        self._collected: dict[str, list[str]] = {}
        self._paragraph = _Paragraph()
        self._notes: list[str] = []
        self._note_count = 0
        self._cells: list[str] = []
        # Of the row being described: where each cell ends, and whether it goes on from above.
        self._ends: list[tuple[int, bool]] = []
        self._goes_on = self._in_shade = False
        self._rows: list[tuple[list[str], list[tuple[int, bool]]]] = []
        self._colors: list[dict[str, int]] = [{}]
        self._unseen: list[str] = []
        self._bytes = bytearray()
        self._skip = 0
        self._starred = False
        self.metadata: dict[str, Any] = {}
        self.deleted = 0

    def token(self, match: re.Match[bytes]) -> None:
        """Take the next token."""
        kind = match.lastgroup
        if kind == "byte":
            self._byte(int(match["byte"], 16))
        elif kind == "text":
            for byte in match["text"]:
                self._byte(byte)
        elif kind == "brace":
            self._open() if match["brace"] == b"{" else self._close()
        elif kind == "sign":
            sign = match["sign"].decode("latin-1")
            self._starred = sign == "*" or self._starred
            if sign != "*":
                self._write({"~": "\u00a0", "_": "-", "-": ""}.get(sign, sign))
        elif match["word"]:
            value = match["value"]
            self._word(match["word"].decode("ascii"), None if value is None else int(value))

    def end(self) -> None:
        """What the file ends with."""
        self._end_paragraph()
        self._end_table()

    # Groups

    def _open(self) -> None:
        self._flush()
        if len(self._states) > _MAX_DEPTH:
            raise ReadingError("broken", reason="nesting")
        self._states.append(replace(self._states[-1]))
        self._starred = False

    def _close(self) -> None:
        self._flush()
        if len(self._states) < 2:
            return
        closed = self._states.pop()
        if closed.target == self._states[-1].target:
            return
        text = normalise("".join(self._collected.pop(closed.target, [])))
        if closed.target == "label" and text:
            self._paragraph.label = "" if text in _BULLETS else text
        elif closed.target == "note" and text:
            self._notes.append(text)
        elif closed.target in ("running_headers", "running_footers") and text:
            texts = self.metadata.setdefault(closed.target, [])
            if text not in texts:
                texts.append(text)
        elif closed.target.startswith("info:") and text:
            self.metadata[closed.target.removeprefix("info:")] = text
        elif closed.target == "stylesheet:one":
            heading = _HEADING.match(text)
            if heading or _TITLE.match(text):
                self._styles[self._style] = int(heading[1]) if heading else 1

    # Control words

    def _word(self, word: str, value: int | None) -> None:
        state = self._states[-1]
        if word == "u" and value is not None:
            self._flush()
            self._write(chr(value % 0x10000))
            self._skip = state.fallback
            return
        self._flush()
        self._skip = 0
        on = value != 0
        if word == "bin":
            return
        if word in _DESTINATIONS:
            state.target = _KEPT.get(word, word)
            if word == "info":
                state.target = "info"
        elif state.target == "info" or state.target.startswith("info:"):
            if word in _INFO:
                state.target = f"info:{_INFO[word]}"
        elif state.target == "colortbl":
            if word in ("red", "green", "blue") and value is not None:
                self._colors[-1][word] = value
        elif state.target == "fonttbl":
            if word == "f" and value is not None:
                self._font = value
            elif word == "fcharset" and value in _CHARSETS:
                self._fonts[self._font] = _CHARSETS[value]
        elif state.target.startswith("stylesheet"):
            if word == "s" and value is not None:
                self._style, state.target = value, "stylesheet:one"
        elif self._starred:
            state.target = "ignored"
        else:
            self._formatting(word, value, on, state)
        self._starred = False

    def _formatting(self, word: str, value: int | None, on: bool, state: _State) -> None:
        paragraph = self._paragraph
        if word == "ansicpg" and value:
            self._code_page = f"cp{value}"
        elif word == "mac":
            self._code_page = "mac_roman"
        elif word == "uc" and value is not None:
            state.fallback = max(value, 0)
        elif word == "f" and value is not None:
            state.encoding = self._fonts.get(value, "")
        elif word == "v":
            state.hidden = on
        elif word == "deleted":
            state.deleted = on
            self.deleted += on
        elif word == "plain":
            state.hidden = state.deleted = state.white = state.shaded = False
        elif word == "cf":
            color = self._colors[value or 0] if (value or 0) < len(self._colors) else {}
            state.white = color == {"red": 255, "green": 255, "blue": 255}
        elif word in ("highlight", "chcbpat", "cb"):
            state.shaded = bool(value)
        elif word in ("cbpat", "clcbpat"):
            self._in_shade = bool(value)
        elif word == "trowd":
            self._ends, self._goes_on, self._in_shade = [], False, False
        elif word == "clvmrg":
            self._goes_on = True
        elif word == "cellx" and value is not None:
            self._ends.append((value, self._goes_on))
            self._goes_on = False
        elif word in _SIGNS:
            self._write(_SIGNS[word])
        elif state.target != "body":
            if word in ("par", "cell"):
                self._write(" ")
        elif word in ("par", "sect"):
            self._end_paragraph()
        elif word == "pard":
            paragraph.level, paragraph.in_table, paragraph.style = None, False, 0
            paragraph.label, paragraph.depth = None, 0
            self._in_shade = False
        elif word == "s" and value is not None:
            paragraph.level = self._styles.get(value)
        elif word == "outlinelevel" and value is not None and value < 9:
            paragraph.level = value + 1
        elif word == "ilvl" and value is not None:
            paragraph.depth = value
        elif word == "intbl":
            paragraph.in_table = True
        elif word in ("cell", "nestcell"):
            self._cells.append(normalise("".join(paragraph.texts)))
            paragraph.texts.clear()
        elif word == "row":
            self._rows.append((self._cells, self._ends))
            self._cells = []

    # Text

    def _byte(self, byte: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._bytes.append(byte)

    def _flush(self) -> None:
        if self._bytes:
            data, self._bytes = bytes(self._bytes), bytearray()
            encoding = self._states[-1].encoding or self._code_page
            try:
                self._write(data.decode(encoding, "replace"))
            except LookupError:
                self._write(data.decode("cp1252", "replace"))

    def _write(self, text: str) -> None:
        self._flush()
        state = self._states[-1]
        if state.target == "colortbl":
            self._colors += [{} for _ in range(text.count(";"))]
        elif state.target != "body":
            if state.target in _COLLECTED or ":" in state.target:
                self._collected.setdefault(state.target, []).append(text)
        elif state.unseen(in_shade=self._in_shade):
            self._unseen.append(text)
        elif not state.deleted:
            if not self._paragraph.in_table and not self._cells:
                self._end_table()
            self._paragraph.texts.append(text)

    def _end_paragraph(self) -> None:
        self._flush()
        self._composer.hide("".join(self._unseen))
        self._unseen.clear()
        paragraph = self._paragraph
        text = _paired("".join(paragraph.texts))
        if paragraph.in_table or self._cells:
            # Several paragraphs of one cell.
            paragraph.texts[:] = [text, " "]
            return
        paragraph.texts.clear()
        if normalise(text):
            if paragraph.level is not None:
                self._composer.add("heading", _labelled(paragraph.label, text), paragraph.level)
            elif paragraph.label is not None:
                self._composer.add("item", _labelled(paragraph.label, text), paragraph.depth + 1)
            else:
                self._composer.add("paragraph", text)
        paragraph.label = None
        for note in self._notes:
            self._note_count += 1
            self._composer.add("note", f"Note {self._note_count} : {_paired(note)}")
        self._notes.clear()

    def _end_table(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._composer.table(
                cells_by_edges(
                    [([_paired(text) for text in texts], cells) for texts, cells in rows]
                )
            )


_COLLECTED = frozenset(_KEPT.values())


def _labelled(label: str | None, text: str) -> str:
    return f"{label} {text}" if label else text


def _paired(text: str) -> str:
    """Characters beyond U+FFFF come as two halves."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
