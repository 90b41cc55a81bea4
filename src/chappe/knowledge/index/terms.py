"""The terms of a passage as the database keeps them for the index.

A term is known by 64 bits of its BLAKE2b digest: two of a million terms share them with
probability 3·10⁻⁸. Layout: n little-endian uint64 digests in increasing order, then n bytes of
frequency in the body, then n bytes of frequency in the context.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index.bm25 import MOST_FREQUENT

_BYTES = 10


@lru_cache(maxsize=200_000)
def digest(term: str) -> int:
    """64 bits that stand for a term."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "little")


def pack(body: Sequence[str], context: Sequence[str]) -> bytes:
    """The terms of a passage and their frequencies in each field, 10 bytes a distinct term."""
    own, about = Counter(body), Counter(context)
    terms = sorted((digest(term), term) for term in own.keys() | about.keys())
    digests = np.array([value for value, _ in terms], "<u8")
    return (
        digests.tobytes()
        + bytes(min(own[term], MOST_FREQUENT) for _, term in terms)
        + bytes(min(about[term], MOST_FREQUENT) for _, term in terms)
    )


def unpack(
    packed: bytes,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Digests, frequencies in the body, frequencies in the context; arrays of the same length.

    Raises:
        ValueError: these bytes weren't made by :func:`pack`.
    """
    n, rest = divmod(len(packed), _BYTES)
    if rest:
        raise ValueError("not the packed terms of a passage")
    return (
        np.frombuffer(packed, "<u8", n),
        np.frombuffer(packed, np.uint8, n, 8 * n),
        np.frombuffer(packed, np.uint8, n, 9 * n),
    )
