"""Sentences for people, in French and English."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("fr", "en")


@cache
def _catalogue(language: str) -> dict[str, str]:
    text = files("chappe.core").joinpath("locales", f"{language}.json").read_text("utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue


def translate(key: str, language: str, **values: Any) -> str:
    """The sentence `key` in `language`, with its values filled in.

    Raises:
        KeyError: the key is in no catalogue.
    """
    return _catalogue(language)[key].format(**values)


def choose_language(accept_language: str | None) -> str:
    """The language to answer in, after `Accept-Language` (RFC 9110); French if unclear."""
    best, best_quality = "fr", 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        try:
            quality = float(parameters.partition("=")[2]) if parameters else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best
