"""What reading a file gives. Offsets are half-open and count code points of the document's text."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from chappe.knowledge.document import Block

# Twenty million characters in words of two: more than any document is allowed.
_MAX_BOXES_BYTES = 28 * 10_000_000

PageText = Literal["text", "ocr", "mixed", "empty"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page (or slide, or sheet of a workbook), numbered from 1.

    ``width`` and ``height`` in points (1/72 inch), 0 where the format has none. ``start`` and
    ``end``: the part of the text that it holds. ``confidence``: of OCR, 0 to 1; ``None`` for text
    that was not recognised from an image.
    """

    number: int
    width: float
    height: float
    start: int
    end: int
    text: PageText = "text"
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """Where a run of text (a word, or less) is drawn: points from the page's top left corner."""

    start: int
    end: int
    page: int
    left: float
    top: float
    right: float
    bottom: float


class Boxes:
    """The boxes of a document's text, in the order of the text.

    A map from every character to its place: a character between two boxes (a space, a line's end)
    has none of its own. Kept packed: a document may have millions of words.
    """

    _RECORD = struct.Struct("<IIIffff")

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self._data = bytearray()
        for box in sorted(boxes, key=lambda box: box.start):
            self.append(box)

    def append(self, box: Box) -> None:
        """Add a box that comes after all others in the text."""
        self._data += self._RECORD.pack(
            box.start, box.end, box.page, box.left, box.top, box.right, box.bottom
        )

    def shorten_last(self) -> None:
        """Take the last character of the last box, as when a hyphen is mended."""
        box = self[len(self) - 1]
        del self._data[-self._RECORD.size :]
        if box.end - 1 > box.start:
            self.append(replace(box, end=box.end - 1))

    def __len__(self) -> int:
        return len(self._data) // self._RECORD.size

    def __getitem__(self, index: int) -> Box:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Box(*self._RECORD.unpack_from(self._data, index * self._RECORD.size))

    def __iter__(self) -> Iterator[Box]:
        return (Box(*record) for record in self._RECORD.iter_unpack(self._data))

    def of(self, start: int, end: int) -> list[Box]:
        """The boxes that hold any character of a span."""
        found = []
        for index in range(bisect_right(self, start, key=lambda box: box.end), len(self)):
            box = self[index]
            if box.start >= end:
                break
            found.append(box)
        return found

    def to_bytes(self) -> bytes:
        """Compressed records: start, end, page (uint32), left, top, right, bottom (float32)."""
        return zlib.compress(self._data, 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Boxes:
        """The inverse of :meth:`to_bytes`.

        Raises:
            ValueError: the data aren't whole records.
        """
        boxes = cls()
        try:
            unpacking = zlib.decompressobj()
            boxes._data = bytearray(unpacking.decompress(data, _MAX_BOXES_BYTES))
        except zlib.error as error:
            raise ValueError(f"not boxes: {error}") from None
        if unpacking.unconsumed_tail or len(boxes._data) % cls._RECORD.size:
            raise ValueError("not boxes: a record is cut")
        return boxes


@dataclass(frozen=True, slots=True)
class Issue:
    """What could not be read, or is to be known of it.

    ``code`` is a key of the locales under ``reading.`` (e.g. ``page_unreadable``,
    ``low_confidence``, ``truncated``, ``macros_ignored``, ``hidden_text``, ``member_refused``),
    ``page`` the page concerned, ``values`` what the sentence quotes, the page's number too.
    ``loss``: whether text is missing, so that the document is only partly read.
    """

    code: str
    page: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    loss: bool = False


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A file's text. ``hidden``: spans that a person who looks at the file doesn't see.

    ``metadata`` is JSON-safe: author, created, modified, language, running_headers...
    """

    title: str
    media_type: str
    text: str
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...] = ()
    boxes: Boxes = field(default_factory=Boxes)
    metadata: dict[str, Any] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()
    hidden: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a file (of an archive, attached to a message), copied out of it.

    ``name`` is its path inside, harmless; ``path`` a file in the reading's own folder.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a file gives: a document, files inside it, or both. Never neither."""

    document: ReadDocument | None
    members: Sequence[Member] = ()


class ReadingError(Exception):
    """A file that can't be read at all.

    ``code`` is a key of the locales under ``reading.`` (``encrypted``, ``broken``, ``unsupported``,
    ``wrong_type``, ``too_large``, ``too_many_pages``, ``too_long``, ``too_slow``,
    ``too_much_memory``, ``bomb``, ``empty``, ``crashed``, ``no_such_page``); ``values`` what its
    sentence quotes.
    """

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code, values)
        self.code = code
        self.values = {key: str(value) for key, value in values.items()}
