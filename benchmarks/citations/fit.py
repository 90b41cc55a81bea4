"""Fits the coefficients of `assistant/scoring.py` on the development half, and prints them.

`python benchmarks/citations/fit.py [--archives folder]`. The sentences of tests/assistant (invented
passages) are learned from too. Precision and recall printed are by cross-validation over sheets.
"""

import argparse
import hashlib
import random
import sys
from collections import defaultdict
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
from pairs import Pair, read_recipe
from run import CHANGED

from chappe.assistant import evidence, scoring
from chappe.assistant.citations import find_markers
from chappe.assistant.evidence import PassageIndex, TermRarity
from chappe.assistant.scoring import Features
from chappe.assistant.terms import Term, analyse
from chappe.core.settings import load_settings

ROUNDS = 4
PENALTY = 1.0
FOLDS = 8
SEED = 4
SUBSTITUTED = 1
RAISING = frozenset({"coverage", "in_text", "facts", "exact", "unit"})
"""Features that can only speak for a claim; the others can only speak against it."""


def cases() -> list[Pair]:
    """The sentences of the tests, each with the source that it cites."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "assistant"))
    import test_citation_cases as tests

    pairs = []
    for listed, right in ((tests.FAITHFUL + tests.TOO_FREE, True), (tests.ALTERED, False)):
        for sheet, sentence in listed:
            markers = find_markers(sentence)
            if len(markers) != 1 or len(markers[0].numbers) != 1:
                continue
            source = next(s for s in tests.SHEETS[sheet] if s.number == markers[0].numbers[0])
            bare = sentence[: markers[0].start].rstrip() + sentence[markers[0].end :]
            group = f"test {sheet} {source.number}"
            edit = "paraphrase" if right else "altered"
            pairs.append(Pair(bare, source.text, right, edit, source.context, group))
    return pairs


def substituted(pairs: list[Pair]) -> list[Pair]:
    """Faithful sentences with one word put in the place of another: false, as good as always."""
    generator = random.Random(SEED)

    def words(sentence: str) -> list[tuple[str, Term]]:
        return [
            (sentence[term.start : term.end], term)
            for term in analyse(sentence).terms
            if not term.light and sentence[term.start].islower() and term.role != "verb"
        ]

    pool: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        for word, term in words(pair.sentence) if pair.supported else ():
            pool[term.role].add(word)
    made = []
    for pair in pairs:
        places = words(pair.sentence)
        if not pair.supported or not places:
            continue
        for _, term in generator.sample(places, min(SUBSTITUTED, len(places))):
            word = generator.choice([w for w in sorted(pool[term.role]) if w not in pair.source])
            sentence = pair.sentence[: term.start] + word + pair.sentence[term.end :]
            made.append(replace(pair, sentence=sentence, supported=False, edit="substituted"))
    return made


def traits_of(pairs: list[Pair]) -> list[Features | None]:
    """Features of the best window of each pair; None where something contradicts it."""
    found = []
    for pair in pairs:
        passage = PassageIndex(pair.source, pair.context)
        found.append(passage.support(analyse(pair.sentence), TermRarity([passage])).traits)
    return found


def fit(rows: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Logistic regression; a feature whose coefficient has the wrong sign is left out."""
    signs = np.array([1 if field.name in RAISING else -1 for field in fields(Features)])
    kept = np.ones(rows.shape[1], bool)
    while True:
        intercept, weights = _newton(rows * kept, labels)
        wrong = kept & (weights * signs < 0)
        if not wrong.any():
            return intercept, weights * kept
        kept[np.argmax(np.where(wrong, np.abs(weights) * rows.std(0), -1))] = False


def _newton(rows: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Ridge-penalised logistic regression on standardised features, by Newton's method."""
    mean, spread = rows.mean(0), rows.std(0) + 1e-9
    design = np.column_stack([np.ones(len(rows)), (rows - mean) / spread])
    weights = np.zeros(design.shape[1])
    penalty = PENALTY * np.eye(len(weights))
    penalty[0, 0] = 0
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (chance - labels) + penalty @ weights
        hessian = (design.T * (chance * (1 - chance))) @ design + penalty
        weights -= np.linalg.solve(hessian, gradient)
    scaled = weights[1:] / spread
    return float(weights[0] - mean @ scaled), scaled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archives", type=Path)
    arguments = parser.parse_args()
    archives = arguments.archives or load_settings().data_dir / "bench" / "corpora"
    own = [pair for pair in read_recipe(archives) if pair.half == "development"]
    pairs = own + cases()
    pairs += substituted(pairs)
    evidence.PROBABILITY_NEEDED = 0.0
    labels = np.array([pair.supported for pair in pairs], float)
    for _ in range(ROUNDS):
        found = traits_of(pairs)
        usable = np.array([traits is not None for traits in found])
        rows = np.array([astuple(traits) for traits in found if traits is not None])
        intercept, coefficients = fit(rows, labels[usable])
        scoring._INTERCEPT = intercept
        scoring._COEFFICIENTS = tuple(coefficients)
    print(f"_INTERCEPT = {intercept:.3f}\n_COEFFICIENTS = (")
    for field, value in zip(fields(Features), coefficients, strict=True):
        print(f"    {value:.3f},  # {field.name}")
    print(")")
    folds = np.array([hashlib.sha256(p.group.encode()).digest()[0] % FOLDS for p in pairs])
    scores = np.full(len(pairs), -1.0)
    every = np.full((len(pairs), len(coefficients)), 0.0)
    every[usable] = rows
    for fold in range(FOLDS):
        train, test = usable & (folds != fold), usable & (folds == fold)
        start, weights = fit(every[train], labels[train])
        scores[test] = 1 / (1 + np.exp(-(start + every[test] @ weights)))
    made = np.array([pair.edit == "substituted" for pair in pairs])
    ours = np.arange(len(pairs)) < len(own)
    changed = np.array([pair.edit in CHANGED for pair in pairs])
    for threshold in np.arange(0.3, 0.95, 0.05):
        line = [f"{threshold:.2f}"]
        for chosen in (ours, ~ours & ~made):
            accepted = chosen & (scores >= threshold)
            right = (accepted & (labels == 1)).sum()
            line.append(
                f"precision {right / max(accepted.sum(), 1):.3f}"
                f" recall {right / (chosen & (labels == 1)).sum():.3f}"
                f" changed accepted {(accepted & changed).sum()}"
            )
        print(" | ".join(line))


if __name__ == "__main__":
    main()
