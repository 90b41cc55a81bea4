"""Values of cells as a French reader of the workbook sees them.

The format codes of spreadsheets (ECMA-376 part 1, §18.8.30 and §18.8.31). A comma before decimals,
a space between thousands, day before month; the rest as the code says.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from functools import lru_cache

_BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
    11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: "dd/mm/yyyy", 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: "dd/mm/yyyy h:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00", 40: "#,##0.00",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    5: "#,##0 €", 6: "#,##0 €", 7: "#,##0.00 €", 8: "#,##0.00 €",
    41: "#,##0", 42: "#,##0 €", 43: "#,##0.00", 44: "#,##0.00 €",
}  # fmt: skip
_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
    "novembre", "décembre",
)  # fmt: skip
_SHORT_MONTHS = (
    "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
    "déc.",
)  # fmt: skip
_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|\[(?P<bracket>[^\]]*)\]|_.|\*.'
    r"|(?P<half>AM/PM|A/P)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?)"
    r"|(?P<exponent>E[+-]0+)|(?P<number>[0#?][0#?,.]*|\.[0#?]+)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CURRENCY = re.compile(r"\$([^-\]]*)")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)$")
_COMPARE = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}
# Serial numbers of days; the year 1900 counts a 29 February that never was.
_EPOCH_1900 = dt.datetime(1899, 12, 30)
_EPOCH_1904 = dt.datetime(1904, 1, 1)
_LAST_DAY = 2_958_465  # 31 December 9999


def built_in(number: int) -> str:
    """The code of a format that files name by its number only."""
    return _BUILT_IN.get(number, "General")


def shown(value: float, code: str, date_1904: bool = False) -> str:
    """A number as the format shows it; empty for a format that shows nothing."""
    if not math.isfinite(value):
        return str(value)
    sections = _sections(code)
    section, magnitude = _chosen(sections, value)
    if section.is_general:
        return _surround(section, general(magnitude))
    if section.is_date:
        if not 0 <= value <= _LAST_DAY:
            return general(value)
        return _date(section, value, date_1904)
    return _number(section, magnitude)


def text_shown(value: str, code: str) -> str:
    """A text as the format shows it: the fourth section of a code may hide it or add to it."""
    sections = _sections(code)
    if len(sections) < 4:
        return value
    return "".join(
        value if kind == "other" and part == "@" else part
        for kind, part in sections[3].tokens
        if kind in ("other", "literal")
    )


def general(value: float) -> str:
    """A number without any format: at most eleven significant digits, as spreadsheets do."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.11g}"
    mantissa, mark, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa.replace(".", ",") + (f"E{exponent}" if mark else "")


def date(value: dt.date) -> str:
    """A date in figures, with the time of day where there is one: 31/12/2024 14:30."""
    text = f"{value.day:02d}/{value.month:02d}/{value.year:04d}"
    if isinstance(value, dt.datetime) and value.time() != dt.time():
        text += f" {value.hour:02d}:{value.minute:02d}"
    return text


# --- Format codes -------------------------------------------------------------------------------


class _Section:
    """One of the parts of a code that semicolons separate."""

    def __init__(self, code: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.condition: tuple[str, float] | None = None
        self.is_general = "general" in code.lower() or "standard" in code.lower()
        if self.is_general:
            code = re.sub("general|standard", "@", code, flags=re.IGNORECASE)
        for match in _TOKEN.finditer(code):
            kind = match.lastgroup
            part = match[kind] if kind else ""
            if kind in ("quoted", "escaped"):
                self.tokens.append(("literal", part))
            elif kind == "bracket":
                self._bracket(part)
            elif kind is not None:
                self.tokens.append((kind, part))
        kinds = {kind for kind, _ in self.tokens}
        self.is_date = bool(kinds & {"date", "elapsed", "half"}) and "number" not in kinds
        self.has_number = "number" in kinds

    def _bracket(self, part: str) -> None:
        currency = _CURRENCY.match(part)
        condition = _CONDITION.match(part)
        if currency:
            self.tokens.append(("literal", currency[1]))
        elif _ELAPSED.fullmatch(part):
            self.tokens.append(("elapsed", part.lower()))
        elif condition:
            self.condition = (condition[1], float(condition[2]))


@lru_cache(maxsize=512)
def _sections(code: str) -> tuple[_Section, ...]:
    parts, start, quoted, index = [], 0, False, 0
    code = code[:255]
    while index < len(code):
        character = code[index]
        if character == "\\" and not quoted:
            index += 1
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            parts.append(code[start:index])
            start = index + 1
        index += 1
    parts.append(code[start:])
    return tuple(_Section(part) for part in parts[:4])


def _chosen(sections: tuple[_Section, ...], value: float) -> tuple[_Section, float]:
    """The section for a value, and what it shows: a section for negatives says the sign itself."""
    numeric = sections[:3]
    for section in numeric:
        if section.condition and _COMPARE[section.condition[0]](value, section.condition[1]):
            return section, abs(value) if section is not sections[0] else value
    if any(section.condition for section in numeric):
        return numeric[-1], value
    if value < 0 and len(numeric) > 1:
        return numeric[1], -value
    if value == 0 and len(numeric) > 2:
        return numeric[2], 0.0
    return numeric[0], value


def _surround(section: _Section, number: str) -> str:
    shown_parts = []
    for kind, part in section.tokens:
        if kind == "other" and part == "@":
            shown_parts.append(number)
        elif kind in ("literal", "other"):
            shown_parts.append(part)
    return "".join(shown_parts)


def _number(section: _Section, value: float) -> str:
    percents = sum(part.count("%") for kind, part in section.tokens if kind == "other")
    exponent = next((part for kind, part in section.tokens if kind == "exponent"), None)
    if any(kind == "other" and part == "/" for kind, part in section.tokens):
        # Fractions: the decimal number says the same.
        return general(value)
    patterns = [part for kind, part in section.tokens if kind == "number"]
    figures = iter(_figures(value * 100**percents, patterns, exponent))
    parts: list[str] = []
    for kind, part in section.tokens:
        if kind == "number":
            parts.append(next(figures))
        elif kind in ("literal", "other"):
            parts.append(part)
    text = "".join(parts)
    if not patterns:
        text = text.replace("@", general(value))
    # French puts a space before these.
    text = re.sub(r"(?<=\d)(?=[%€])", " ", text)
    # What is rounded to nothing has no sign: « -0,00 » is shown as « 0,00 ».
    negative = value < 0 and patterns and any(digit in text for digit in "123456789")
    return "-" + text.strip() if negative else text


def _figures(value: float, patterns: list[str], exponent: str | None) -> list[str]:
    """The digits for each group of placeholders of a code."""
    if len(patterns) < 2 or any("." in pattern or "," in pattern for pattern in patterns):
        figure = _figure(value, "".join(patterns), exponent) if patterns else ""
        return [figure, *("" for _ in patterns[1:])]
    # A code such as « 00 00 00 00 00 » shares out the digits from the right.
    least = sum(pattern.count("0") for pattern in patterns)
    digits = str(int(_rounded(abs(value), 0))).zfill(least)
    shared: list[str] = []
    for pattern in reversed(patterns[1:]):
        cut = max(len(digits) - len(pattern), 0)
        shared.insert(0, digits[cut:])
        digits = digits[:cut]
    return [digits, *shared]


def _figure(value: float, pattern: str, exponent: str | None) -> str:
    whole, _, fraction = pattern.partition(".")
    scale = len(pattern) - len(pattern.rstrip(","))
    value = abs(value) / 1000**scale
    most = min(len(fraction.rstrip(",")), 15)
    least = min(fraction.count("0"), most)
    if exponent is not None:
        mantissa, _, power = f"{value:.{most}E}".partition("E")
        digits = exponent.count("0")
        return f"{mantissa.replace('.', ',')}E{power[0]}{power[1:].lstrip('0').zfill(digits)}"
    text = f"{_rounded(value, most):.{most}f}"
    units, _, decimals = text.partition(".")
    while len(decimals) > least and decimals.endswith("0"):
        decimals = decimals[:-1]
    units = units.zfill(whole.count("0")) if units != "0" else "0" * whole.count("0")
    if "," in whole.rstrip(","):
        units = f"{int(units or '0'):,}".replace(",", " ").rjust(whole.count("0"), "0")
    return units + ("," + decimals if decimals else "")


def _rounded(value: float, digits: int) -> float:
    """Half away from zero, as spreadsheets do: 2.675 is shown as 2,68."""
    if value >= 1e15:
        return value
    scaled = value * 10**digits
    return float(math.floor(scaled * (1 + 1e-15) + 0.5) / 10**digits)


def _date(section: _Section, value: float, date_1904: bool) -> str:
    seconds_shown = any(kind == "date" and part[0] in "sS" for kind, part in section.tokens)
    fraction_shown = any(kind == "date" and "." in part for kind, part in section.tokens)
    precision = 1e-3 if fraction_shown else 1.0
    seconds = round(value * 86_400 / precision) * precision
    if not seconds_shown and not fraction_shown:
        seconds = round(value * 86_400)
    if not date_1904 and value < 60:
        # Before the day that never was, serial numbers are one day late.
        seconds += 86_400 if value >= 1 else 0
    try:
        moment = (_EPOCH_1904 if date_1904 else _EPOCH_1900) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return general(value)
    half = any(kind == "half" for kind, _ in section.tokens)
    parts: list[str] = []
    for index, (kind, part) in enumerate(section.tokens):
        if kind == "date":
            minutes = part[0] in "mM" and len(part) <= 2 and _is_minutes(section.tokens, index)
            parts.append(_date_part(part.lower(), moment, minutes, half))
        elif kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[part[0]]
            parts.append(str(int(value * 86_400 / unit + 1e-6)).zfill(len(part)))
        elif kind == "half":
            parts.append("AM" if moment.hour < 12 else "PM")
        elif kind == "literal" or (kind == "other" and part != "@"):
            parts.append(part)
    return "".join(parts)


def _is_minutes(tokens: list[tuple[str, str]], index: int) -> bool:
    """`m` and `mm` are minutes after hours and before seconds, else months."""
    times = ("date", "elapsed")
    before = next((part for kind, part in reversed(tokens[:index]) if kind in times), "")
    after = next((part for kind, part in tokens[index + 1 :] if kind in times), "")
    return before[:1].lower() == "h" or after[:1].lower() == "s"


def _date_part(part: str, moment: dt.datetime, minutes: bool, half: bool) -> str:
    length = len(part)
    if part[0] == "y":
        return f"{moment.year % 100:02d}" if length <= 2 else f"{moment.year:04d}"
    if part[0] == "m" and not minutes:
        if length >= 3:
            names = _SHORT_MONTHS if length == 3 else _MONTHS
            return names[moment.month - 1] if length <= 4 else names[moment.month - 1][0].upper()
        number = moment.month
    elif part[0] == "d":
        if length >= 3:
            day = _DAYS[moment.weekday()]
            return f"{day[:3]}." if length == 3 else day
        number = moment.day
    elif part[0] == "h":
        number = (moment.hour % 12 or 12) if half else moment.hour
    elif part[0] == "m":
        number = moment.minute
    else:
        whole, dot, zeros = part.partition(".")
        fraction = f"{moment.microsecond / 1e6:.{len(zeros)}f}"[2:] if dot else ""
        text = f"{moment.second:02d}" if len(whole) >= 2 else str(moment.second)
        return f"{text},{fraction}" if dot else text
    return f"{number:02d}" if length >= 2 else str(number)
