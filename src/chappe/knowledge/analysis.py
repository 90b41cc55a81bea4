"""French analysis: from text to the terms that the lexical index holds.

Elisions are cut, function words dropped, words freed of accents then stemmed (Snowball French).
Numbers of articles and forms stay whole: « L. 1222-10 », « L1222-10 » and « l 1222-10 » are one
term. A hyphenated word gives its parts and its whole.
"""

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

_STEMMER = snowballstemmer.stemmer("french")

# « L. 1222-10 », « l 1222-10 », « R*112-9 », « L1152 »; not « il y a 2 ans »: a letter apart from a
# plain number needs its point.
_IDENTIFIER = re.compile(
    r"\b([lrdac])(?:\.\s?\*?\s?|\*\s?|(?=\d)|\s(?=\d{3,5}-\d))"
    r"(\d{1,5}(?:-\d{1,4})*)\b(?!\s?(?:€|%))",
    re.I,
)
# « C.D.D. » is « CDD ».
_ACRONYM = re.compile(r"\b(?:[A-Z]\.){2,}(?![a-z])")
_FORM = re.compile(r"\b(\d{5})\s?\*\s?(\d{2})\b")
_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}\b)")
_WORD = re.compile(r"\w+(?:[-‑]\w+)*", re.UNICODE)

# Marks that stand on a letter (accents among them), of the scripts in use.
_MARKS = "".join(mark for mark in map(chr, range(0x300, 0x10000)) if unicodedata.combining(mark))
_COMBINING = re.compile(f"[{_MARKS}]+")

STOP_WORDS = frozenset(
    [
        "a",
        "à",
        "afin",
        "ai",
        "ainsi",
        "alors",
        "après",
        "as",
        "au",
        "aucun",
        "aucune",
        "auquel",
        "aura",
        "aurait",
        "aussi",
        "autre",
        "autres",
        "aux",
        "auxquels",
        "auxquelles",
        "avait",
        "avant",
        "avec",
        "avez",
        "avoir",
        "ayant",
        "c",
        "ce",
        "ceci",
        "cela",
        "celle",
        "celles",
        "celui",
        "cependant",
        "ces",
        "cet",
        "cette",
        "ceux",
        "chaque",
        "chez",
        "ci",
        "comme",
        "comment",
        "d",
        "dans",
        "de",
        "depuis",
        "des",
        "desquels",
        "desquelles",
        "dès",
        "doit",
        "doivent",
        "donc",
        "dont",
        "du",
        "duquel",
        "elle",
        "elles",
        "en",
        "encore",
        "entre",
        "es",
        "est",
        "et",
        "étaient",
        "était",
        "étant",
        "été",
        "être",
        "eu",
        "eux",
        "faire",
        "fait",
        "faut",
        "fois",
        "font",
        "hors",
        "ici",
        "il",
        "ils",
        "j",
        "je",
        "jusqu",
        "jusque",
        "l",
        "la",
        "là",
        "le",
        "les",
        "lesquels",
        "lesquelles",
        "leur",
        "leurs",
        "lors",
        "lorsqu",
        "lorsque",
        "lui",
        "m",
        "ma",
        "mais",
        "me",
        "même",
        "mêmes",
        "mes",
        "moi",
        "mon",
        "n",
        "ne",
        "ni",
        "non",
        "nos",
        "notre",
        "nous",
        "on",
        "ont",
        "or",
        "où",
        "ou",
        "par",
        "parce",
        "pas",
        "pendant",
        "peut",
        "peuvent",
        "peux",
        "plus",
        "plutôt",
        "pour",
        "pourquoi",
        "pouvez",
        "presqu",
        "puis",
        "puisqu",
        "puisque",
        "qu",
        "quand",
        "que",
        "quel",
        "quelle",
        "quelles",
        "quels",
        "qui",
        "quoi",
        "s",
        "sa",
        "sans",
        "se",
        "selon",
        "sera",
        "serait",
        "seront",
        "ses",
        "seulement",
        "si",
        "soi",
        "soit",
        "son",
        "sont",
        "sous",
        "sur",
        "t",
        "ta",
        "tandis",
        "te",
        "tel",
        "telle",
        "telles",
        "tels",
        "tes",
        "toi",
        "ton",
        "toujours",
        "tous",
        "tout",
        "toute",
        "toutes",
        "très",
        "tu",
        "un",
        "une",
        "vers",
        "voici",
        "voilà",
        "vos",
        "votre",
        "vous",
        "y",
    ]
)


def fold(text: str) -> str:
    """Lower case without accents (NFKD, combining marks dropped)."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    return decomposed if decomposed.isascii() else _COMBINING.sub("", decomposed)


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """The stem of a word. Accents go first: people leave them out, and both must meet."""
    stemmed: str = _STEMMER.stemWord(fold(word))
    return stemmed


def identifiers(text: str) -> list[str]:
    """Numbers of articles in a text, in their canonical form (« l1222-10 »)."""
    return [f"{letter.lower()}{number}" for letter, number in _IDENTIFIER.findall(text)]


def terms(text: str) -> list[str]:
    """The terms of a text, in order, with repetitions."""
    text = unicodedata.normalize("NFKC", text.replace("’", "'").replace("\u00ad", ""))
    found = identifiers(text)
    text = _IDENTIFIER.sub(" ", text)
    text = _ACRONYM.sub(lambda match: match.group().replace(".", "") + " ", text)
    found += [f"{form}*{version}" for form, version in _FORM.findall(text)]
    text = _THOUSANDS.sub("", text)
    for match in _WORD.finditer(text):
        word = match.group().lower().replace("‑", "-")
        if "-" in word:
            parts = [part for part in word.split("-") if part]
            kept = [part for part in parts if part not in STOP_WORDS]
            found += [stem(part) for part in kept]
            if len(parts) > 1 and not word.replace("-", "").isdigit() and len(kept) == len(parts):
                found.append(stem("".join(parts)))
        elif word not in STOP_WORDS:
            found.append(stem(word))
    return [term[:64] for term in found]
