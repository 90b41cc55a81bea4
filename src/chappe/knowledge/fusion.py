"""Fusion of the lexical and the dense rankings."""

from collections.abc import Sequence

Ranking = Sequence[tuple[int, float]]

# Share of the dense ranking in the fused score. Chosen by measurement with the embedded encoder,
# which is weak on law: see docs/benchmarks.md.
DENSE_WEIGHT = 0.2


def normalise(ranking: Ranking) -> dict[int, float]:
    """Scores brought to 0–1 by the ranking's own minimum and maximum."""
    if not ranking:
        return {}
    values = [score for _, score in ranking]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    return {key: (score - low) / spread if high > low else 1.0 for key, score in ranking}


def fuse(
    lexical: Ranking, dense: Ranking, dense_weight: float = DENSE_WEIGHT
) -> list[tuple[int, float]]:
    """Convex combination of the two rankings, best first; absent from one counts 0 there.

    Bruch, Gai & Ingber (2023), "An Analysis of Fusion Functions for Hybrid Retrieval": a convex
    combination of normalised scores keeps what ranks throw away. With one ranking empty, the other
    decides alone.
    """
    if not lexical or not dense:
        dense_weight = 0.0 if lexical else 1.0
    by_word, by_meaning = normalise(lexical), normalise(dense)
    fused = {
        key: (1 - dense_weight) * by_word.get(key, 0.0) + dense_weight * by_meaning.get(key, 0.0)
        for key in by_word.keys() | by_meaning.keys()
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))
