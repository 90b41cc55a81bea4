"""Whether the passages found can hold the answer to a question.

A search always finds something. What tells an answer from a neighbour: how much of the question
the best passage says (with its headings and title), how near it is in meaning, against how much a
collection of that size says by chance. The coefficients are those of a logistic regression;
`benchmarks/answerability` fits and measures them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.assistant.lexicon import word_list
from chappe.assistant.matching import strip_accents
from chappe.assistant.terms import analyse

_FIRST_HITS = 8
_LIGHT = 0.4
_IDENTIFIER = 3.0
# Said of the asking and not of what is asked.
_OF_ASKING = frozenset(
    map(
        strip_accents,
        word_list(
            """
    bonjour merci question questions savoir expliquer dire voudrais aimerais svp please tell
    """
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of the logit: intercept, coverage (0 to 1), similarity (cosine), log10 of the passages."""

    intercept: float
    coverage: float
    similarity: float
    size: float


# Fitted on every other of 160 questions of ours over 42,514 passages, and 480 pairs of PIAF and
# CNIL questions with and without their passage among 3 to 249 others.
LEXICAL = Coefficients(-2.21, 5.68, 0.0, -0.45)
BY_ENCODER = {
    "multilingual-e5-small": Coefficients(-15.65, 4.48, 16.45, -0.50),
    "use-multilingual-v3": Coefficients(-2.88, 4.34, 5.56, -0.68),
}
# Below it, the sources are said not to hold the answer: few that do are lost (see the benchmark).
LEAST_LOGIT = -1.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found for a question: the text of each passage with its title and headings, best
    first, and the highest cosine similarity, `None` without an encoder."""

    passages: Sequence[str]
    similarity: float | None


def question_weights(question: str) -> dict[str, float]:
    """The terms of a question and what each counts; a number of an article counts most."""
    analysis = analyse(question, "fr")
    weights: dict[str, float] = {}
    for term in analysis.terms:
        word = strip_accents(question[term.start : term.end].lower())
        if word not in _OF_ASKING:
            weights[term.key] = max(weights.get(term.key, 0.0), _LIGHT if term.light else 1.0)
    for fact in analysis.facts:
        if fact.kind == "identifier":
            weights[f"#{fact.value}"] = _IDENTIFIER
    return weights


def passage_keys(text: str) -> frozenset[str]:
    """What a passage may cover of a question."""
    analysis = analyse(text, "fr")
    numbers = {f"#{fact.value}" for fact in analysis.facts if fact.kind == "identifier"}
    return frozenset({term.key for term in analysis.terms} | numbers)


def coverage(weights: dict[str, float], keys: frozenset[str]) -> float:
    """The share (0 to 1) of a question's terms, weighed, that a passage has."""
    total = sum(weights.values())
    return sum(w for key, w in weights.items() if key in keys) / total if total else 0.0


def logit(question: str, evidence: Evidence, size: int, encoder: str | None) -> float | None:
    """The logit that the passages hold the answer, or `None` for a question without any word.

    Args:
        size: passages that were searched.
        encoder: its name in the catalogue; of one that isn't known, the similarity isn't used.
    """
    weights = question_weights(question)
    if not weights:
        return None
    best = max(
        (coverage(weights, passage_keys(text)) for text in evidence.passages[:_FIRST_HITS]),
        default=0.0,
    )
    known = BY_ENCODER.get(encoder or "") if evidence.similarity is not None else None
    c = known or LEXICAL
    return (
        c.intercept
        + c.coverage * best
        + c.similarity * (evidence.similarity or 0.0)
        + c.size * math.log10(max(size, 1))
    )


def covers(question: str, passage: str) -> float:
    """The share of a question that one passage says."""
    return coverage(question_weights(question), passage_keys(passage))
