"""The best k of many scores, without sorting them all."""

import numpy as np
import numpy.typing as npt

_BLOCK = 64


def candidates(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.intp]:
    """Positions that hold the k greatest scores, and perhaps some more: positive ones only.

    The k-th greatest of the blocks' maxima is at most the k-th greatest score, so nothing among
    the k best lies below it.
    """
    n = len(scores)
    blocks = n // _BLOCK
    if blocks <= k:
        return np.flatnonzero(scores > 0)
    maxima = scores[: blocks * _BLOCK].reshape(blocks, _BLOCK).max(axis=1)
    least = np.partition(maxima, blocks - k)[blocks - k]
    return np.flatnonzero(scores >= least if least > 0 else scores > 0)


def ranked(
    passages: npt.NDArray[np.int64], scores: npt.NDArray[np.floating], k: int
) -> list[tuple[int, float]]:
    """The k best (passage, score), best first; of equals, the smaller passage first."""
    order = np.lexsort((passages, -scores))[:k]
    return list(zip(passages[order].tolist(), scores[order].tolist(), strict=True))
