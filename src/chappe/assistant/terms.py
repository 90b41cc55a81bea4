"""Content terms of a text: stems or concepts, with weight, position and polarity."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

from chappe.assistant.facts import Fact, find_facts
from chappe.assistant.lexicon import (
    CONCEPT_OF,
    CRITICAL,
    ENGLISH_HINTS,
    FRENCH_HINTS,
    FUNCTION_WORDS,
    LIGHT_CONCEPTS,
    LIGHT_STEMS,
    NEGATIVE_WORDS,
)
from chappe.assistant.matching import plain_typography, strip_accents

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_BOUNDARY = re.compile(r"[,;:.!?()\n\u2026]")
_CLAUSE_WORDS = frozenset(
    "mais car sauf si et ou puis sans hors excepté but and or if without".split()
)
_FIGURE_BREAK = re.compile(r"[,;]|\s(?:et|ou|mais|contre|puis|and|or|but)\s")
_SCOPED_NEGATIONS = frozenset("ne n pas aucun aucune jamais ni not no never cannot t".split())
_SHORT_NEGATIONS = {"sans": 3, "hors": 3, "sauf": 4, "excepté": 4, "non": 1, "without": 3}
_COPULAS = frozenset(
    "est sont sera seront était étaient reste restent devient deviennent is are was were".split()
)
_SECOND_NEGATIONS = frozenset("pas plus jamais aucun aucune rien personne ni point guère".split())


@dataclass(frozen=True, slots=True)
class Term:
    """A content word: `key` is a concept (upper case) or an accent-folded stem.

    `negated`: stands in the scope of an odd number of negations of its clause. `light`: says
    little on its own. `required`: a sentence may not claim it without finding it in its source.
    The span is half-open, in code points of the text.
    """

    key: str
    start: int
    end: int
    negated: bool
    light: bool
    required: bool


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """Terms and figures of a text, and whether it holds a negation at all."""

    text: str
    terms: tuple[Term, ...]
    facts: tuple[Fact, ...]
    has_negation: bool


@dataclass(slots=True)
class _Word:
    lower: str
    start: int
    end: int
    upper: bool
    clause: int = 0
    flips: int = 0


def detect_language(text: str) -> str:
    """Tell "en" or "fr" by function words; French when nothing decides."""
    words = [word.lower() for word in _WORD.findall(plain_typography(text))]
    english = sum(word in ENGLISH_HINTS for word in words)
    french = sum(word in FRENCH_HINTS for word in words)
    return "en" if english > french else "fr"


@lru_cache(maxsize=20_000)
def stem(word: str, language: str) -> str:
    """Give the accent-folded stem of a lower-case word ("fr" or "en")."""
    name = "english" if language == "en" else "french"
    return strip_accents(str(_stemmer(name).stemWord(word)))


@lru_cache(maxsize=2)
def _stemmer(name: str) -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer(name)


def analyse(text: str, language: str | None = None) -> TextAnalysis:
    """Read the terms, figures and negations of `text` (language guessed when None)."""
    language = language or detect_language(text)
    plain = plain_typography(text)
    facts = find_facts(text)
    words = list(_words(plain))
    has_negation = _mark_negations(words)
    terms: list[Term] = []
    predicate = _predicates(words)
    fact_spans = [(fact.start, fact.end) for fact in facts]
    cursor = 0
    for index, word in enumerate(words):
        while cursor < len(fact_spans) and fact_spans[cursor][1] <= word.start:
            cursor += 1
        if cursor < len(fact_spans) and fact_spans[cursor][0] < word.end:
            continue
        key = _key(word, language)
        if key is None:
            continue
        concept = key.isupper()
        light = key in LIGHT_CONCEPTS if concept else key in LIGHT_STEMS
        required = (
            key in CRITICAL
            or (not light and index in predicate)
            or (word.upper and not concept and _is_name(plain, word))
        )
        negated = (word.flips + (word.lower in NEGATIVE_WORDS)) % 2 == 1
        terms.append(Term(key, word.start, word.end, negated, light, required))
    return TextAnalysis(text, tuple(terms), facts, has_negation)


def figure_stretches(analysis: TextAnalysis) -> tuple[tuple[int, int], ...]:
    """Cut a text between figures of one kind, at the first comma or conjunction after each.

    « 86 € pour un majeur et 42 € pour un mineur » gives two stretches: what is said of a figure
    stands in its own. Spans are half-open, in code points of the text, and cover it.
    """
    cuts = [0]
    for left, right in zip(analysis.facts, analysis.facts[1:], strict=False):
        if left.kind == right.kind and left.unit == right.unit:
            found = _FIGURE_BREAK.search(analysis.text, left.end, right.start)
            if found is not None:
                cuts.append(found.end())
    return tuple(zip(cuts, [*cuts[1:], len(analysis.text)], strict=True))


def _words(plain: str) -> Iterator[_Word]:
    clause, last = 0, 0
    for match in _WORD.finditer(plain):
        if _BOUNDARY.search(plain, last, match.start()):
            clause += 1
        last = match.end()
        written = match.group()
        if "-" in written and written.lower() not in CONCEPT_OF:
            for part in re.finditer(r"[^-]+", written):
                start = match.start() + part.start()
                yield _make_word(part.group(), start, clause)
        else:
            yield _make_word(written, match.start(), clause)


def _make_word(written: str, start: int, clause: int) -> _Word:
    return _Word(written.lower(), start, start + len(written), written[0].isupper(), clause)


def _mark_negations(words: list[_Word]) -> bool:
    found = False
    scoped_from = -1
    for index, word in enumerate(words):
        reach = 0
        if word.lower in _SCOPED_NEGATIONS:
            if index < scoped_from:
                continue
            if word.lower == "t" and (index == 0 or not words[index - 1].lower.endswith("n")):
                continue
            if word.lower in ("ne", "n") and _is_restriction(words, index):
                continue
            reach = len(words)
        elif word.lower in _SHORT_NEGATIONS:
            reach = _SHORT_NEGATIONS[word.lower]
        elif NEGATIVE_WORDS.get(word.lower) == "PERMISSION":
            reach = len(words)
        if not reach:
            found = found or word.lower in NEGATIVE_WORDS
            continue
        found = True
        end = _flip(words, index, reach)
        if word.lower in _SCOPED_NEGATIONS:
            scoped_from = end
    return found


def _flip(words: list[_Word], index: int, reach: int) -> int:
    """Flip the polarity of the `reach` content words after `index`, within the clause."""
    seen = 0
    for position in range(index + 1, len(words)):
        word = words[position]
        if word.clause != words[index].clause or word.lower in _CLAUSE_WORDS or seen == reach:
            return position
        word.flips += 1
        seen += word.lower not in FUNCTION_WORDS
    return len(words)


def _is_restriction(words: list[_Word], index: int) -> bool:
    """« ne … que » and « n'importe » do not deny."""
    if index + 1 < len(words) and words[index + 1].lower == "importe":
        return True
    for word in words[index + 1 : index + 7]:
        if word.clause != words[index].clause or word.lower in _SECOND_NEGATIONS:
            return False
        if word.lower in ("que", "qu"):
            return True
    return False


def _predicates(words: list[_Word]) -> set[int]:
    found: set[int] = set()
    for index, word in enumerate(words):
        if word.lower not in _COPULAS:
            continue
        for position in range(index + 1, min(index + 4, len(words))):
            if words[position].clause != word.clause:
                break
            if words[position].lower not in FUNCTION_WORDS:
                found.add(position)
                break
    return found


def _is_name(plain: str, word: _Word) -> bool:
    """A capital inside a sentence, or an acronym, names something in particular."""
    written = plain[word.start : word.end]
    if len(written) > 1 and written.isupper():
        return True
    before = plain[: word.start].rstrip(" '\"(")
    return bool(before) and before[-1].isalpha() and len(written) > 2


def _key(word: _Word, language: str) -> str | None:
    concept = CONCEPT_OF.get(word.lower)
    if concept is not None:
        return concept
    if word.lower in FUNCTION_WORDS or len(word.lower) < 2:
        return None
    return stem(word.lower, language)
