"""The text of a sheet's elements, as its reader sees it on one line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chappe.knowledge.document import normalise
from chappe.knowledge.sources.tables import Cell
from chappe.knowledge.sources.tree import Element

# Line ends that the XML has between a link and the full stop or comma after it.
_STRAY_SPACE = re.compile(r"\s+(?=[.,](?:\s|$))")
_SINGLE_LETTER = re.compile(r"[^\W\d_](?![\w'’])")

# Not text in any place: variables of the interactive sheet, keys of the directory, image credits,
# the title of a chapter for some answers only, and the description of a table for screen readers
# that repeats it.
HIDDEN = frozenset(
    ["Condition", "SiSelectionne", "PivotLocal", "Colonne", "Credits", "TitreAlternatif", "Resume"]
)
INLINE = frozenset(
    {"LienInterne", "LienExterne", "LienIntra", "MiseEnEvidence", "Expression", "Valeur"}
    | {"Exposant", "Indice", "Citation", "Variable", "TermeEtranger"}
)


def inline(element: Element) -> str:
    """The text of an element on one line, its inline children joined as a reader sees them."""
    text, last_is_text = "", False
    for child in element.children:
        if isinstance(child, str):
            part, name = child, ""
        elif child.name in HIDDEN:
            continue
        else:
            part, name = inline(child), child.name
        if not part:
            continue
        is_block = bool(name) and name not in INLINE
        if text and (
            is_block or (not element.spaced and _lost_space(text, part, name, last_is_text))
        ):
            text += " "
        text += part
        last_is_text = not name
    return _STRAY_SPACE.sub("", text)


def text_of(element: Element, name: str) -> str:
    """The text of an element's first child of that name; empty where there is none."""
    child = element.first(name)
    return "" if child is None else inline(child)


def _lost_space(left: str, right: str, name: str, left_is_text: bool) -> bool:
    """Whether the space between two neighbours was lost when the XML was turned into JSON.

    It drops text made of whitespace only, and trims some of the others: « le RSA » + « ou » must
    not become « RSAou », but « 1 » + « er » and « indemnité » + « s » are each one word.
    """
    if not (left[-1].isalnum() and right[0].isalnum()):
        return False
    if name in ("Exposant", "Indice") or (left[-1].isdigit() and right[0].isdigit()):
        return False
    if left_is_text:
        return name == "Valeur"
    return _SINGLE_LETTER.match(right) is None or (len(right) == 1 and bool(name))


def address(element: Element | None) -> str | None:
    """Where an element leads, if it does."""
    return (element.attributes.get("URL", "").strip() or None) if element else None


def loose(element: Element) -> Element:
    """The text of a container that stands outside any paragraph."""
    outside = tuple(child for child in element.children if is_inline(child))
    return Element("", {}, outside, element.spaced)


def is_inline(node: Element | str) -> bool:
    """Whether a node is part of the line that it stands in."""
    return isinstance(node, str) or node.name in INLINE


def joined(*parts: str | None, by: str = " – ") -> str:
    """What there is of these parts, on one line."""
    return by.join(text for part in parts if (text := normalise(part or "")))


def paragraphs(element: Element) -> Iterator[str]:
    """The titles, paragraphs and list items inside a small text, one line each."""
    for child in element.elements:
        if child.name in ("Paragraphe", "Titre"):
            if text := normalise(inline(child)):
                yield text
        elif child.name not in HIDDEN:
            yield from paragraphs(child)


def pointer_line(element: Element) -> str:
    """One line for an authority, a service, a form or a notice."""
    kind = normalise(element.attributes.get("type", "")).removesuffix(" personnalisé sur SP")
    number = normalise(element.attributes.get("numerocerfa", ""))
    if element.name == "NoticeLiee":
        title, label = inline(element), "Notice"
    elif element.name in ("OuSAdresser", "OuSAdresserSupport"):
        title, label = text_of(element, "Titre"), "Où s'adresser"
    else:
        title, label = text_of(element, "Titre"), kind or "Service en ligne"
    title = normalise(title)
    if not title:
        return ""
    if number:
        title += f" (cerfa n° {number})"
    place = address(element) or next(
        filter(None, map(address, element.all("RessourceWeb", "LienWeb"))), None
    )
    line = joined(title, text_of(element, "Complement"), text_of(element, "Source"), place)
    return f"{label} : {line}"


def reference_line(element: Element) -> str:
    """One line for a text of law."""
    return joined(text_of(element, "Titre"), text_of(element, "Complement"))


def cell(element: Element) -> Cell:
    """A cell of a table, its paragraphs on one line."""

    def span(name: str) -> int:
        value = element.attributes.get(name, "1")
        return int(value) if value.isdecimal() else 1

    text = ""
    for part in (normalise(inline(loose(element))), *paragraphs(element)):
        if text and part:
            text += " " if text.endswith((".", ",", ";", ":", "?", "!")) else " ; "
        text += part
    return Cell(text, span("fusionVerticale"), span("fusionHorizontale"))
