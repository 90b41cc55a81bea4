"""Figures of a text: numbers with their unit, dates, times, identifiers, in canonical form.

Years of duration become months (« 1 an » equals « 12 mois »); « 1 000 », « 1.000 » and « 1000 »
are equal, and so are « six mois » and « 6 mois », « 1er janvier 2026 » and « 01/01/2026 ».
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from chappe.assistant.lexicon import word_list
from chappe.assistant.matching import plain_typography

Value = Decimal | str | tuple[int | None, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a text.

    kind: "number", "date", "time" or "identifier". `value` is canonical within the kind; for a
    date it is (year, month, day) with None where not written. `unit` is canonical ("month", "day",
    "euro", "percent", ...) or None. `bound` is "least", "most" or None and `side` "before",
    "after" or None, from the words around. The span is half-open, in code points of the text.
    """

    kind: str
    value: Value
    unit: str | None
    bound: str | None
    start: int
    end: int
    side: str | None = None

    def is_in(self, facts: Iterable["Fact"]) -> bool:
        """Whether one of `facts` says this figure."""
        return any(self.matches(other) for other in facts)

    def matches(self, other: "Fact") -> bool:
        """Whether `other`, read in a source, says this figure (it may be more precise)."""
        if _opposed(self.bound, other.bound) or _opposed(self.side, other.side):
            return False
        if self.kind == "date" and other.kind == "date":
            if not isinstance(self.value, tuple) or not isinstance(other.value, tuple):
                return False
            pairs = zip(self.value, other.value, strict=True)
            return all(mine is None or mine == theirs for mine, theirs in pairs)
        if self.kind == "number" and other.kind == "date" and self.unit is None:
            return isinstance(other.value, tuple) and self.value == other.value[0]
        if self.kind != other.kind or self.value != other.value:
            return False
        return self.unit is None or self.unit == other.unit


def _opposed(mine: str | None, other: str | None) -> bool:
    return mine is not None and other is not None and mine != other


_WORDS = word_list(
    """
    zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze
    seize dix-sept dix-huit dix-neuf vingt
    """
)
_NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_WORDS)}
_NUMBER_WORDS["une"] = 1
_NUMBER_WORDS |= {
    f"{stem}ième": value
    for value, stem in enumerate(
        word_list("deux trois quatr cinqu six sept huit neuv dix onz douz"), 2
    )
}
for _tens, _start in {
    "vingt": 20,
    "trente": 30,
    "quarante": 40,
    "cinquante": 50,
    "soixante": 60,
}.items():
    _NUMBER_WORDS[_tens] = _start
    _NUMBER_WORDS[f"{_tens} et un"] = _NUMBER_WORDS[f"{_tens}-et-un"] = _start + 1
    for _digit in range(2, 20 if _start == 60 else 10):
        _NUMBER_WORDS[f"{_tens}-{_WORDS[_digit]}"] = _start + _digit
_NUMBER_WORDS |= {
    "soixante et onze": 71,
    "quatre-vingts": 80,
    "cent": 100,
    "cents": 100,
    "mille": 1000,
    "deux cents": 200,
    "trois cents": 300,
    "cinq cents": 500,
}
for _digit in range(1, 20):
    _NUMBER_WORDS[f"quatre-vingt-{_WORDS[_digit]}"] = 80 + _digit
_ENGLISH = word_list(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty
    """
)
_NUMBER_WORDS |= {word: value for value, word in enumerate(_ENGLISH, 1)}
_AMBIGUOUS_ALONE = frozenset({"un", "une", "one", "neuf", "cent", "cents", "mille", "zéro"})

_FRACTIONS: dict[str, tuple[Decimal, str]] = {
    **dict.fromkeys(("moitié", "1/2", "½"), (Decimal(50), "percent")),
    **dict.fromkeys(("quart", "quarts", "1/4", "¼"), (Decimal(25), "percent")),
    **dict.fromkeys(("tiers", "1/3", "⅓"), (Decimal("33.3"), "percent")),
    **dict.fromkeys(("2/3", "deux tiers", "⅔"), (Decimal("66.6"), "percent")),
    **dict.fromkeys(("3/4", "trois quarts", "¾"), (Decimal(75), "percent")),
    "double": (Decimal(2), "times"),
    "triple": (Decimal(3), "times"),
}

_MONTHS: dict[str, int] = {}
for _names in (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "january february march april may june july august september october november december",
):
    _MONTHS |= {name: number for number, name in enumerate(word_list(_names), 1)}
_MONTH = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")"

_UNITS: dict[str, tuple[str, int]] = {}
for _unit_name, _factor, _forms in (
    ("month", 12, "an ans année années year years"),
    ("month", 1, "mois month months"),
    ("day", 1, "jour jours day days"),
    ("week", 1, "semaine semaines week weeks"),
    ("hour", 1, "heure heures hour hours"),
    ("minute", 1, "minute minutes"),
    ("euro", 1, "€ euro euros eur"),
    ("percent", 1, "%"),
    ("kilometre", 1, "km kilomètre kilomètres"),
    ("metre", 1, "m mètre mètres"),
    ("square metre", 1, "m² m2"),
    ("kilogram", 1, "kg"),
    ("centimetre", 1, "cm"),
    ("millimetre", 1, "mm"),
):
    _UNITS |= {form: (_unit_name, _factor) for form in word_list(_forms)}
_UNIT_PATTERN = (
    r"(?:pour\s+cent|per\s*cent|percent|d'euros|(?:"
    + "|".join(sorted((re.escape(form) for form in _UNITS), key=len, reverse=True))
    + r")(?!\w))"
)
_WORD_PATTERN = "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True))

_ORDINALS = {"premier": 1} | {
    word: value for word, value in _NUMBER_WORDS.items() if word.endswith("ième")
}
_ORDINAL = "(?:" + "|".join(_ORDINALS) + ")"

_FACT = re.compile(
    rf"""
      (?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}}\b)
    | (?P<slash>\b\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{4}}\b)
    | (?P<date>\b(?:\d{{1,2}}(?:\s*er|\s*st|\s*nd|\s*rd|\s*th)?\s+)?{_MONTH}
        (?:\s+\d{{4}}|\s+\d{{1,2}},\s+\d{{4}})?\b)
    | (?P<fraction>\b(?:(?:la[ ]|une[ ])?moitié|(?:les?[ ]|un[ ])?(?:double|triple|quart)
        |trois[ ]quarts|deux[ ]tiers|(?:un|le)[ ]tiers(?=[ ]d(?:es?|u)\b|[ ]d')
        |[123]/[234](?!\d))\b|[½⅓⅔¼¾])
    | (?P<birthday>\b(?:\d{{1,3}}(?:er|[eè]me|e)|{_ORDINAL})[ ]anniversaire\b)
    | (?P<time>\b\d{{1,2}}\s?(?:h|:)\s?\d{{2}}\b|\b\d{{1,2}}\s?h\b)
    | (?P<form>\b\d{{4,6}}\s?\*\s?\d{{1,2}}\b)
    | (?P<article>\b(?-i:[LRDA])(?:\.[ ]?\*?[ ]?|\*[ ]?|[ ]?(?=\d+-\d)|(?=\d))\d+(?:-\d+)*\b)
    | (?P<phone>\b(?:\d{{2}}(?:[ ]\d{{2}})+|\d{{2}}(?:\.\d{{2}}){{2,}})\b(?![\d,]))
    | (?P<code>\b(?=\w*\d)(?=\w*[a-zA-Z])(?!\d+(?:er|re|ère|e|ème|ième|st|nd|rd|th|km|kg|m|cm|mm)\b)
        [A-Za-z]{{1,6}}\d[\w-]*|\b[A-Za-z]+(?:-[A-Za-z]+)*-\d[\w-]*)
    | (?P<dashed>\b\d+(?:-\d+)+\b)
    | (?P<span>\b(?:dans[ ](?:le|la|l')[ ]?|l[ea'][ ]?(?=\w+[ ]qui[ ]sui))
        (?P<span_unit>mois|année|semaine)\b)
    | (?P<number>(?<![\w,.])(?:\d{{1,3}}(?:[ ]\d{{3}})+|\d{{1,3}}(?:\.\d{{3}})+|\d+)
        (?:[,.]\d+)?)(?P<ordinal>\s?(?:er|re|ère|ème|ième|e|st|nd|rd|th)\b)?
        (?:[ ]{{0,2}}(?P<multiple>millions?|milliards?)\b)?(?:[ ]{{0,2}}(?P<unit>{_UNIT_PATTERN}))?
    | (?P<word>(?<![\w-])(?:{_WORD_PATTERN})(?![\w-]))
        (?:[ ]{{1,2}}(?P<word_unit>{_UNIT_PATTERN}))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LEADING_LIST_MARK = re.compile(r"\s*(?:[-*•–—]\s+|\d{1,3}[.)]\s+)+")
_RANGE = re.compile(r"\s*(?:à|et|ou|-|/|and|to|or)\s*$", re.IGNORECASE)
_LEAST_BEFORE = re.compile(
    r"(?:au moins|plus d(?:e|'|')|au minimum|minim(?:um|ale?)(?: est)?(?: de| d'| à)?"
    r"|supérieure?s?(?: ou égale?s?)? à"
    r"|à partir d(?:e|u|')|à compter d(?:e|u)|dès|au-dessus d(?:e|')|au-delà d(?:e|')"
    r"|(?:dépass|excèd|excéd)(?:e|ent|ant|ait|er)(?: pas| jamais)?"
    r"|at least|more than|over)(?: égale?s?(?: à| au)?)?(?: l[ea])?\s*$",
    re.IGNORECASE,
)
_MOST_BEFORE = re.compile(
    r"(?:moins d(?:e|')|au plus|au maximum|maxim(?:um|ale?)(?: est)?(?: de| d'| à)?"
    r"|inférieure?s?(?: ou égale?s?)? à"
    r"|jusqu'(?:à|au|en)|dans la limite d(?:e|')|(?:limité|plafonné)e?s? à|au-dessous d(?:e|')"
    r"|at most|less than|under|up to)(?: égale?s?(?: à| au)?)?(?: l[ea])?\s*$",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:ne|n'|sans|not|cannot)\b[^.;:\n]{0,40}$", re.IGNORECASE)
_LEAST_BEHIND = re.compile(
    r"(?:\s[^\W\d]+)?,?\s(?:au moins|au minimum|minimum|(?:et|ou) (?:plus|davantage)"
    r"|et au-delà|révolus|or more|at least)\b",
    re.IGNORECASE,
)
_MOST_BEHIND = re.compile(
    r"(?:\s[^\W\d]+)?,?\s(?:au plus|au maximum|maximum|(?:et|ou) moins|or less|at most)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:avant(?: le| l')?|jusqu'au|before|until)\s*$", re.IGNORECASE)
_AFTER = re.compile(
    r"(?:après(?: le| l')?|after|since|depuis(?: le)?|à compter du|à partir du|dès le)\s*$",
    re.IGNORECASE,
)
_SIDE_BEHIND = re.compile(r"\s+(avant|après|before|after)\b", re.IGNORECASE)


def find_facts(text: str) -> tuple[Fact, ...]:
    """Read the figures of `text` in order (a leading list mark such as « 1. » is not one)."""
    plain = plain_typography(text)
    lead = _LEADING_LIST_MARK.match(plain)
    facts: list[Fact] = []
    for match in _FACT.finditer(plain, lead.end() if lead else 0):
        fact = _read(match, plain)
        if fact is None:
            continue
        previous = facts[-1] if facts else None
        if (
            previous is not None
            and previous.kind == "number"
            and previous.unit is None
            and fact.kind == "number"
            and fact.unit is not None
            and _RANGE.fullmatch(plain, previous.end, fact.start)
        ):
            facts[-1] = _with_unit_of(previous, match)
        facts.append(fact)
    return tuple(facts)


def _with_unit_of(fact: Fact, match: re.Match[str]) -> Fact:
    unit, factor = _unit(match.group("unit") or match.group("word_unit"))
    value = fact.value * factor if isinstance(fact.value, Decimal) else fact.value
    return replace(fact, value=value, unit=unit)


def _read(match: re.Match[str], text: str) -> Fact | None:
    start, end = match.span()
    groups = match.groupdict()
    side = _side(text, start, end)
    is_date = any(groups[name] for name in ("iso", "slash", "date"))
    bound = None if is_date else _bound(text, start, end)

    def fact(kind: str, value: Value, unit: str | None = None) -> Fact:
        return Fact(kind, value, unit, bound, start, end, side)

    if groups["iso"]:
        year, month, day = (int(part) for part in groups["iso"].split("-"))
        return fact("date", (year, month, day))
    if groups["slash"]:
        day, month, year = (int(part) for part in re.split(r"[/.]", groups["slash"]))
        return fact("date", (year, month, day))
    if groups["date"]:
        date = _read_date(groups["date"])
        return None if date is None else fact("date", date)
    if groups["time"]:
        clock = re.sub(r"\s", "", groups["time"].lower()).replace(":", "h")
        hours, _, minutes = clock.partition("h")
        return fact("time", f"{int(hours)}h{int(minutes or 0):02d}")
    for name in ("form", "article", "phone", "code", "dashed"):
        if groups[name]:
            return fact("identifier", re.sub(r"[\s.*]", "", groups[name]).upper())
    if groups["fraction"]:
        written = groups["fraction"].lower()
        return fact("number", *_FRACTIONS.get(written) or _FRACTIONS[written.split()[-1]])
    if groups["birthday"]:
        rank = groups["birthday"].split()[0].lower()
        digits = re.match(r"\d+", rank)
        years = int(digits.group()) if digits else _ORDINALS[rank]
        return fact("number", Decimal(12 * years), "month")
    if groups["span"]:
        unit, factor = _unit(groups["span_unit"])
        return fact("number", Decimal(factor), unit)
    if groups["number"]:
        value = _decimal(groups["number"])
        if groups["multiple"]:
            value *= 10**6 if groups["multiple"].lower().startswith("million") else 10**9
        unit, factor = _unit(groups["unit"])
        return fact("number", value * factor, unit)
    word = groups["word"].lower()
    if groups["word_unit"] is None and word in _AMBIGUOUS_ALONE:
        return None
    unit, factor = _unit(groups["word_unit"])
    return fact("number", Decimal(_NUMBER_WORDS[word] * factor), unit)


def _read_date(written: str) -> tuple[int | None, int | None, int | None] | None:
    month: int | None = None
    year: int | None = None
    day: int | None = None
    for word in re.findall(r"[^\W\d_]+|\d+", written.lower()):
        if not word.isdigit():
            month = _MONTHS.get(word, month)
        elif len(word) == 4:
            year = int(word)
        else:
            day = int(word)
    return None if year is None and day is None else (year, month, day)


def _decimal(written: str) -> Decimal:
    digits = written.replace(" ", "")
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", digits):
        digits = digits.replace(".", "")
    return Decimal(digits.replace(",", ".", 1)).normalize()


def _unit(written: str | None) -> tuple[str | None, int]:
    if not written:
        return None, 1
    plain = re.sub(r"\s+", " ", written.lower())
    if plain in ("pour cent", "per cent", "percent"):
        return "percent", 1
    if plain == "d'euros":
        return "euro", 1
    return _UNITS[plain]


def _bound(text: str, start: int, end: int) -> str | None:
    """« au moins », « au plus » and their like around a figure; « ne … pas » turns them round."""
    before = text[max(0, start - 36) : start]
    least, most = _LEAST_BEFORE.search(before), _MOST_BEFORE.search(before)
    found = least or most
    if found is None:
        if _LEAST_BEHIND.match(text, end):
            return "least"
        return "most" if _MOST_BEHIND.match(text, end) else None
    clause = text[max(0, start - 90) : start - len(before) + found.start()]
    comparative = (
        found.group()
        .lower()
        .startswith(("supérieur", "inférieur", "dépass", "exc", "plus d", "moins d"))
    )
    denied = comparative and _DENIED.search(clause) is not None
    return "least" if (least is None) == denied else "most"


def _side(text: str, start: int, end: int) -> str | None:
    """« avant » or « après », before a date, or behind a duration."""
    behind = _SIDE_BEHIND.match(text, end)
    if behind is not None:
        return "before" if behind.group(1).lower() in ("avant", "before") else "after"
    before = text[max(0, start - 18) : start]
    if _BEFORE.search(before):
        return "before"
    return "after" if _AFTER.search(before) else None
