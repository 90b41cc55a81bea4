"""What the styles and the numbering of a word-processor file (Office Open XML) say of paragraphs.

ECMA-376 part 1, §17.3 (paragraphs and runs), §17.7 (styles), §17.9 (numbering).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from chappe.knowledge.reading.markup import Element
from chappe.knowledge.reading.numbering import MAX_DEPTH, Counter, Level

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

_MAX_INHERITANCE = 20
_HEADING_NAME = re.compile(r"(?:heading|titre)\s*([1-9])$")
_NUMBER_STYLES = {
    "decimal": "decimal",
    "decimalZero": "zero",
    "lowerLetter": "lower",
    "upperLetter": "upper",
    "lowerRoman": "roman_lower",
    "upperRoman": "roman_upper",
    "ordinal": "ordinal",
    "bullet": "",
    "none": "",
}
_OFF = ("0", "false", "off", "none")


@dataclass(slots=True)
class _Style:
    name: str
    parent: str | None
    level: int | None = None
    list_id: str | None = None
    depth: int | None = None
    hidden: bool | None = None
    white: bool | None = None
    tiny: bool | None = None
    shaded: bool = False


@dataclass(slots=True)
class _List:
    abstract: str
    levels: list[Level] = field(default_factory=list)
    restarts: dict[int, int] = field(default_factory=dict)


def value(element: Element | None, name: str) -> str | None:
    """The `w:val` of a child, or ``None``."""
    child = None if element is None else element.find(W + name)
    found = None if child is None else child.get(W + "val")
    return None if found is None else str(found)


def switch(properties: Element | None, name: str) -> bool | None:
    """A property that is on or off; ``None`` when nothing is said."""
    child = None if properties is None else properties.find(W + name)
    return None if child is None else (child.get(W + "val") or "1") not in _OFF


def shaded(properties: Element | None) -> bool:
    """Whether there is a colour (other than white) or a highlight behind."""
    if properties is None:
        return False
    shading = properties.find(W + "shd")
    if shading is not None:
        fill = (shading.get(W + "fill") or "auto").lower()
        pattern = shading.get(W + "val") or "clear"
        if shading.get(W + "themeFill") or fill not in ("auto", "ffffff"):
            return True
        if pattern not in ("clear", "nil"):
            return True
    return (value(properties, "highlight") or "none") not in ("none", "white")


class Styles:
    """The styles of a file: everything is asked by a style's id, and inherited."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        self.language = ""
        self._default = ""
        if root is None:
            return
        language = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr/{W}lang")
        if language is not None:
            self.language = language.get(W + "val") or ""
        for each in root.iterchildren(W + "style"):
            style_id = each.get(W + "styleId") or ""
            name = (value(each, "name") or "").lower()
            if each.get(W + "type") == "paragraph" and each.get(W + "default") in ("1", "true"):
                self._default = style_id
            self._styles[style_id] = _read_style(each, name)

    def name(self, style_id: str | None) -> str:
        """The name of a style in lower case, as the standard has it (``heading 1``, ``title``)."""
        style = self._styles.get(style_id or self._default)
        return style.name if style else ""

    def level(self, style_id: str | None) -> int | None:
        """The heading level of a paragraph style, from 1."""
        for style in self._chain(style_id or self._default):
            match = _HEADING_NAME.match(style.name)
            if match:
                return int(match[1])
            if style.level is not None:
                return style.level + 1 if style.level < 9 else None
        return None

    def numbering(self, style_id: str | None) -> tuple[str | None, int | None]:
        """The list (``numId``) of a paragraph style and the depth in it."""
        list_id = depth = None
        for style in self._chain(style_id or self._default):
            list_id = style.list_id if list_id is None else list_id
            depth = style.depth if depth is None else depth
        return list_id, depth

    def hidden(self, properties: Element | None, style_ids: tuple[str | None, ...]) -> bool:
        """Whether a run isn't seen: hidden, or under one point high."""
        for name, direct in (
            ("hidden", switch(properties, "vanish")),
            ("tiny", _tiny(properties)),
        ):
            if direct is None:
                direct = self._inherited(style_ids, name)
            if direct:
                return True
        return False

    def white(self, properties: Element | None, style_ids: tuple[str | None, ...]) -> bool:
        """Whether a run is white with nothing of its own behind it."""
        if shaded(properties):
            return False
        direct = _white(properties)
        if direct is None:
            direct = self._inherited(style_ids, "white")
        return bool(direct) and not any(
            style.shaded for style_id in style_ids for style in self._chain(style_id)
        )

    def shaded(self, style_id: str | None) -> bool:
        """Whether a style (also of a table) colours what is behind its text."""
        return any(style.shaded for style in self._chain(style_id))

    def _inherited(self, style_ids: tuple[str | None, ...], name: str) -> bool | None:
        for style_id in style_ids:
            for style in self._chain(style_id):
                found: bool | None = getattr(style, name)
                if found is not None:
                    return found
        return None

    def _chain(self, style_id: str | None) -> list[_Style]:
        chain: list[_Style] = []
        while style_id in self._styles and len(chain) < _MAX_INHERITANCE:
            style = self._styles[style_id]
            chain.append(style)
            style_id = style.parent
        return chain


def _read_style(element: Element, name: str) -> _Style:
    style = _Style(name, value(element, "basedOn"))
    paragraph, run = element.find(W + "pPr"), element.find(W + "rPr")
    level = value(paragraph, "outlineLvl")
    style.level = int(level) if level and level.isdigit() else None
    style.list_id, style.depth = list_of(paragraph)
    style.hidden = switch(run, "vanish")
    style.white = _white(run)
    style.tiny = _tiny(run)
    # Of a table: any of its conditional parts (first row, bands).
    style.shaded = any(
        shaded(shading.getparent()) for shading in element.iter(W + "shd", W + "highlight")
    )
    return style


def list_of(properties: Element | None) -> tuple[str | None, int | None]:
    """The list (``numId``) of a paragraph and its depth, as its own properties say."""
    numbered = None if properties is None else properties.find(W + "numPr")
    if numbered is None:
        return None, None
    depth = value(numbered, "ilvl")
    return value(numbered, "numId"), int(depth) if depth and depth.isdigit() else None


def _white(properties: Element | None) -> bool | None:
    color = value(properties, "color")
    return None if color is None else color.lower() == "ffffff"


def _tiny(properties: Element | None) -> bool | None:
    size = value(properties, "sz")  # in half-points
    return None if size is None or not size.isdigit() else int(size) < 2


class Numbering:
    """The lists of a file, and how far each has counted."""

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, _List] = {}
        self._counters: dict[str, Counter] = {}
        self._restarted: set[tuple[str, int]] = set()
        if root is None:
            return
        abstracts = {
            each.get(W + "abstractNumId"): _levels(each)
            for each in root.iterchildren(W + "abstractNum")
        }
        for each in root.iterchildren(W + "num"):
            abstract = value(each, "abstractNumId") or ""
            levels = list(abstracts.get(abstract) or [])
            found = _List(abstract, levels)
            for override in each.iterchildren(W + "lvlOverride"):
                depth = override.get(W + "ilvl") or ""
                if not depth.isdigit() or int(depth) >= len(levels):
                    continue
                redefined = override.find(W + "lvl")
                if redefined is not None:
                    levels[int(depth)] = _level(redefined)
                start = value(override, "startOverride") or ""
                if start.isdigit():
                    found.restarts[int(depth)] = int(start)
            self._lists[each.get(W + "numId") or ""] = found

    def label(self, list_id: str, depth: int) -> str | None:
        """The label of the next item of a list; empty for a bullet, ``None`` for no such list."""
        found = self._lists.get(list_id)
        if found is None or not found.levels:
            return None
        # Lists of one definition count together, unless one says that it starts again.
        counter = self._counters.setdefault(found.abstract, Counter())
        start = None
        if depth in found.restarts and (list_id, depth) not in self._restarted:
            self._restarted.add((list_id, depth))
            start = found.restarts[depth]
        return counter.label(depth, found.levels, start)


def _levels(abstract: Element) -> list[Level]:
    levels = [Level("decimal", "") for _ in range(MAX_DEPTH - 1)]
    for each in abstract.iterchildren(W + "lvl"):
        depth = each.get(W + "ilvl") or ""
        if depth.isdigit() and int(depth) < len(levels):
            levels[int(depth)] = _level(each)
    return levels


def _level(element: Element) -> Level:
    start = value(element, "start") or "1"
    return Level(
        _NUMBER_STYLES.get(value(element, "numFmt") or "decimal", "decimal"),
        value(element, "lvlText") or "",
        int(start) if start.isdigit() else 1,
        switch(element, "isLgl") is True,
    )
