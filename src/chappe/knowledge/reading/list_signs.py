"""What the items of a list begin with."""

from __future__ import annotations

import re
from typing import Literal

_BULLETS = frozenset("•‣▪◦●○■□▸►➢➤➔✓✔→·–—-*o§\uf0b7\uf0a7\uf076\uf0d8\uf0fc\uf0e8\uf0a8\uf02d")
_NUMBERED = re.compile(
    r"(\(?(\d{1,3}|[a-z]|[ivx]{1,5})\)|\d{1,2}(\.\d{1,2}){0,3}\.|\d{1,2}\.\d{1,2}(\.\d{1,2})*"
    r"|\d{1,2}°\)?|[IVX]{1,5}\.|[A-Z][.)]|[a-z]\.)\Z"
)


def list_sign(text: str) -> Literal["bullet", "number"] | None:
    """Is a word what a list's item begins with?"""
    if text in _BULLETS:
        return "bullet"
    return "number" if _NUMBERED.match(text) else None
