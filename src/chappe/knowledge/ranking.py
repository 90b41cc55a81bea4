"""The order of the best passages, once their text is at hand. Pure functions.

What a term index and a vector can't say is added to the fused score: how much of the question the
passage has letter for letter (forms that the stem drops, derived and compound words), whether the
section around it answers too, and whether a passage that answers refers to it. The weights are few
and round. `benchmarks/retrieval.py --ablate` measures what each brings: see docs/benchmarks.md.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chappe.knowledge.analysis import STOP_WORDS, fold, identifiers
from chappe.knowledge.fusion import Ranking

# Passages that are ordered with their text at hand.
POOL = 100

_WORD = re.compile(r"\w+")


def _plain(byte: int) -> int:
    """A byte of Windows-1252, folded: a letter, a space for what is no word, 0 for all else."""
    folded = fold(bytes([byte]).decode("cp1252", "replace"))
    if not _WORD.search(folded):
        return ord(" ")
    return ord(folded) if len(folded) == 1 and folded.isascii() else 0


_PLAIN = bytes(map(_plain, range(256)))
_LETTERS = 4
_EMPTY = frozenset(map(fold, STOP_WORDS))


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign adds to a fused score of 0 to 1.

    Attributes:
        letters: it has all sequences of four letters of the question's words.
        section: the best passages of the section are as good as the best of all.
        section_size: so many passages of a section are looked at.
        cited: the best passage of all refers to it.
        citing: so many of the best passages are read for references.
    """

    letters: float = 0.4
    section: float = 0.4
    section_size: int = 3
    cited: float = 0.3
    citing: int = 10


DEFAULT = Weights()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may be a hit.

    Attributes:
        context: title and headings.
        section: what the passage stands in, for a document cut finer than its subject, such as
            an article of law in its section; None: nothing is known of its neighbours.
        numbers: numbers of the document itself (canonical, as `analysis.identifiers` gives them).
        code: what these numbers are numbers of: an article refers within its own code.
    """

    passage: int
    document: Hashable
    text: str
    context: str = ""
    section: Hashable | None = None
    numbers: frozenset[str] = frozenset()
    code: Hashable | None = None


def rerank(
    query: str, candidates: Sequence[Candidate], fused: Ranking, weights: Weights = DEFAULT
) -> list[tuple[int, float]]:
    """The candidates with their scores, best first; of equals, the smaller passage first.

    Passages of `fused` that aren't candidates are left out.
    """
    base = dict(fused)
    known = [item for item in candidates if item.passage in base]
    scores = {item.passage: base[item.passage] for item in known}
    if weights.letters:
        for passage, share in spelled(query, known).items():
            scores[passage] += weights.letters * share
    if weights.section:
        scores = _with_sections(known, scores, weights)
    if weights.cited:
        scores = _with_references(known, scores, weights)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def letters(text: str) -> frozenset[str]:
    """Sequences of four letters of a text's words, folded; a space stands before each word.

    Function words are left out.
    """
    found: set[str] = set()
    for word in set(_WORD.findall(fold(text))) - _EMPTY:
        spaced = f" {word}"
        last = max(len(spaced) - _LETTERS, 0)
        found.update(spaced[start : start + _LETTERS] for start in range(last + 1))
    return frozenset(found)


def spelled(query: str, candidates: Sequence[Candidate]) -> dict[int, float]:
    """How much of the query's letters (0 to 1) each candidate has, by passage.

    Each sequence weighs by its rarity among the candidates (the idf of BM25): what all of them
    have doesn't tell them apart. One that none has counts for nothing.
    """
    wanted = letters(query)
    has: dict[int, list[str]] = {}
    for item in candidates:
        words = _words(f" {item.context} {item.text}")
        has[item.passage] = [sequence for sequence in wanted if sequence in words]
    containing = Counter(sequence for own in has.values() for sequence in own)
    rarity = {
        sequence: math.log(1 + (len(has) - n + 0.5) / (n + 0.5))
        for sequence, n in containing.items()
    }
    total = sum(rarity.values()) or 1.0
    return {passage: sum(rarity[each] for each in own) / total for passage, own in has.items()}


def _words(text: str) -> str:
    """The folded words of a text that begins with a space: spaces before and between them.

    French fits in Windows-1252 but for some spaces: a table folds it twenty times faster.
    """
    usual = text.replace("\u202f", " ").replace("œ", "oe").replace("Œ", "oe")
    try:
        plain = usual.encode("cp1252").translate(_PLAIN)
    except UnicodeEncodeError:
        plain = b"\0"
    if b"\0" in plain:
        return " " + " ".join(_WORD.findall(fold(text)))
    return plain.decode("ascii")


def _with_sections(
    candidates: Sequence[Candidate], scores: Mapping[int, float], weights: Weights
) -> dict[int, float]:
    """A section of which several passages answer answers better than a lone passage."""
    of: defaultdict[Hashable, list[float]] = defaultdict(list)
    for item in candidates:
        if item.section is not None:
            of[item.section].append(scores[item.passage])
    support = {
        section: sum(sorted(found, reverse=True)[: weights.section_size]) / weights.section_size
        for section, found in of.items()
    }
    return {
        item.passage: scores[item.passage]
        + (weights.section * support[item.section] if item.section is not None else 0.0)
        for item in candidates
    }


def _with_references(
    candidates: Sequence[Candidate], scores: Mapping[int, float], weights: Weights
) -> dict[int, float]:
    """A text that answers in part names the article that holds the rest."""
    best = sorted(candidates, key=lambda item: (-scores[item.passage], item.passage))
    cited: dict[tuple[Hashable, str], float] = {}
    for item in best[: weights.citing]:
        for number in set(identifiers(item.text)) - item.numbers:
            key = (item.code, number)
            cited[key] = max(cited.get(key, 0.0), scores[item.passage])
    return {
        item.passage: scores[item.passage]
        + weights.cited
        * max((cited.get((item.code, number), 0.0) for number in item.numbers), default=0.0)
        for item in candidates
    }


def with_model(ranked: Ranking, relevance: Mapping[int, float]) -> list[tuple[int, float]]:
    """The ranking as a reranking model of the catalogue orders it.

    Args:
        relevance: the model's score of the passages that it read, the first ones of the ranking.

    What it read comes first, in its order; scores go on from 1 down to what comes after.
    """
    read = [key for key, _ in ranked if key in relevance]
    read.sort(key=lambda key: -relevance[key])
    rest = [(key, score) for key, score in ranked if key not in relevance]
    top = max((score for _, score in ranked), default=0.0)
    low = max((score for _, score in rest), default=0.0)
    step = (top - low) / len(read) if read else 0.0
    return [(key, top - step * place) for place, key in enumerate(read)] + rest


def diversify(
    ranked: Ranking, document: Mapping[int, Hashable], most: int = 3
) -> list[tuple[int, float]]:
    """The ranking with the passages of a document after its `most` best ones put last.

    The best passage of each document stays where it is, or moves up. Scores are kept: the order
    is that of the list.
    """
    seen: Counter[Hashable] = Counter()
    kept: list[tuple[int, float]] = []
    late: list[tuple[int, float]] = []
    for key, score in ranked:
        seen[document[key]] += 1
        (kept if seen[document[key]] <= most else late).append((key, score))
    return kept + late


def neighbours(
    hits: Iterable[tuple[Hashable, int]], reach: int = 1
) -> dict[tuple[Hashable, int], list[int]]:
    """The passages beside each hit that aren't hits themselves.

    Args:
        hits: (document version, place of the passage in it), best first.
        reach: how far on each side.

    Gives places in increasing order. A passage between two hits goes to the better one only.
    """
    wanted = list(dict.fromkeys(hits))
    taken = set(wanted)
    beside: dict[tuple[Hashable, int], list[int]] = {}
    for version, place in wanted:
        around = range(max(place - reach, 0), place + reach + 1)
        beside[version, place] = [p for p in around if (version, p) not in taken]
        taken.update((version, p) for p in beside[version, place])
    return beside
