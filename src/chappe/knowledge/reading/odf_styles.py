"""What the styles of an OpenDocument file say of text, lists, sheets and slides.

OpenDocument 1.3 part 3, §16 (styles) and §19–20 (attributes).
"""

from __future__ import annotations

from dataclasses import dataclass

from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.numbering import Level

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"

_LOEXT = "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}"
_TITLES = ("title", "titre principal")
_MAX_INHERITANCE = 20
_FORMATS = {"1": "decimal", "a": "lower", "A": "upper", "i": "roman_lower", "I": "roman_upper"}


@dataclass(slots=True)
class _Style:
    name: str
    parent: str
    properties: dict[str, str]
    outline: str
    list_style: str


class Styles:
    """The styles of a file, by family and name; everything is inherited."""

    def __init__(self, *roots: Element | None) -> None:
        self._styles: dict[tuple[str, str], _Style] = {}
        self.lists: dict[str, list[Level]] = {}
        self.outline: list[Level] = []
        self.language = ""
        for root in roots:
            if root is not None:
                self._read(root)

    def _read(self, root: Element) -> None:
        for each in root.iter(STYLE + "style", STYLE + "default-style"):
            family, name = each.get(STYLE + "family") or "", each.get(STYLE + "name") or ""
            properties: dict[str, str] = {}
            for child in each:
                if local(child).endswith("-properties"):
                    properties.update(
                        {key.rpartition("}")[2]: value for key, value in child.attrib.items()}
                    )
            if each.tag == STYLE + "default-style":
                if family == "paragraph":
                    language, country = properties.get("language"), properties.get("country")
                    self.language = "-".join(part for part in (language, country) if part)
                continue
            self._styles[family, name] = _Style(
                (each.get(STYLE + "display-name") or name).replace("_20_", " ").lower(),
                each.get(STYLE + "parent-style-name") or "",
                properties,
                each.get(STYLE + "default-outline-level") or "",
                each.get(STYLE + "list-style-name") or "",
            )
        for each in root.iter(TEXT + "list-style"):
            self.lists[each.get(STYLE + "name") or ""] = _levels(each)
        for each in root.iter(TEXT + "outline-style"):
            self.outline = _levels(each)

    def chain(self, family: str, name: str | None) -> list[_Style]:
        """A style and those that it inherits from, nearest first."""
        found: list[_Style] = []
        while (style := self._styles.get((family, name or ""))) and len(found) < _MAX_INHERITANCE:
            found.append(style)
            name = style.parent
        return found

    def get(self, family: str, name: str | None, key: str) -> str:
        """A property (its local name) of a style; empty when nothing is said."""
        for style in self.chain(family, name):
            if key in style.properties:
                return style.properties[key]
        return ""

    def is_title(self, name: str | None) -> bool:
        """Whether a paragraph style is the one of the document's title."""
        # The name is the standard's own, also where the file doesn't define it.
        return name == "Title" or any(
            style.name in ("title", "titre principal") for style in self.chain("paragraph", name)
        )

    def hidden(self, family: str, name: str | None) -> bool:
        """Whether text of a style is not seen: hidden, under one point, white on nothing."""
        if self.get(family, name, "display") == "none":
            return True
        size = self.get(family, name, "font-size")
        if size.endswith("pt") and _number(size[:-2], 12.0) < 1:
            return True
        return self.white(family, name)

    def white(self, family: str, name: str | None) -> bool:
        """Whether text is white with nothing of its own behind it."""
        return self.get(family, name, "color").lower() == "#ffffff" and not self.shaded(
            family, name
        )

    def shaded(self, family: str, name: str | None) -> bool:
        """Whether a style colours what is behind."""
        background = self.get(family, name, "background-color").lower()
        return background not in ("", "transparent", "#ffffff")


def _levels(element: Element) -> list[Level]:
    levels = [Level("", "") for _ in range(10)]
    for each in element:
        depth = each.get(TEXT + "level") or ""
        if not depth.isdigit() or not 1 <= int(depth) <= len(levels):
            continue
        style = _FORMATS.get(each.get(STYLE + "num-format") or "", "")
        shown = each.get(TEXT + "display-levels") or "1"
        first = max(int(depth) - (int(shown) if shown.isdigit() else 1), 0)
        numbers = ".".join(f"%{place + 1}" for place in range(first, int(depth)))
        before = each.get(STYLE + "num-prefix") or ""
        after = each.get(STYLE + "num-suffix") or ""
        start = each.get(TEXT + "start-value") or "1"
        pattern = each.get(
            "{urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0}num-list-format"
        )
        levels[int(depth) - 1] = Level(
            style,
            _own_pattern(pattern) if pattern else f"{before}{numbers}{after}",
            int(start) if start.isdigit() else 1,
        )
    return levels


def _own_pattern(pattern: str) -> str:
    """LibreOffice's own attribute writes each number between two signs: ``%1%.%2%``."""
    for place in range(1, 11):
        pattern = pattern.replace(f"%{place}%", f"%{place}")
    return pattern


def _number(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default
