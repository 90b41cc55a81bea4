"""What is wrong with values from outside, as sentences in the reader's language.

pydantic tells it by a type and values. A type that isn't among our sentences is told in general:
its own words are English.
"""

import re
from collections.abc import Mapping
from typing import Any

from chappe.core.i18n import Sentence, known

_OTHER = "invalid.other"
# What a person is told of a regular expression: none is read by everybody.
_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": "pattern_slug",
    r"\S": "pattern_blank",
    "^[a-z]{2}$": "pattern_language",
    "^[0-9]{14}$": "pattern_siret",
    r"^https?://[^\s]+$": "pattern_address",
    r"^https?://[^\s/]+(/\S*)?$": "pattern_address",
}
_POSITION = re.compile(r"\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def wrong(kind: str, /, **values: Any) -> Sentence:
    """What is wrong, by its kind: `invalid.KIND` of the sentences."""
    return Sentence(f"invalid.{kind}", values)


def at(place: str, reason: Sentence) -> Sentence:
    """What is wrong, and where; without a place, as it is."""
    return Sentence("invalid.at", {"place": place, "reason": reason}) if place else reason


def of_pydantic(error: Mapping[str, Any]) -> Sentence:
    """What pydantic found wrong, without the value, which may be a secret.

    Args:
        error: one of `ValidationError.errors()`.
    """
    if told := _PATTERNS.get(error.get("ctx", {}).get("pattern")):
        return wrong(told)
    key = f"invalid.{error['type']}"
    values = {name: _shown(value) for name, value in error.get("ctx", {}).items()}
    if isinstance(expected := values.get("expected"), str):
        # 'a', 'b' or 'c': what is between quotes is ours.
        values["expected"] = ", ".join(re.findall(r"'[^']*'|\d+", expected)) or expected
    return Sentence(key, values) if known(key) else Sentence(_OTHER)


def of_toml(error: Exception) -> Sentence:
    """What is wrong with a text that isn't TOML."""
    message = str(error)
    match = _POSITION.search(message)
    if match is None:
        return wrong("toml", message=message)
    message = message[: match.start()].strip()
    if match["line"] is None:
        return wrong("toml_end", message=message)
    return wrong("toml_at", message=message, line=match["line"], column=match["column"])


def _shown(value: Any) -> Any:
    """A bound as a person writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
