"""Prefix affinity: which endpoints lately read the beginning of this prompt.

A prompt's first bytes are cut in blocks; each block's hash also covers what comes before it, so two
prompts share a hash only where they share everything up to there. It is a guess about the engines'
caches: it costs nothing when wrong but time.
"""

from collections.abc import Iterator
from zlib import crc32

BLOCK_BYTES = 512
MAX_BYTES = 16_384


def chain(prompt: bytes, seed: int = 0) -> tuple[int, ...]:
    """Hashes of the whole blocks of the first 16 KiB, each covering all bytes up to its end."""
    value = seed
    hashes = []
    view = memoryview(prompt)
    for start in range(0, min(len(prompt), MAX_BYTES) - BLOCK_BYTES + 1, BLOCK_BYTES):
        value = crc32(view[start : start + BLOCK_BYTES], value)
        hashes.append(value)
    return tuple(hashes)


class PrefixIndex:
    """Blocks, least lately used first, and for each the endpoints that read it.

    With each pair goes the endpoint's odometer (tokens read in all) when it last read the block: an
    engine that has read more than its memory holds since then has thrown the block out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pairs = 0
        self._blocks: dict[int, dict[int, int]] = {}

    def __len__(self) -> int:
        return self._pairs

    def record(self, hashes: tuple[int, ...], endpoint: int, odometer: int) -> None:
        """`endpoint` reads a prompt that begins with these blocks."""
        blocks = self._blocks
        for value in hashes:
            holders = blocks.pop(value, None)
            if holders is None:
                holders = {}
            elif endpoint in holders:
                del holders[endpoint]
                self._pairs -= 1
            holders[endpoint] = odometer
            blocks[value] = holders
        self._pairs += len(hashes)
        while self._pairs > self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # A batch at a time: each look at a dict's front passes over what was deleted there.
        count = max(1, len(self._blocks) // 16)
        front: Iterator[int] = iter(self._blocks)
        for value in [next(front) for _ in range(count)]:
            self._pairs -= len(self._blocks.pop(value))

    def holders(self, hashes: tuple[int, ...]) -> tuple[int, dict[int, int]]:
        """The deepest known block: its depth (1 for the first), and its endpoints' odometers.

        The depth is 0 when nothing is known.
        """
        blocks = self._blocks
        for depth in range(len(hashes), 0, -1):
            found = blocks.get(hashes[depth - 1])
            if found:
                return depth, found
        return 0, {}

    def depth(self, hashes: tuple[int, ...], endpoint: int, oldest: int) -> int:
        """Blocks of the chain that `endpoint` read when its odometer was at least `oldest`."""
        blocks = self._blocks
        found = blocks.get(hashes[0])
        if found is None or found.get(endpoint, -1) < oldest:
            return 0
        low, high = 1, len(hashes)
        while low < high:
            middle = (low + high + 1) // 2
            found = blocks.get(hashes[middle - 1])
            if found is not None and found.get(endpoint, -1) >= oldest:
                low = middle
            else:
                high = middle - 1
        return low
