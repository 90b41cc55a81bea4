"""How near what was read is to what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def f1(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over multisets; 1 when both are empty."""
    if not found and not wanted:
        return 1.0
    common = (Counter(found) & Counter(wanted)).total()
    return 2 * common / (len(found) + len(wanted))


def order(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Longest common subsequence over the number of words wanted.

    Bit-parallel (Crochemore et al. 2001): one integer holds a column of the table.
    """
    if not wanted:
        return 1.0
    masks: dict[str, int] = {}
    for index, word in enumerate(found):
        masks[word] = masks.get(word, 0) | 1 << index
    full = (1 << len(found)) - 1
    column = full
    for word in wanted:
        matched = column & masks.get(word, 0)
        column = ((column + matched) | (column - matched)) & full
    return (len(found) - column.bit_count()) / len(wanted)
