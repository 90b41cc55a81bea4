"""White text on a white slide: told only where nothing else could be behind it.

A presentation places shapes and pictures freely, also those of its layout and its master. Where
any of them is filled, or the background isn't white, white text is taken as seen.
"""

from __future__ import annotations

from chappe.knowledge.reading.markup import Element, local
from chappe.knowledge.reading.package import Package

_WHITE_NAMES = ("bg1", "lt1")
_FILLS = ("solidFill", "gradFill", "blipFill", "pattFill")


def is_bare(package: Package, part: str, slide: Element) -> bool:
    """Whether a slide, its layout and its master have a white background and nothing filled."""
    root: Element | None = slide
    for inherited in ("slideLayout", "slideMaster", ""):
        if (
            root is None
            or not _is_white(root)
            or any(map(_is_filled, root.iter("{*}sp", "{*}pic")))
        ):
            return False
        part = next((p for kind, p in package.related(part).values() if kind == inherited), "")
        root = package.xml_or_none(part) if part else None
    return True


def is_white(properties: Element | None) -> bool:
    """Whether a run's own properties make it white."""
    fill = None if properties is None else properties.find("{*}solidFill")
    return fill is not None and _color(fill) == "white"


def _color(fill: Element) -> str:
    for color in fill:
        if len(color):
            # Tints and shades of a colour.
            return "other"
        value = color.get("val") or ""
        if local(color) == "srgbClr" and value.upper() == "FFFFFF":
            return "white"
        if local(color) == "schemeClr" and value in _WHITE_NAMES:
            return "white"
    return "other"


def _is_white(root: Element) -> bool:
    background = root.find("{*}cSld/{*}bg")
    if background is None:
        return True
    reference = background.find("{*}bgRef")
    if reference is not None:
        return _color(reference) == "white"
    fill = background.find("{*}bgPr/{*}solidFill")
    return fill is not None and _color(fill) == "white"


def _is_filled(shape: Element) -> bool:
    if local(shape) == "pic":
        return True
    properties = shape.find("{*}spPr")
    if properties is not None:
        if any(local(child) in _FILLS for child in properties):
            return True
        if properties.find("{*}noFill") is not None:
            return False
    reference = shape.find("{*}style/{*}fillRef")
    return reference is not None and reference.get("idx") != "0"
