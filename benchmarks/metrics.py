"""Retrieval measures, and their confidence intervals."""

import math
import random
from collections.abc import Collection, Sequence


def ndcg(ranked: Sequence[str], relevant: Collection[str], depth: int = 10) -> float:
    """nDCG@depth with binary gains (Järvelin & Kekäläinen 2002); 0 when nothing is relevant."""
    gains = [1.0 if item in relevant else 0.0 for item in ranked[:depth]]
    found = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
    best = sum(1 / math.log2(rank + 2) for rank in range(min(len(relevant), depth)))
    return found / best if best else 0.0


def recall(ranked: Sequence[str], relevant: Collection[str], depth: int = 20) -> float:
    """Share of the relevant items among the first `depth`; 0 when nothing is relevant."""
    return len(set(ranked[:depth]) & set(relevant)) / len(relevant) if relevant else 0.0


def hit(ranked: Sequence[str], relevant: Collection[str], depth: int) -> float:
    """1 when one of the first `depth` is relevant, else 0."""
    return 1.0 if set(ranked[:depth]) & set(relevant) else 0.0


def mean_interval(
    values: Sequence[float], samples: int = 2000, seed: int = 1
) -> tuple[float, tuple[float, float]]:
    """The mean and its 95 % bootstrap percentile interval (over questions)."""
    draw = random.Random(seed)
    means = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(samples))
    mean = sum(values) / len(values)
    return mean, (means[int(samples * 0.025)], means[int(samples * 0.975)])


def gain_interval(
    before: Sequence[float], after: Sequence[float]
) -> tuple[float, tuple[float, float]]:
    """The mean gain and its 95 % interval, paired: questions are drawn with both their values."""
    return mean_interval([b - a for a, b in zip(before, after, strict=True)])
