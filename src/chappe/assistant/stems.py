"""Stems of words, accents folded, as the checking of citations compares them."""

import re
from functools import lru_cache

import snowballstemmer

from chappe.assistant.matching import strip_accents

_IRREGULAR: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"^(?:{pattern})$"), infinitive)
    for pattern, infinitive in (
        (
            r"(re|per|con|dé)(?:çoi(?:s|t|ve|vent)|çue?s?|cev(?:ez|ons|ra|rez|ront|ait|ant))",
            r"\1cevoir",
        ),
        (
            r"(ob|dé|main|re|con|entre|sou|appar)"
            r"(?:tien(?:s|t|ne|nent|dra|dront|drez)|tenue?s?|ten(?:ez|ons|ait|ant))",
            r"\1tenir",
        ),
        (
            r"(re|de|inter|con|par|pré|pro|sur|)"
            r"(?:vien(?:s|t|ne|nent|dra|dront)|venue?s?|ven(?:ez|ons|ait|ant))",
            r"\1venir",
        ),
        (
            r"(ap|com|re|entre|sur|)(?:prend(?:s|ra|ront|rez)?|prenn?(?:e|ent|ez|ons|ant)|prise?s?)",
            r"\1prendre",
        ),
        (r"(re|trans|ad|sou|com|)(?:met(?:s|te|tent|tez|tant|tra|tront)?|mise?s?)", r"\1mettre"),
        (r"(pour|)sui(?:s|t|ve|vent|vez|vant|vants|vante|vantes|vie?s?)", r"\1suivre"),
        (
            r"(dé|ré|ins|trans|pres|sous|pros|)(?:cri(?:s|t|te|ts|tes|ve|vent|vez|vant)|écri(?:t|te|ts|vent))",
            r"\1crire",
        ),
        (r"(con|dé|pro|ré|intro|tra)dui(?:s|t|te|ts|tes|se|sent|sez|sant|ra|rait)", r"\1duire"),
        (r"(cons|ins|dé)trui(?:s|t|te|ts|tes|se|sent|sez|sant)", r"\1truire"),
        (r"(re|ad|)join(?:s|t|te|ts|tes|gne|gnent|gnez|gnant)", r"\1joindre"),
        (r"(ac|re|con)(?:qui(?:er|è)(?:s|t|rent)|quise?s?|quér(?:ez|ons|ait|ant))", r"\1quérir"),
        (r"(dé|re|)cou(?:vre|vrent|vrez|vert|verte|verts|vertes)", r"\1couvrir"),
        (r"ou(?:vre|vrent|vrez|vert|verte|verts|vertes|vrant)", "ouvrir"),
        (r"offre|offrent|offrez|offert|offerte|offerts", "offrir"),
        (r"(par|re|en|con|)cour(?:s|t|ent|ez|ue?s?|ant|ra)", r"\1courir"),
        (r"(inter|cor|)romp(?:s|t|e|ent|ez|ue?s?|ant)", r"\1rompre"),
        (r"(con|ex|in)clu(?:s|t|e|es|ent|ez|ant)?", r"\1clure"),
        (r"vi(?:s|t|ve|vent|vez|vant)|vécue?s?", "vivre"),
        (r"(re|)connu(?:e|s|es)?|(?:re)?conna(?:is|ît|issent|issez)", r"\1connaître"),
        (r"sert|serve|servent|servez|servi|servie", "servir"),
        (r"(ré|)él(?:it|isent|ue?s?)", r"\1élire"),
        (
            r"((?:at|é|en|pré|dé|)tend|(?:dé|sus)pend|(?:re)?vend|rend|défend|descend|perd"
            r"|(?:cor)?respond|répond|confond)(?:s|ue?s?|e|ent|ez|ant|ra|ront|rait)?",
            r"\1re",
        ),
    )
)
"""Forms of irregular verbs, and their infinitive."""
_OWN_STEMS = {"loyer": "loyer", "loyers": "loyer", "département": "departem"}
"""Words that would share the stem of another: « loi », « départ »."""
_LEFT_ALONE = frozenset(
    {"cours", "second", "bord", "accord", "nord", "fond", "record", "mise", "mises"}
)


@lru_cache(maxsize=20_000)
def stem(word: str, language: str) -> str:
    """Give the accent-folded stem of a lower-case word ("fr" or "en")."""
    if language == "en":
        return strip_accents(str(_stemmer("english").stemWord(word)))
    if word in _OWN_STEMS:
        return _OWN_STEMS[word]
    return strip_accents(str(_stemmer("french").stemWord(_infinitive(word))))


def _infinitive(word: str) -> str:
    if word in _LEFT_ALONE:
        return word
    for pattern, infinitive in _IRREGULAR:
        if pattern.match(word):
            return pattern.sub(infinitive, word)
    return word


@lru_cache(maxsize=2)
def _stemmer(name: str) -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer(name)
