"""Fusion of the lexical and the dense rankings."""

from collections.abc import Sequence

Ranking = Sequence[tuple[int, float]]

# Share of the dense half where the encoder's own wasn't measured (chappe.gateway.catalogue.encoding
# has the others); `calibrated_share` finds it on questions whose passage is known.
DENSE_SHARE = 0.5
_SHARES = tuple(step / 20 for step in range(20))


def normalise(ranking: Ranking, floor: float | None = None) -> dict[int, float]:
    """Scores brought to 0–1 between a floor and the ranking's own maximum.

    Args:
        floor: the least score there can be, where it is known; none: the ranking's minimum.
    """
    if not ranking:
        return {}
    values = [score for _, score in ranking]
    low, high = min(values) if floor is None else floor, max(values)
    spread = high - low
    return {key: (score - low) / spread if spread > 0 else 1.0 for key, score in ranking}


def fuse(
    lexical: Ranking, dense: Ranking, dense_share: float | None = None
) -> list[tuple[int, float]]:
    """Convex combination of the two rankings, best first; absent from one counts 0 there.

    Bruch, Gai & Ingber (2023), "An Analysis of Fusion Functions for Hybrid Retrieval": a convex
    combination of normalised scores keeps what ranks throw away, and BM25 is normalised from its
    own least value, 0: with the ranking's minimum, a passage without any of the words would be
    worth as much as the last one that has some. With one ranking empty, the other decides alone.
    """
    share = DENSE_SHARE if dense_share is None else dense_share
    if not lexical or not dense:
        share = 0.0 if lexical else 1.0
    by_word, by_meaning = normalise(lexical, 0.0), normalise(dense)
    fused = {
        key: (1 - share) * by_word.get(key, 0.0) + share * by_meaning.get(key, 0.0)
        for key in by_word.keys() | by_meaning.keys()
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))


def calibrated_share(known: Sequence[tuple[Ranking, Ranking, int]]) -> float:
    """The share of the dense half that ranks known passages highest (mean reciprocal rank).

    Args:
        known: for each question, its lexical and dense rankings and the passage that answers.

    Of shares whose figure is within one standard error of the best, the one nearest to
    `DENSE_SHARE`: what few questions don't show isn't followed.
    """
    if not known:
        return DENSE_SHARE
    ranks = {share: [_reciprocal(*one, share) for one in known] for share in _SHARES}
    means = {share: sum(values) / len(values) for share, values in ranks.items()}
    best = max(means, key=lambda share: means[share])
    spread = sum((value - means[best]) ** 2 for value in ranks[best]) / len(known)
    error = (spread / len(known)) ** 0.5
    near = [share for share in _SHARES if means[share] >= means[best] - error]
    return min(near, key=lambda share: abs(share - DENSE_SHARE))


def _reciprocal(lexical: Ranking, dense: Ranking, answer: int, share: float) -> float:
    for rank, (key, _) in enumerate(fuse(lexical, dense, share), 1):
        if key == answer:
            return 1 / rank
    return 0.0
