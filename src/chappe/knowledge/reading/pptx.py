"""Presentations of Office Open XML (.pptx, .pptm, .ppsx): each slide is a page.

A slide's title is a heading, its body text items as nested as they are shown, and the speaker's
notes come last, as a note. Hidden slides and shapes are left out; footers, dates and slide numbers
repeat on every slide and are metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import office, pptx_colors, progress
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.numbering import number
from chappe.knowledge.reading.package import Package
from chappe.knowledge.sources.tables import Cell

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_EMU_PER_POINT = 12_700
_TINY = 100  # hundredths of a point, the smallest size that the format has
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("ftr", "dt", "sldNum", "hdr")
_BODIES = ("body", "obj", "")
_NUMBERED = {
    "arabic": "decimal",
    "alphaLc": "lower",
    "alphaUc": "upper",
    "romanLc": "roman_lower",
    "romanUc": "roman_upper",
}
_AROUND = {"Period": "{}.", "ParenR": "{})", "ParenBoth": "({})", "Plain": "{}"}


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the presentation; slides that are nothing but images become members."""
    package = Package(path, limits)
    composer = Composer(limits)
    reader = _Reader(package, composer)
    reader.read()
    office.note_active_content(package, composer)
    title, metadata = office.properties(package)
    metadata |= {"page_kind": "slide", "running_footers": list(reader.footers)}
    metadata["comments"] = reader.comments
    members = package.images("ppt/media/", folder) if not len(composer) else []
    if not len(composer) and not members:
        raise ReadingError("empty")
    document = composer.document(title or reader.title or Path(name).stem, MEDIA_TYPE, metadata)
    return ReadResult(document if len(composer) else None, members)


class _Reader:
    def __init__(self, package: Package, composer: Composer) -> None:
        self._package = package
        self._composer = composer
        self._part = office.main_part(package)
        self.title = ""
        # Whether white text of the slide has nothing behind it.
        self._bare = False
        self.footers: dict[str, None] = {}
        self.comments: list[dict[str, Any]] = []

    def read(self) -> None:
        """Compose every slide, in the order of the presentation."""
        root = self._package.xml(self._part)
        related = self._package.related(self._part)
        size = root.find("{*}sldSz")
        width, height = (
            (0.0, 0.0) if size is None else (_points(size.get("cx")), _points(size.get("cy")))
        )
        for entry in root.iterfind("{*}sldIdLst/{*}sldId"):
            relation = next((v for k, v in entry.attrib.items() if k.endswith("}id")), "")
            kind, part = related.get(relation, ("", ""))
            if kind != "slide" or part not in self._package:
                continue
            page = self._composer.start_page()
            slide = self._package.xml(part)
            if slide.get("show") in ("0", "false"):
                self._composer.issue("hidden_slide", page)
                self._composer.hide(" ".join(t.text or "" for t in slide.iter(_A + "t")))
            else:
                self._bare = pptx_colors.is_bare(self._package, part, slide)
                self._slide(slide)
                self._notes(part)
            self._composer.end_page(width, height)
            progress.page_done()
            if self._composer.full:
                break

    def _slide(self, slide: Element) -> None:
        shapes = list(_shapes(slide.find("{*}cSld/{*}spTree")))
        shapes.sort(key=lambda shape: _placeholder(shape) not in _TITLES)
        for shape in shapes:
            name = _placeholder(shape)
            properties = shape.find("{*}nvSpPr/{*}cNvPr")
            if properties is not None and properties.get("hidden") in ("1", "true"):
                self._composer.hide(" ".join(t.text or "" for t in shape.iter(_A + "t")))
            elif name in _FURNITURE:
                text = normalise(" ".join(t.text or "" for t in shape.iter(_A + "t")))
                if text and name == "ftr":
                    self.footers[text] = None
            elif name in _TITLES:
                text = " ".join(self._text(p) for p in shape.iter(_A + "p"))
                self.title = self.title or normalise(text)
                self._composer.add("heading", text, 1)
            elif local(shape) == "sp":
                self._body(shape, listed=name in _BODIES and name is not None)
            else:
                for table in shape.iter(_A + "tbl"):
                    self._composer.table(self._rows(table))

    def _body(self, shape: Element, *, listed: bool) -> None:
        """The paragraphs of a shape; those of a body placeholder are a list unless they say no."""
        body = shape.find("{*}txBody")
        paragraphs = [] if body is None else body.findall(_A + "p")
        listed = listed and sum(bool(normalise(self._plain(p))) for p in paragraphs) > 1
        counts: dict[int, int] = {}
        for paragraph in paragraphs:
            text = normalise(self._text(paragraph))
            if not text:
                continue
            properties = paragraph.find(_A + "pPr")
            level = 0 if properties is None else _int(properties.get("lvl"))
            numbered = None if properties is None else properties.find(_A + "buAutoNum")
            bullet = listed
            if properties is not None:
                if properties.find(_A + "buNone") is not None:
                    bullet = False
                elif properties.find(_A + "buChar") is not None:
                    bullet = True
            for deeper in [each for each in counts if each > level]:
                del counts[deeper]
            if numbered is not None:
                first = _int(numbered.get("startAt")) or 1
                counts[level] = counts.get(level, first - 1) + 1
                label = _label(counts[level], numbered.get("type") or "")
                self._composer.add("item", f"{label} {text}", level + 1)
            elif bullet:
                self._composer.add("item", text, level + 1)
            else:
                counts.pop(level, None)
                self._composer.add("paragraph", text)

    def _rows(self, table: Element) -> Iterator[list[Cell]]:
        for row in table.iterchildren(_A + "tr"):
            cells = []
            for cell in row.iterchildren(_A + "tc"):
                if cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true"):
                    continue
                text = " ".join(self._text(p) for p in cell.iter(_A + "p"))
                rows, columns = _int(cell.get("rowSpan")), _int(cell.get("gridSpan"))
                cells.append(Cell(text, max(rows, 1), max(columns, 1)))
            yield cells

    def _text(self, paragraph: Element) -> str:
        """What is seen of a paragraph: text under one point is nobody's to read."""
        parts = []
        for run in paragraph:
            text = _run_text(run)
            properties = run.find(_A + "rPr")
            size = "" if properties is None else properties.get("sz") or ""
            tiny = size.isdigit() and int(size) <= _TINY
            if tiny or (self._bare and pptx_colors.is_white(properties)):
                self._composer.hide(text)
            else:
                parts.append(text)
        return "".join(parts)

    def _plain(self, paragraph: Element) -> str:
        return "".join(map(_run_text, paragraph))

    def _notes(self, part: str) -> None:
        for kind, related in self._package.related(part).values():
            root = (
                self._package.xml_or_none(related) if kind in ("notesSlide", "comments") else None
            )
            if root is None:
                continue
            if kind == "comments":
                texts = (normalise("".join(each.itertext())) for each in root)
                self.comments += [{"text": text} for text in texts if text]
                continue
            for shape in _shapes(root.find("{*}cSld/{*}spTree")):
                if _placeholder(shape) == "body":
                    for paragraph in shape.iter(_A + "p"):
                        self._composer.add("note", self._text(paragraph))


def _shapes(tree: Element | None) -> Iterator[Element]:
    """Shapes and tables in their order, those of groups included."""
    stack = [] if tree is None else list(reversed(tree))
    while stack:
        element = stack.pop()
        name = local(element)
        if name in ("sp", "graphicFrame"):
            yield element
        elif name in ("grpSp", "Choice"):
            stack.extend(reversed(element))
        elif name == "AlternateContent":
            stack.extend(element.findall("{*}Choice"))


def _placeholder(shape: Element) -> str | None:
    """The type of a placeholder (empty: of any content), ``None`` for another shape."""
    found = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return None if found is None else found.get("type") or ""


def _run_text(run: Element) -> str:
    name = local(run)
    if name == "br":
        return " "
    if name in ("r", "fld"):
        return "".join(t.text or "" for t in run.iter(_A + "t"))
    return "".join(t.text or "" for t in run.iter("{*}t")) if name == "AlternateContent" else ""


def _label(value: int, kind: str) -> str:
    for prefix, style in _NUMBERED.items():
        if kind.startswith(prefix):
            return _AROUND.get(kind.removeprefix(prefix), "{}.").format(number(value, style))
    return f"{value}."


def _points(emu: str | None) -> float:
    return _int(emu) / _EMU_PER_POINT


def _int(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
