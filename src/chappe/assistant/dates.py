"""The date at which the law is asked: said in a question, never guessed.

« en vigueur au 1er janvier 2020 » and « en 2019 » give a date. « avant la réforme de 2017 », « la
loi du 8 août 2016 » and « embauché en 2015 » name a time without asking for the law of that time:
what was read is told, and no date is taken from it.
"""

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal

from chappe.assistant.matching import plain_typography, strip_accents

Precision = Literal["day", "month", "year"]

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier january janv",
            "fevrier february fevr",
            "mars march",
            "avril april avr",
            "mai may",
            "juin june",
            "juillet july juil",
            "aout august",
            "septembre september sept",
            "octobre october oct",
            "novembre november nov",
            "decembre december dec",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:1[89]|20)\d\d"
_DATE = re.compile(
    rf"\b(?P<y1>{_YEAR})-(?P<m1>\d\d)-(?P<d1>\d\d)\b"
    rf"|\b(?P<d2>\d{{1,2}})[/.](?P<m2>\d{{1,2}})[/.](?P<y2>{_YEAR})\b"
    rf"|\b(?P<d3>\d{{1,2}})(?:er|st|nd|rd|th)?\s+(?:of\s+)?(?P<m3>{_MONTH})\.?,?\s+(?P<y3>{_YEAR})\b"
    rf"|\b(?P<m4>{_MONTH})\s+(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y4>{_YEAR})\b"
    rf"|\b(?P<m5>{_MONTH})\.?\s+(?P<y5>{_YEAR})\b"
    rf"|\b(?P<y6>{_YEAR})\b"
)
# What leads to the date at which something is asked.
_AT = re.compile(
    r"(?:\b(?:en vigueur|applicable|valable)s?\s+(?:au|le|en|a la date du|on|in|at)"
    r"|\ba la date du|\ben date du|\ba compter du|\bas of|\bas at|\bon|\bau|\ble"
    r"|\ben|\ben l'an|\ben l'annee|\bpour l'annee|\bde l'annee|\bpour|\bcourant|\bfin|\bin"
    r"|\bau (?:mois|cours) de(?: l'annee)?|\bdurant(?: l'annee)?|\bpendant(?: l'annee)?"
    r"|\bduring)\s+$"
)
_RELATION = re.compile(
    r"\b(?:avant|apres|depuis|jusqu'?(?:en|au|a)?|entre|des|d'ici|a partir d[eu]|a compter d[eu]|"
    r"anterieur\w*|posterieur\w*|before|after|since|until|between|from|by)\b[^,;.?!]{0,40}$"
)
_NAMED = re.compile(
    r"\b(?:lois?|ordonnances?|decrets?|arretes?|reformes?|circulaires?|directives?|reglements?|"
    r"accords?|conventions?|arrets?|jugements?|decisions?|avis|edition|millesime|"
    r"law|act|decree|order|reform|regulation|ruling)\b[^,;.?!]{0,40}$"
)
_EVENT = re.compile(
    r"\b(?:nee?s?|embauche\w*|recrute\w*|licencie\w*|marie\w*|divorce\w*|pacse\w*|signe\w*|achete\w*|"
    r"construite?s?|conclue?s?|arrive\w*|entree?s?|commence\w*|demenage\w*|decede\w*|immatricule\w*|"
    r"obtenue?s?|delivre\w*|date\w*|mort\w*|depose\w*|verse\w*|vendue?s?|created?|cree\w*|"
    r"hired|born|bought|signed|married|dismissed|built|issued|died|moved|started)\b[^,;.?!]{0,25}$"
)


@dataclass(frozen=True, slots=True)
class AskedDate:
    """What a question says of the time that it asks about.

    ``date``: the day whose law is asked; the last day of a month or a year that is named. ``None``
    when the words leave the day open. ``words``: those of the question.
    """

    date: dt.date | None
    precision: Precision | None
    words: str


def asked_date(question: str, today: dt.date | None = None) -> AskedDate | None:
    """The date that a question asks about, or `None` when it speaks of no time.

    Of several dates that it asks about, none is chosen. A month or a year that isn't over at
    ``today`` is asked as it is today.
    """
    plain = plain_typography(question)
    folded = strip_accents(plain).lower()
    if len(folded) != len(plain):  # composed otherwise: offsets would not meet
        folded = plain.lower()
    found: list[AskedDate] = []
    open_words = ""
    for match in _DATE.finditer(folded):
        date, precision = _read(match)
        if date is None:
            continue
        before = folded[: match.start()]
        lead = _AT.search(before)
        start = lead.start() if lead else match.start()
        words = " ".join(question[start : match.end()].split())
        if lead and _asks(before[:start], lead.group().strip(), precision):
            if today is not None and precision != "day" and _holds(date, precision, today):
                date = today
            found.append(AskedDate(date, precision, words))
        elif _tells_time(before, lead is not None):
            relation = _RELATION.search(before) or _NAMED.search(before) or _EVENT.search(before)
            start = relation.start() if relation else start
            open_words = open_words or " ".join(question[start : match.end()].split())
    if len({each.date for each in found}) == 1:
        return found[0]
    if found:
        return AskedDate(None, None, " / ".join(each.words for each in found))
    return AskedDate(None, None, open_words) if open_words else None


def _asks(before: str, lead: str, precision: Precision) -> bool:
    """Whether a date after `lead` is the one that the question is about."""
    if lead.startswith(("en vigueur", "applicable", "valable", "a la date", "as ")):
        return True
    if lead in ("pour", "le", "on") and precision == "year":
        return False
    if lead == "a compter du":
        return False
    return not (_RELATION.search(before) or _NAMED.search(before) or _EVENT.search(before))


def _holds(last: dt.date, precision: Precision, today: dt.date) -> bool:
    """Whether the month or year that ends at ``last`` holds ``today``."""
    same_year = last.year == today.year
    return same_year and (precision == "year" or last.month == today.month)


def _tells_time(before: str, led: bool) -> bool:
    """Whether a date that isn't asked about still speaks of a time (and isn't just a number)."""
    return led or bool(_RELATION.search(before) or _NAMED.search(before) or _EVENT.search(before))


def _read(match: re.Match[str]) -> tuple[dt.date | None, Precision]:
    parts = {name[0]: value for name, value in match.groupdict().items() if value is not None}
    year = int(parts["y"])
    month = parts.get("m")
    if month is None:
        return dt.date(year, 12, 31), "year"
    number = _MONTHS.get(month) or int(month)
    if not 1 <= number <= 12:
        return None, "day"
    if "d" not in parts:
        return dt.date(year, number, calendar.monthrange(year, number)[1]), "month"
    try:
        return dt.date(year, number, int(parts["d"])), "day"
    except ValueError:
        return None, "day"
