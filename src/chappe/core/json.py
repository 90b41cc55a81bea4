"""JSON from outside."""

import re

import msgspec

from chappe.core.i18n import Sentence
from chappe.core.invalid import at, wrong

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading it may raise: it isn't JSON of the expected form, isn't text, or is nested so deep
that it can only be meant as an attack."""

# The few forms of msgspec's own words, which are English.
_FORMS = (
    ("required", r"Object missing required field `(?P<field>[^`]*)`"),
    ("unexpected_field", r"Object contains unknown field `(?P<field>[^`]*)`"),
    ("length", r"Expected `(?P<kind>[^`]*)` of length (?P<bound>(?:[<>]=?|==) \d+)"),
    ("pattern", r"Expected `(?P<kind>[^`]*)` matching regex (?P<pattern>.*?)"),
    ("bound", r"Expected `(?P<kind>[^`]*)` (?P<bound>(?:[<>]=?|==) [-+.\deE]+)"),
    ("kind", r"Expected `(?P<kind>[^`]*)`, got `(?P<got>[^`]*)`"),
    ("enum_value", r"Invalid enum value (?P<value>.*?)"),
    ("range", r"(?:Number|Integer value) out of range"),
    ("json_at", r"JSON is malformed: (?P<message>.*) \(byte (?P<byte>\d+)\)"),
    ("json_cut", r"Input data was truncated"),
)
_AT = r"(?: - at (?:`[^`]*` in )?`(?P<at>.*)`)?"
_READ = tuple((kind, re.compile(form + _AT, re.S)) for kind, form in _FORMS)


def why_unreadable(error: Exception) -> Sentence:
    """What reading JSON raised, as a sentence: one of `UNREADABLE`."""
    for kind, form in _READ:
        if match := form.fullmatch(str(error)):
            values = match.groupdict()
            path = (values.pop("at") or "").removeprefix("$").removeprefix(".")
            return at(path, wrong(f"msgspec_{kind}", **values))
    if isinstance(error, RecursionError):
        return wrong("recursion_loop")
    return wrong("json_invalid")
