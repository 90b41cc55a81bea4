"""Whether an element of a page is seen: the `hidden` attribute, its style, the page's own rules.

Only rules for one simple selector (a tag, a class, an id) are known, which is what hides text in
practice; style sheets outside the page are never fetched.
"""

from __future__ import annotations

import re

from chappe.knowledge.reading.markup import Element

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"(?:[a-z][a-z0-9]*)?(?:[.#][\w-]+)?$", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MAX_CSS = 500_000
_ZERO = re.compile(r"0(?:\.0*)?(?:px|pt|em|rem|%)?$")
_FAR = re.compile(r"-\d{4,}(?:px|pt)?$")
_WHITE = re.compile(
    r"white$|#fff(?:fff)?$|rgba?\(\s*255\s*,\s*255\s*,\s*255\s*(?:,\s*1(?:\.0*)?\s*)?\)$"
    r"|transparent$"
)
_NOTHING = frozenset({"", "none", "inherit", "initial"})
_SCREEN_READER = frozenset({"sr-only", "fr-sr-only", "visually-hidden", "visuallyhidden"})


def declarations(style: str) -> dict[str, str]:
    """The declarations of a style attribute or of a rule, in lower case."""
    found = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = value.replace("!important", "").strip().lower()
    return found


def invisible(style: dict[str, str]) -> bool:
    """Whether declarations make text invisible."""
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    if _ZERO.match(style.get("opacity", "1")) or _ZERO.match(style.get("font-size", "1px")):
        return True
    if style.get("mso-hide") == "all" or _FAR.match(style.get("text-indent", "")):
        return True
    if any(_FAR.match(style.get(side, "")) for side in ("left", "top", "margin-left")):
        return True
    flat = _ZERO.match(style.get("max-height", "1")) or _ZERO.match(style.get("height", "1px"))
    return bool(flat) and style.get("overflow") == "hidden"


class Sheet:
    """The rules of a page's own style elements."""

    def __init__(self, root: Element) -> None:
        self._rules: dict[str, dict[str, str]] = {}
        left = _MAX_CSS
        for element in root.iter("style"):
            css = _COMMENT.sub("", (element.text or "")[:left])
            left -= len(css)
            for selectors, body in _RULE.findall(css):
                style = declarations(body)
                for selector in selectors.split(","):
                    selector = selector.strip()
                    if selector and _SIMPLE.match(selector):
                        self._rules.setdefault(selector, {}).update(style)

    def style(self, element: Element) -> dict[str, str]:
        """The declarations that hold for an element itself."""
        own = element.get("style")
        if not self._rules:
            return declarations(own) if own else {}
        tag = element.tag
        keys = [tag]
        for name in (element.get("class") or "").split():
            keys += (f".{name}", f"{tag}.{name}")
        if element.get("id"):
            keys += (f"#{element.get('id')}", f"{tag}#{element.get('id')}")
        style: dict[str, str] = {}
        for key in keys:
            style.update(self._rules.get(key, {}))
        if own:
            style.update(declarations(own))
        return style

    def hides(self, element: Element) -> bool:
        """Whether an element isn't seen, for reasons of its own."""
        if element.get("hidden") is not None:
            return True
        if _SCREEN_READER & set((element.get("class") or "").split()):
            return True
        style = self.style(element)
        if not style:
            color = element.get("color") or ""
            return bool(_WHITE.match(color.lower())) and not self._has_background(element)
        if invisible(style):
            return True
        return bool(_WHITE.match(style.get("color", ""))) and not self._has_background(element)

    def _has_background(self, element: Element | None) -> bool:
        """Whether something that isn't white is painted behind an element."""
        while element is not None:
            style = self.style(element)
            for name in ("background", "background-color", "background-image"):
                value = style.get(name, "")
                if (
                    value
                    and not _WHITE.match(value)
                    and value not in ("none", "inherit", "initial")
                ):
                    return True
            color = element.get("bgcolor")
            if color and not _WHITE.match(color.lower()):
                return True
            element = element.getparent()
        return False
