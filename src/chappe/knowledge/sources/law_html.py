"""The HTML of articles of law, as blocks. Items keep the mark that the law gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from chappe.knowledge.document import DocumentBuilder, normalise
from chappe.knowledge.sources.archive import SourceFormatError
from chappe.knowledge.sources.tables import Cell, table_lines

MAX_HTML_CHARS = 8 * 1024 * 1024

_NUMBER_MARK = re.compile(r"\d{1,3}\s?(?:°|\)|o\))")
_LETTER_MARK = re.compile(r"[a-z]{1,2}\s?(?:\)|°)")
_DASH_MARK = re.compile(r"[-–—•]\s?\S")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    in_list: bool


class _Reader(HTMLParser):
    """The lines of text and the tables (rows of cells) of an article's HTML, in order."""

    _BREAKS = frozenset(
        {"p", "br", "hr", "div", "center", "ul", "ol", "dl", "dt", "dd", "blockquote", "pre"}
        | {"h1", "h2", "h3", "h4", "h5", "h6", "section"}
    )
    _SILENT = frozenset({"script", "style"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[_Line | list[list[Cell]]] = []
        self._line: list[str] = []
        self._in_list = False
        self._table: list[list[Cell]] = []
        self._open_tables = 0
        self._span: tuple[int, int] | None = None
        self._silent = 0

    def finish(self) -> list[_Line | list[list[Cell]]]:
        self.close()
        while self._open_tables:
            self.handle_endtag("table")
        self._end_line()
        return self.parts

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._SILENT:
            self._silent += 1
        elif tag == "table":
            # The rows of a table inside a table become rows of the outer one.
            self._end_cell()
            self._open_tables += 1
        elif tag == "tr":
            self._end_cell()
            self._table.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            if self._open_tables:
                values = dict(attrs)
                self._span = (_count(values.get("rowspan")), _count(values.get("colspan")))
        elif tag in self._BREAKS or tag == "li":
            self._end_line()
            self._in_list = tag == "li"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._SILENT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(self._silent - 1, 0)
        elif tag in ("td", "th", "tr"):
            self._end_cell()
        elif tag == "table":
            self._end_cell()
            self._open_tables = max(self._open_tables - 1, 0)
            if not self._open_tables:
                self.parts.append(self._table)
                self._table = []
        elif tag in self._BREAKS or tag == "li":
            self._end_line()
            self._in_list = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._line.append(data)

    def _end_line(self) -> None:
        if self._span is not None:
            self._line.append(" ")
            return
        text = normalise("".join(self._line))
        self._line.clear()
        if not text:
            return
        if self._open_tables:
            # A caption, or text that stands between rows: a row of its own.
            self._table.append([Cell(text)])
        else:
            self.parts.append(_Line(text, self._in_list))

    def _end_cell(self) -> None:
        if self._span is None:
            self._end_line()
            return
        text = normalise("".join(self._line))
        self._line.clear()
        if not self._table:
            self._table.append([])
        self._table[-1].append(Cell(text, *self._span))
        self._span = None


def _count(value: str | None) -> int:
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _parts(html: str) -> list[_Line | list[list[Cell]]]:
    if len(html) > MAX_HTML_CHARS:
        raise SourceFormatError(f"texte trop long ({len(html)} caractères)")
    reader = _Reader()
    reader.feed(html)
    return reader.finish()


def write_html(builder: DocumentBuilder, html: str) -> None:
    """Paragraphs, items and rows. Items keep the mark that the law gives them: « 1° », « a) »."""
    numbered = False
    for part in _parts(html):
        if not isinstance(part, _Line):
            for line in table_lines(part):
                builder.add("row", line)
            numbered = False
        elif part.in_list or _NUMBER_MARK.match(part.text):
            builder.add("item", part.text, 1)
            numbered = True
        elif _LETTER_MARK.match(part.text) or _DASH_MARK.match(part.text):
            builder.add("item", part.text, 2 if numbered else 1)
        else:
            builder.add("paragraph", part.text)
            numbered = False


def without_tags(html: str) -> str:
    """Plain text on one line, of a field that is text already or that has a few tags."""
    lines: list[str] = []
    for part in _parts(html):
        lines.extend([part.text] if isinstance(part, _Line) else table_lines(part))
    return " ".join(lines)
