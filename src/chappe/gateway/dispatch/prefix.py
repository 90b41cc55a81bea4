"""Prefix affinity: which endpoints lately read the beginning of this prompt.

A prompt's first bytes are cut in blocks; each block's hash also covers what comes before it, so two
prompts share a hash only where they share everything up to there. It is a guess about the engines'
caches: it costs nothing when wrong but time.
"""

import itertools
from zlib import crc32

BLOCK_BYTES = 512
MAX_BYTES = 16_384

_ENDPOINT_BITS = 20
_ENDPOINT = (1 << _ENDPOINT_BITS) - 1


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

    With each endpoint goes its odometer (tokens read in all) when it last read the block: an engine
    that has read more than its memory holds since then has thrown the block out. Most blocks have
    one reader, kept as one number (odometer and endpoint); those of several keep a dictionary.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pairs = 0
        self._blocks: dict[int, int | dict[int, int]] = {}

    def __len__(self) -> int:
        return self._pairs

    def record(self, hashes: tuple[int, ...], endpoint: int, odometer: int) -> None:
        """`endpoint` reads a prompt that begins with these blocks."""
        blocks = self._blocks
        packed = odometer << _ENDPOINT_BITS | endpoint
        for value in hashes:
            held = blocks.pop(value, None)
            if held is None:
                self._pairs += 1
                blocks[value] = packed
            elif isinstance(held, dict):
                # Put last: the end of the dictionary is the latest reader.
                if held.pop(endpoint, None) is None:
                    self._pairs += 1
                held[endpoint] = odometer
                blocks[value] = held
            elif held & _ENDPOINT == endpoint:
                blocks[value] = packed
            else:
                self._pairs += 1
                blocks[value] = {held & _ENDPOINT: held >> _ENDPOINT_BITS, endpoint: odometer}
        while self._pairs > self._limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        # A batch at a time: each look at a dict's front passes over what was deleted there.
        front = iter(self._blocks)
        for value in [next(front) for _ in range(max(1, len(self._blocks) // 16))]:
            held = self._blocks.pop(value)
            self._pairs -= len(held) if isinstance(held, dict) else 1

    def holders(self, hashes: tuple[int, ...], count: int) -> list[int]:
        """The latest `count` readers of the longest known part of a prompt."""
        for value in reversed(hashes):
            held = self._blocks.get(value)
            if held is not None:
                if isinstance(held, dict):
                    return list(itertools.islice(reversed(held), count))
                return [held & _ENDPOINT]
        return []

    def depth(self, hashes: tuple[int, ...], endpoint: int, oldest: int) -> int:
        """Blocks of the chain that `endpoint` read when its odometer was at least `oldest`."""
        if not hashes or not self._has(hashes[0], endpoint, oldest):
            return 0
        low, high = 1, len(hashes)
        while low < high:
            middle = (low + high + 1) // 2
            if self._has(hashes[middle - 1], endpoint, oldest):
                low = middle
            else:
                high = middle - 1
        return low

    def _has(self, value: int, endpoint: int, oldest: int) -> bool:
        held = self._blocks.get(value)
        if held is None:
            return False
        if isinstance(held, dict):
            return held.get(endpoint, -1) >= oldest
        return held & _ENDPOINT == endpoint and held >> _ENDPOINT_BITS >= oldest
