"""Sentences for people, in French and English."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("fr", "en")


@cache
def _catalogue(language: str) -> dict[str, str]:
    text = files("chappe.core").joinpath("locales", f"{language}.json").read_text("utf-8")
    catalogue: dict[str, str] = json.loads(text)
    return catalogue


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence whose language is chosen when it is told; its values may be sentences too."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def told(self, language: str) -> str:
        """The sentence in `language`."""
        return translate(self.key, language, **self.values)

    def plain(self) -> dict[str, Any]:
        """As it is kept, without a language; :func:`sentence` gives it back."""
        values = {n: v.plain() if isinstance(v, Sentence) else v for n, v in self.values.items()}
        return {"sentence": self.key, "values": values}

    def __str__(self) -> str:
        return self.told("en")


def sentence(plain: Any) -> Any:
    """A sentence from its plain form; what isn't one, as it is."""
    if not isinstance(plain, dict) or "sentence" not in plain:
        return plain
    return Sentence(plain["sentence"], {n: sentence(v) for n, v in plain["values"].items()})


def known(key: str) -> bool:
    """Is there a sentence `key`."""
    return key in _catalogue(LANGUAGES[0])


def translate(key: str, language: str, **values: Any) -> str:
    """The sentence `key` in `language`, with its values filled in.

    Raises:
        KeyError: the key is in no catalogue.
    """
    told = {n: v.told(language) if isinstance(v, Sentence) else v for n, v in values.items()}
    return _catalogue(language)[key].format(**told)


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
