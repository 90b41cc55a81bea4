"""BM25 over two fields, as pure formulae (BM25F: Robertson & Zaragoza 2009, eq. 3.17 to 3.20).

    tf(t, d) = Σ_field weight · f / (1 − b + b · length / average length)
    score(d, q) = Σ_t repeats · idf(t) · (k1 + 1) · tf / (k1 + tf)
    idf(t) = ln(1 + (N − n(t) + ½) / (n(t) + ½))

N, n(t) and the average lengths are counted over what may be read and no other: what a person may
not read doesn't weigh on what they find. The index (:mod:`chappe.knowledge.index.lexical`)
computes the same in arrays; tests hold it to :func:`scores`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Frequencies are counted up to this: one byte of the index, and tf is saturated long before.
MOST_FREQUENT = 255


@dataclass(frozen=True, slots=True)
class Field:
    """How a field counts: its weight, and how much its length does (0: not at all, to 1)."""

    weight: float
    b: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """The constants of the formula; ``body``: a passage's own words, ``context``: its headings."""

    k1: float = 1.2
    body: Field = Field(1.0, 0.4)
    # Measured on questions of law: docs/benchmarks.md.
    context: Field = Field(2.0, 0.75)


DEFAULT = Parameters()


@dataclass(frozen=True, slots=True)
class Text:
    """The terms of a passage, by field, with repetitions."""

    body: Sequence[str]
    context: Sequence[str] = ()


def idf(passages: int, containing: int) -> float:
    """Inverse document frequency of a term in `containing` of `passages` passages."""
    return math.log(1 + (passages - containing + 0.5) / (containing + 0.5))


def normaliser(length: float, average: float, b: float) -> float:
    """What a frequency in a field of this length is divided by; 1 where the field is empty."""
    return 1 - b + b * length / average if average else 1.0


def saturate(frequency: float, k1: float) -> float:
    """How much a weighted frequency counts; below k1 + 1."""
    return (k1 + 1) * frequency / (k1 + frequency)


def scores(
    query: Mapping[str, float], passages: Mapping[int, Text], parameters: Parameters = DEFAULT
) -> dict[int, float]:
    """The score of each passage that holds a term of the query: the formula, for reference.

    ``query`` gives each term's weight, usually how often it is repeated.
    """
    if not passages:
        return {}
    fields = (
        (parameters.body, {key: text.body for key, text in passages.items()}),
        (parameters.context, {key: text.context for key, text in passages.items()}),
    )
    tf: dict[int, dict[str, float]] = {key: {} for key in passages}
    for field, texts in fields:
        average = sum(map(len, texts.values())) / len(texts)
        for key, terms in texts.items():
            divisor = normaliser(len(terms), average, field.b)
            for term, count in Counter(terms).items():
                gain = field.weight * min(count, MOST_FREQUENT) / divisor
                tf[key][term] = tf[key].get(term, 0.0) + gain
    result: dict[int, float] = {}
    for term, weight in query.items():
        containing = [key for key, own in tf.items() if term in own]
        rarity = weight * idf(len(passages), len(containing))
        for key in containing:
            gain = rarity * saturate(tf[key][term], parameters.k1)
            result[key] = result.get(key, 0.0) + gain
    return result
