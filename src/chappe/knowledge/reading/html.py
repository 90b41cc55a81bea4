"""Web pages, and whatever becomes HTML on its way: Markdown, chapters of books, messages.

Only what a reader sees: the main part of the page where it says which that is, without navigation,
banners, forms' controls, scripts and styles. Nothing is fetched and nothing runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import read_text
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, parse_html
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.numbering import number
from chappe.knowledge.reading.visibility import Sheet
from chappe.knowledge.sources.tables import Cell

MEDIA_TYPE = "text/html"

_DECLARED = re.compile(
    rb"<(?:meta[^>]{0,200}charset|\?xml[^>]{0,200}encoding)\s*=\s*[\"']?([\w-]+)"
)
_HEADING = re.compile(r"h([1-6])$")
_SKIPPED = frozenset(
    {"script", "style", "noscript", "template", "head", "iframe", "object", "embed", "svg"}
    | {"canvas", "audio", "video", "map", "button", "select", "input", "textarea", "datalist"}
    | {"nav", "dialog", "meta", "link", "title", "rp", "progress", "meter"}
)
_SKIPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "menu"})
# At the page's own level only: an article has headers, footers and asides that belong to it.
_PAGE_FURNITURE = frozenset({"header", "footer", "aside"})
_SECTIONING = ("article", "section", "main", "blockquote", "td")
_BLOCKS = frozenset(
    {"p", "div", "section", "article", "main", "header", "footer", "aside", "blockquote", "pre"}
    | {"ul", "ol", "li", "dl", "dt", "dd", "table", "figure", "figcaption", "form", "fieldset"}
    | {"legend", "address", "details", "summary", "hr", "body", "html", "center", "caption"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "tr", "td", "th", "tbody", "thead", "tfoot", "hgroup"}
)
_LIST_STYLES = {"a": "lower", "A": "upper", "i": "roman_lower", "I": "roman_upper"}
_META = {"author": "author", "description": "description", "keywords": "keywords"}


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read a page, in the encoding that it says, else the one that it looks like."""
    composer = Composer(limits)
    root = parse_html(composer.cut(read_text(path, limits, _DECLARED)))
    title, metadata = describe(root)
    compose(composer, root)
    if not len(composer):
        raise ReadingError("empty")
    first = composer.first("heading")
    return ReadResult(composer.document(title or first or Path(name).stem, MEDIA_TYPE, metadata))


def describe(root: Element) -> tuple[str, dict[str, Any]]:
    """The title of a page, and its author, language..."""
    found = root.find(".//title")
    title = normalise(found.text or "") if found is not None else ""
    metadata: dict[str, Any] = {"language": root.get("lang") or ""}
    for meta in root.iter("meta"):
        key = _META.get((meta.get("name") or "").lower())
        if key:
            metadata[key] = normalise(meta.get("content") or "")
    return title, metadata


def compose(composer: Composer, root: Element, *, level: int = 0) -> None:
    """Add what a page shows to a document, its headings ``level`` deeper than they say."""
    sheet = Sheet(root)
    main = _main(root)
    _Writer(composer, sheet, level).write(main)


def _main(root: Element) -> Element:
    """The part of a page that it is about: marked as such, else the whole body."""
    for path in (".//main", ".//*[@role='main']"):
        found = [each for each in root.iterfind(path) if normalise("".join(each.itertext()))]
        if len(found) == 1:
            return found[0]
    articles = root.findall(".//article")
    if len(articles) == 1 and articles[0].find(".//h1") is not None:
        return articles[0]
    body = root.find("body")
    return root if body is None else body


class _Writer:
    """Walks through a tree without recursion: pages may be nested without measure."""

    def __init__(self, composer: Composer, sheet: Sheet, level: int) -> None:
        self._composer = composer
        self._sheet = sheet
        self._deeper = level
        self._line: list[str] = []
        # Lists that are open: their numbering style (empty: bullets) and their count.
        self._lists: list[tuple[str, int]] = []
        self._kind: list[tuple[str, int, str]] = [("paragraph", 0, "")]

    def write(self, root: Element) -> None:
        """Add the blocks of a tree."""
        # What is to be done, last first: an element to enter, a text, or an element to leave.
        stack: list[tuple[str, Any]] = [("enter", root)]
        while stack and not self._composer.full:
            act, what = stack.pop()
            if act == "text":
                self._line.append(what)
            elif act == "leave":
                self._leave(what)
            elif self._skipped(what, root):
                self._omit(what)
            elif what.tag == "table" and not _is_layout(what):
                self._flush()
                self._table(what)
            elif what.tag == "pre":
                self._flush()
                for line in "".join(self._seen(what)).splitlines():
                    self._composer.add("paragraph", line)
            else:
                self._enter(what)
                stack.append(("leave", what))
                for child in reversed(what):
                    if child.tail:
                        stack.append(("text", child.tail))
                    stack.append(("enter", child))
                if what.text:
                    stack.append(("text", what.text))
        self._flush()

    def _skipped(self, element: Element, root: Element) -> bool:
        if not isinstance(element.tag, str) or element.tag in _SKIPPED:
            return True
        if element.get("role") in _SKIPPED_ROLES or self._sheet.hides(element):
            return True
        return element.tag in _PAGE_FURNITURE and not any(
            above.tag in _SECTIONING for above in _above(element, root)
        )

    def _omit(self, element: Element) -> None:
        if self._sheet.hides(element) and element.tag not in _SKIPPED:
            self._composer.hide(" ".join(element.itertext()))

    def _enter(self, element: Element) -> None:
        tag = element.tag
        if tag == "br":
            self._line.append(" ")
        if tag not in _BLOCKS:
            return
        self._flush()
        heading = _HEADING.match(tag)
        if heading:
            self._kind.append(("heading", int(heading[1]) + self._deeper, ""))
        elif tag in ("ul", "ol"):
            style = _LIST_STYLES.get(element.get("type") or "", "decimal") if tag == "ol" else ""
            self._lists.append((style, _int(element.get("start"), 1)))
        elif tag == "li":
            self._kind.append(("item", max(len(self._lists), 1), self._label(element)))
        elif tag == "dt":
            self._kind.append(("item", 1, ""))
        elif tag == "dd":
            self._kind.append(("item", 2, ""))

    def _leave(self, element: Element) -> None:
        tag = element.tag
        if tag not in _BLOCKS:
            return
        self._flush()
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag in ("li", "dt", "dd") or _HEADING.match(tag):
            self._kind.pop()

    def _label(self, item: Element) -> str:
        if not self._lists or not self._lists[-1][0]:
            return ""
        style, count = self._lists[-1]
        count = _int(item.get("value"), count)
        self._lists[-1] = (style, count + 1)
        return f"{number(count, style)}. "

    def _flush(self) -> None:
        text = normalise("".join(self._line))
        self._line.clear()
        if not text:
            return
        kind, level, label = self._kind[-1]
        if kind == "item":
            # The label stands once, before the item's first words.
            self._kind[-1] = (kind, level, "")
            self._composer.add("item", label + text, level)
        elif kind == "heading":
            self._composer.add("heading", text, level)
        else:
            self._composer.add("paragraph", text)

    def _seen(self, root: Element) -> Iterator[str]:
        """The texts inside an element that are seen, with spaces between blocks."""
        stack: list[Any] = [root]
        while stack:
            what = stack.pop()
            if isinstance(what, str):
                yield what
            elif self._skipped(what, root):
                self._omit(what)
            else:
                if what.tag in _BLOCKS or what.tag == "br":
                    stack.append(" " if what.tag != "br" else "\n")
                for child in reversed(what):
                    stack.append(child.tail or "")
                    stack.append(child)
                stack.append(what.text or "")
                if what.tag in _BLOCKS:
                    stack.append(" ")

    def _table(self, table: Element) -> None:
        caption = table.find("caption")
        if caption is not None:
            self._composer.add("paragraph", "".join(self._seen(caption)))
        self._composer.table(self._rows(table))

    def _rows(self, table: Element) -> Iterator[list[Cell]]:
        for row in table.iter("tr"):
            if next(row.iterancestors("table")) is not table or self._skipped(row, table):
                continue
            yield [
                Cell(
                    "".join(self._seen(cell)),
                    _int(cell.get("rowspan"), 1),
                    _int(cell.get("colspan"), 1),
                )
                for cell in row
                if cell.tag in ("td", "th") and not self._skipped(cell, table)
            ]


def _is_layout(table: Element) -> bool:
    """Tables that only place things: said so, one column, or with headings or tables inside."""
    if table.get("role") in ("presentation", "none"):
        return True
    if any(next(table.iter(tag), None) is not None for tag in ("h1", "h2", "h3", "ul", "ol")):
        return next(table.iter("th"), None) is None
    inner = table.iter("table")
    next(inner)
    if next(inner, None) is not None:
        return True
    return all(sum(cell.tag in ("td", "th") for cell in row) < 2 for row in table.iter("tr"))


def _above(element: Element, root: Element) -> Iterator[Element]:
    while element is not root and (element := element.getparent()) is not None:
        yield element


def _int(text: str | None, default: int) -> int:
    text = (text or "").strip()
    return int(text) if text.isdigit() and len(text) < 9 else default
