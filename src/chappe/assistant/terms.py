"""Content terms of a text: stems or concepts, with weight, position and polarity."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from chappe.assistant.facts import Fact, find_facts
from chappe.assistant.lexicon import (
    CONCEPT_OF,
    CRITICAL,
    ENGLISH_HINTS,
    ENTITY_STEMS,
    FRENCH_HINTS,
    FUNCTION_WORDS,
    LIGHT_CONCEPTS,
    LIGHT_STEMS,
    NEGATIVE_WORDS,
    word_list,
)
from chappe.assistant.matching import plain_typography
from chappe.assistant.stems import stem

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_BOUNDARY = re.compile(r"[,;:.!?()\n\u2026]")
_CLAUSE_WORDS = frozenset(
    word_list("mais car sauf si et ou puis sans hors excepté but and or if without")
)
_LONG_STEM = 6
_COORDINATORS = frozenset(word_list("mais car sauf et sans hors excepté but and without"))
_SENTENCE_BREAK = re.compile(r"[;:.!?()\n\u2026]")
_FIGURE_BREAK = re.compile(r"[,;]|\s(?:et|ou|mais|contre|puis|and|or|but)\s")
_SCOPED_NEGATIONS = frozenset(word_list("ne n pas aucun aucune jamais not no never cannot t"))
_SHORT_NEGATIONS = {
    "sans": 3,
    "hors": 3,
    "dehors": 3,
    "sauf": 4,
    "excepté": 4,
    "non": 2,
    "ni": 2,
    "without": 3,
}
_SET_PHRASES = {"hors": word_list("charges charge taxes taxe saison"), "non": ["seulement"]}
_LACKS = frozenset(word_list("absence défaut"))
_COPULAS = frozenset(
    word_list(
        """
    soit soient être
    est sont sera seront était étaient reste restent devient deviennent is are was were
    """
    )
)
_SECOND_NEGATIONS = frozenset(
    word_list("pas plus jamais aucun aucune rien personne ni point guère")
)


Role = Literal["noun", "verb", "predicate", "other"]
_NOUN_LEAD = re.compile(
    r"(?:\b(?:l[ea]s?|une?|des?|du|aux?|vos|votre|nos|notre|ses|son|sa|leurs?|ces?|cette|cet|par"
    r"|sans|avec|en|pour|chaque|tou(?:te)?s|aucune?|quelques?|plusieurs|the|an?|your|of|by|to|for)"
    r"\s|\b[ld]')$",
    re.IGNORECASE,
)
_INFINITIVE_LEAD = re.compile(r"(?:\b(?:de|à|pour|sans|to)\s|\bd')$", re.IGNORECASE)
_LIKE_INFINITIVES = frozenset(
    word_list(
        """
    loyer courrier papier foyer chantier métier greffier dossier calendrier trimestre titre lettre
    maire particulier premier dernier entier héritier financier bancaire judiciaire mobilier
    immobilier foncier atelier guichetier conseiller infirmier pompier policier huissier banquier
    membre nombre chambre cadre ordre centre notaire formulaire salaire honoraire honoraires
    document paiement versement moment logement département établissement règlement traitement
    licenciement montant enfant habitant avant étudiant gérant représentant intérêt mois droit
    contrat produit délit crédit débit départ état achat avocat certificat syndicat résultat format
    plafond pouvoir devoir avenir accident agent parent patient client ressortissant
    """
    )
)
_INFINITIVE = re.compile(r"(?:er|ir|oir|[dt]re|ire)$")
_PARTICIPLE = re.compile(r"ant(?:e?s?)$")
_VERB_LEAD = re.compile(
    r"\b(?:ils?|elles?|on|vous|nous|je|ne|n'|qui|se|s'|peut|peuvent|pouvez|doit|doivent|devez|faut"
    r"|a|ont|avez|avoir|it|they|you|who|must|can|may)\s*(?:pas |lui |leur |y |en |vous )?$",
    re.IGNORECASE,
)
_VERB_ENDING = re.compile(r"(?:[aeo]nt|[aeioû]t|ez|era|ons|er|ir|oir)$")


@dataclass(frozen=True, slots=True)
class Term:
    """A content word: `key` is a concept (upper case) or an accent-folded stem.

    `negated`: stands in the scope of an odd number of negations. `clause_negated`: the same when
    a negation is taken to cover the whole of its clause, subject included. `light`: says
    little on its own. `required`: a sentence may not claim it without finding it in its source.
    `role`, guessed from the words around: "verb" and "noun" are sure enough to rely on,
    "predicate" follows a form of « être ». `denied`: the first
    word that a negation bears on. `participle`: « suivant » and its like. The span is
    half-open, in code points of the text.
    """

    key: str
    start: int
    end: int
    negated: bool
    clause_negated: bool
    light: bool
    required: bool
    role: Role = "other"
    denied: bool = False
    participle: bool = False


@dataclass(frozen=True, slots=True)
class TextAnalysis:
    """Terms and figures of a text, and how many negations it holds.

    `restricted`: where, in `text`, the « que » of a « ne … que » stands, else None.
    """

    text: str
    terms: tuple[Term, ...]
    facts: tuple[Fact, ...]
    negations: int
    restricted: int | None

    @property
    def has_negation(self) -> bool:
        """Whether it denies anything."""
        return self.negations > 0


@dataclass(slots=True)
class _Word:
    lower: str
    start: int
    end: int
    upper: bool
    clause: int = 0
    sentence: int = 0
    flips: int = 0
    clause_flips: int = 0
    denied: bool = False
    apostrophe: bool = False


def detect_language(text: str) -> str:
    """Tell "en" or "fr" by function words; French when nothing decides."""
    words = [word.lower() for word in _WORD.findall(plain_typography(text))]
    english = sum(word in ENGLISH_HINTS for word in words)
    french = sum(word in FRENCH_HINTS for word in words)
    return "en" if english > french else "fr"


def analyse(text: str, language: str | None = None) -> TextAnalysis:
    """Read the terms, figures and negations of `text` (language guessed when None)."""
    language = language or detect_language(text)
    plain = plain_typography(text)
    facts = find_facts(text)
    words = list(_words(plain))
    negations = _mark_negations(words)
    terms: list[Term] = []
    predicate = _predicates(words)
    fact_spans = [(fact.start, fact.end) for fact in facts]
    cursor = 0
    for index, word in enumerate(words):
        while cursor < len(fact_spans) and fact_spans[cursor][1] <= word.start:
            cursor += 1
        if cursor < len(fact_spans) and fact_spans[cursor][0] < word.end:
            continue
        key = _key(word, language) or _letter(plain, word)
        if word.lower == "demande" and index and words[index - 1].lower == "sur":
            key = "ON_REQUEST"
        if key is None:
            continue
        concept = len(key) > 1 and key.isupper()
        light = key in (LIGHT_CONCEPTS if concept else LIGHT_STEMS)
        if key == "COST":
            light = any(fact.unit == "euro" for fact in facts)
        required = (
            key in CRITICAL
            or key in ENTITY_STEMS
            or len(key) == 1
            or (word.upper and not concept and _is_name(plain, word))
        )
        denies = word.lower in NEGATIVE_WORDS
        negated = (word.flips + denies) % 2 == 1
        whole = (word.clause_flips + denies) % 2 == 1
        role: Role = "predicate" if index in predicate else _role(plain, word)
        terms.append(
            Term(
                key,
                word.start,
                word.end,
                negated,
                whole,
                light,
                required,
                role,
                word.denied or denies,
                _PARTICIPLE.search(word.lower) is not None,
            )
        )
    return TextAnalysis(text, tuple(terms), facts, negations, _restriction(words))


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
    clause, sentence, last = 0, 0, 0
    for match in _WORD.finditer(plain):
        if _BOUNDARY.search(plain, last, match.start()):
            clause += 1
            sentence += _SENTENCE_BREAK.search(plain, last, match.start()) is not None
        last = match.end()
        written = match.group()
        if "-" in written and written.lower() not in CONCEPT_OF:
            for part in re.finditer(r"[^-]+", written):
                start = match.start() + part.start()
                yield _make_word(plain, start, start + len(part.group()), clause, sentence)
        else:
            yield _make_word(plain, match.start(), match.end(), clause, sentence)


def _make_word(plain: str, start: int, end: int, clause: int, sentence: int) -> _Word:
    return _Word(
        plain[start:end].lower(),
        start,
        end,
        plain[start].isupper(),
        clause,
        sentence,
        apostrophe=plain[end : end + 1] == "'",
    )


def _mark_negations(words: list[_Word]) -> int:
    """Mark the words that negations bear on; count the negations."""
    found = 0
    scoped_from = -1
    for index, word in enumerate(words):
        reach = 0
        if word.lower in _SCOPED_NEGATIONS:
            if index < scoped_from:
                continue
            if word.lower == "t" and (index == 0 or not words[index - 1].lower.endswith("n")):
                continue
            if word.lower == "n" and not word.apostrophe:
                continue
            if word.lower in ("ne", "n") and _restricts(words, index) is not None:
                continue
            reach = len(words)
        elif word.lower == "ni" and any(near.flips for near in words[index + 1 : index + 3]):
            continue
        elif word.lower in _SHORT_NEGATIONS and not _is_set_phrase(words, index):
            reach = _SHORT_NEGATIONS[word.lower]
        elif word.lower in _LACKS and index and words[index - 1].lower in ("à", "l", "en"):
            reach = 2 if index + 1 < len(words) and words[index + 1].lower in ("de", "d") else 0
        elif NEGATIVE_WORDS.get(word.lower) == "PERMISSION":
            reach = len(words)
        if not reach:
            found += word.lower in NEGATIVE_WORDS
            continue
        found += 1
        end = _flip(words, index, reach)
        if reach == len(words):
            _flip_clause(words, index)
        else:
            for reached in words[index + 1 : end]:
                reached.clause_flips += 1
        if word.lower in _SCOPED_NEGATIONS:
            scoped_from = end
    return found


def _is_set_phrase(words: list[_Word], index: int) -> bool:
    """« hors charges », « hors taxes », « non seulement » deny nothing."""
    following = words[index + 1].lower if index + 1 < len(words) else ""
    return following in _SET_PHRASES.get(words[index].lower, ())


def _flip(words: list[_Word], index: int, reach: int) -> int:
    """Flip the polarity of the `reach` content words after `index`, within the clause."""
    seen = 0
    for position in range(index + 1, len(words)):
        word = words[position]
        if word.clause != words[index].clause or word.lower in _CLAUSE_WORDS or seen == reach:
            return position
        if reach < len(words) and (word.lower in ("ne", "n") or word.lower in _COPULAS):
            return position
        word.flips += 1
        content = word.lower not in FUNCTION_WORDS
        word.denied = word.denied or (content and (not seen or reach < len(words)))
        seen += content
    return len(words)


def _flip_clause(words: list[_Word], index: int) -> None:
    """Flip the words of the whole clause around `index`, subject and adverbials included."""
    first = last = index
    while first > 0 and not _parts(words[first - 1], words[first]):
        first -= 1
    while last + 1 < len(words) and not _parts(words[last], words[last + 1]):
        last += 1
    for word in words[first : last + 1]:
        word.clause_flips += 1


def _parts(left: _Word, right: _Word) -> bool:
    return left.sentence != right.sentence or right.lower in _COORDINATORS


def _restricts(words: list[_Word], index: int) -> int | None:
    """Where the « que » of « ne … que » stands, which does not deny; the end for « n'importe »."""
    if index + 1 < len(words) and words[index + 1].lower == "importe":
        return len(words)
    for position in range(index + 1, min(index + 8, len(words))):
        word = words[position]
        only = position + 1 < len(words) and words[position + 1].lower in ("que", "qu")
        if word.clause != words[index].clause:
            return None
        if word.lower in _SECOND_NEGATIONS and not (word.lower == "plus" and only):
            return None
        if word.lower in ("que", "qu"):
            return position
    return None


def _restriction(words: list[_Word]) -> int | None:
    for index, word in enumerate(words):
        if word.lower == "ne" or (word.lower == "n" and word.apostrophe):
            position = _restricts(words, index)
            if position is not None and position < len(words):
                return words[position].start
    return None


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


def _role(plain: str, word: _Word) -> Role:
    before = plain[max(0, word.start - 16) : word.start]
    written = plain[word.start : word.end].lower()
    looks = written not in _LIKE_INFINITIVES and not written.endswith("ment")
    if looks and _INFINITIVE_LEAD.search(before) and _INFINITIVE.search(written):
        return "verb"
    if _NOUN_LEAD.search(before):
        return "noun"
    if looks and (_VERB_LEAD.search(before) or _VERB_ENDING.search(written)):
        return "verb"
    return "other"


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
    root = stem(word.lower, language)
    return _concepts_by_stem().get(root, root) if language == "fr" else root


@cache
def _concepts_by_stem() -> dict[str, str]:
    """Concepts of long stems all of whose listed forms have the same, for forms not listed."""
    found: dict[str, set[str]] = {}
    for form, concept in CONCEPT_OF.items():
        root = stem(form, "fr")
        if len(root) >= _LONG_STEM:
            found.setdefault(root, set()).add("" if form in NEGATIVE_WORDS else concept)
    return {
        root: concept
        for root, concepts in found.items()
        if len(concepts) == 1 and (concept := next(iter(concepts)))
    }


def _letter(plain: str, word: _Word) -> str | None:
    """A lone capital that names a kind, as in « permis B »."""
    if word.end - word.start != 1 or not word.upper or plain[word.end : word.end + 1] in ("'", "."):
        return None
    before = plain[: word.start].rstrip(" ")
    return plain[word.start] if before and before[-1].isalpha() else None
