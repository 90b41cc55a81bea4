"""Articles of French codes, from the ``@socialgouv/legi-data`` package.

The package holds one JSON file for each code: a tree of sections whose leaves are articles in
their version of the day. One article is one document.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from chappe.knowledge.document import DocumentBuilder, SourceDocument, normalise
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.tables import Cell, table_lines

MAX_HTML_CHARS = 8 * 1024 * 1024

_OFFICIAL = "https://www.legifrance.gouv.fr/codes/article_lc"
_CODE_ID = re.compile(r"LEGITEXT\d{12}")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Légifrance writes 2999-01-01 for "no end" and 2222-02-22 for "on a date not known yet".
_UNKNOWN_FROM_YEAR = 2222
_FIELDS = ("id", "cid", "num", "etat", "dateDebut", "dateFin", "texte", "texteHtml", "nota")
# "L100-1", "R*112-9-1", "LO111-3", "160-17-2"; not "Annexe I" or "Tableau n° 1".
_NUMBERED = re.compile(r"[A-Z]{0,2}\.?\s?\*{0,2}\s?\d")
_NUMBER_MARK = re.compile(r"\d{1,3}\s?(?:°|\)|o\))")
_LETTER_MARK = re.compile(r"[a-z]{1,2}\s?(?:\)|°)")
_DASH_MARK = re.compile(r"[-–—•]\s?\S")


def read_articles(path: Path, code_id: str) -> list[SourceItem]:
    """The articles of a code, in the code's order; its length is the total for a progress bar.

    The code's whole tree is in memory while it is read, then only its articles, still unparsed.
    ``external_id`` is the identifier that an article's versions have in common (``cid``).
    Raises :class:`SourceFormatError` for a damaged archive, an unknown code, or a tree in another
    format.
    """
    if not _CODE_ID.fullmatch(code_id):
        raise SourceFormatError(f"identifiant de code refusé : {code_id!r}")
    wanted = f"package/data/{code_id}.json"
    for name, raw in archive.members(path, wanted):
        if name == wanted:
            try:
                return list(_items(json.loads(raw), code_id))
            except (ValueError, RecursionError) as error:
                raise SourceFormatError(f"code {code_id} : {error}") from error
    raise SourceFormatError(f"{path.name} : le code {code_id} n'y est pas")


def _items(root: object, code_id: str) -> Iterator[SourceItem]:
    seen: set[str] = set()
    for path, article in _articles(root, ()):
        values = {field: article.get(field) for field in _FIELDS}
        content = {"code": code_id, "path": path, "article": values}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        external_id = values["cid"]
        if not isinstance(external_id, str) or not external_id:
            raise SourceFormatError(f"article {values['id']!r} sans identifiant commun")
        if external_id in seen:
            raise SourceFormatError(f"article {external_id} présent deux fois")
        seen.add(external_id)
        digest = hashlib.sha256(canonical).hexdigest()
        yield SourceItem(external_id, digest, partial(parse_article, canonical))


def _articles(
    node: object, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if not isinstance(node, dict) or not isinstance(data := node.get("data"), dict):
        raise SourceFormatError("un nœud n'est ni un code, ni une section, ni un article")
    if node.get("type") == "article":
        yield path, data
    elif node.get("type") in ("code", "section"):
        inner = (*path, normalise(str(data.get("title") or "")))
        children = node.get("children") or []
        if not isinstance(children, list):
            raise SourceFormatError(f"section {inner[-1]!r} sans liste d'éléments")
        for child in children:
            yield from _articles(child, inner)
    else:
        raise SourceFormatError(f"nœud de type inconnu {node.get('type')!r}")


def parse_article(canonical: bytes) -> SourceDocument:
    """Parse one article from the JSON made by :func:`read_articles`.

    Raises :class:`SourceFormatError`, which names the article.
    """
    content = json.loads(canonical.decode("utf-8", "surrogatepass"))
    article = content["article"]
    try:
        return _document(article, content["code"], tuple(content["path"]))
    except (SourceFormatError, TypeError, OverflowError) as error:
        raise SourceFormatError(f"article {article.get('cid')} : {error}") from error


def _document(article: dict[str, Any], code_id: str, path: tuple[str, ...]) -> SourceDocument:
    article_id = article["id"]
    if not isinstance(article_id, str) or not article_id:
        raise SourceFormatError("identifiant de version absent")
    number = normalise(_text(article, "num"))
    nota = normalise(_without_tags(_text(article, "nota")))
    code = path[0] if path else ""
    start, end = _date(article["dateDebut"]), _date(article["dateFin"])

    builder = DocumentBuilder()
    _write_html(builder, _text(article, "texteHtml"))
    if not len(builder):
        builder.add("paragraph", _without_tags(_text(article, "texte")))
    metadata: dict[str, Any] = {
        "code": code,
        "code_id": code_id,
        "number": number or None,
        "state": article["etat"],
        "version_start": start.isoformat() if start else None,
        "version_end": end.isoformat() if end else None,
        "nota": nota or None,
        "article_id": article_id,
    }
    if not len(builder):
        metadata["empty"] = True
        builder.add("note", nota)
    text, blocks = builder.build()
    return SourceDocument(
        external_id=article["cid"],
        kind="article",
        title=f"{_label(number, article_id)} – {code}",
        url=f"{_OFFICIAL}/{article_id}",
        date=start,
        audience=None,
        theme_path=tuple(title for title in path if title),
        text=text,
        blocks=blocks,
        metadata=metadata,
    )


def _text(article: dict[str, Any], field: str) -> str:
    value = article[field]
    if value is not None and not isinstance(value, str):
        raise SourceFormatError(f"le champ {field!r} n'est pas un texte")
    return value or ""


def _label(number: str, article_id: str) -> str:
    if not number:
        return f"Article {article_id}"
    return f"Article {number}" if _NUMBERED.match(number) else number


def _date(milliseconds: object) -> dt.date | None:
    """The day of a version: the package writes midnight UTC of the official date."""
    if milliseconds is None:
        return None
    if not isinstance(milliseconds, int):
        raise SourceFormatError(f"date impossible {milliseconds!r}")
    day = (_EPOCH + dt.timedelta(milliseconds=milliseconds)).date()
    return day if day.year < _UNKNOWN_FROM_YEAR else None


# --- HTML -------------------------------------------------------------------------------------


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


def _write_html(builder: DocumentBuilder, html: str) -> None:
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


def _without_tags(html: str) -> str:
    """Plain text on one line, of a field that is text already or that has a few tags."""
    lines: list[str] = []
    for part in _parts(html):
        lines.extend([part.text] if isinstance(part, _Line) else table_lines(part))
    return " ".join(lines)
