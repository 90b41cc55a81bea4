"""The records of a PowerPoint 97–2003 file ([MS-PPT]): what is current, slide by slide.

A file that was saved several times keeps what it replaced; only what the last edit names is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from chappe.knowledge.reading.model import ReadingError

_HEADER = 8
_CONTAINER = 0xF
_DOCUMENT, _SLIDE_LIST, _PERSIST = 1000, 4080, 1011
_USER_EDIT, _DIRECTORY = 4085, 6002
_TEXT_HEADER, _TEXT_WIDE, _TEXT_NARROW, _TEXT_STYLE = 3999, 4000, 4008, 4001
_OUTLINE_REFERENCE, _SLIDE_ATOM, _SHOW_INFO, _PLACEHOLDER = 3998, 1007, 1017, 3011
_TEXT_BOX, _SHAPE = 0xF00D, 0xF004
_SLIDES, _NOTES = 0, 2
_ENCRYPTED_TOKEN = 0xF3D1C4DF
_HIDDEN = 4
_MAX_EDITS, _MAX_DEPTH = 10_000, 50

# Fields of a paragraph's style after its mask: the bits that announce each, and its bytes.
_STYLE_FIELDS = (
    (0xF, 2), (0x80, 2), (0x10, 2), (0x40, 2), (0x20, 4), (0x800, 2), (0x1000, 2), (0x2000, 2),
    (0x4000, 2), (0x100, 2), (0x400, 2), (0x8000, 2), (0x100000, 0), (0x10000, 2), (0xE0000, 2),
    (0x200000, 2),
)  # fmt: skip
_TABS = 0x100000


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its instance, its type, and its bytes in the stream."""

    instance: int
    kind: int
    start: int
    end: int
    is_container: bool


@dataclass(slots=True)
class Text:
    """A text: what it is (0 and 6 titles, 1 body, 2 notes, 4 other), and the depth of each part."""

    kind: int
    text: str = ""
    depths: list[tuple[int, int]] = field(default_factory=list)
    placeholder: int | None = None


@dataclass(slots=True)
class Slide:
    """A slide's texts in the order of its shapes."""

    texts: list[Text]
    notes: list[Text]
    hidden: bool


class Deck:
    """The slides of a file.

    Raises:
        ReadingError: `encrypted`, `broken`.
    """

    def __init__(self, document: bytes, current_user: bytes) -> None:
        self._data = document
        token, edit = struct.unpack_from("<II", current_user, 12)
        if token == _ENCRYPTED_TOKEN:
            raise ReadingError("encrypted")
        self._places: dict[int, int] = {}
        root = self._read_edits(edit)
        main = self._record(self._places[root])
        if main.kind != _DOCUMENT:
            raise ReadingError("broken", reason="document")
        self._lists = {
            each.instance: each for each in self._inside(main) if each.kind == _SLIDE_LIST
        }

    def slides(self) -> Iterator[Slide]:
        """Every slide, in the order of the presentation."""
        notes = {identity: place for place, identity, _ in self._entries(_NOTES)}
        for place, _, outline in self._entries(_SLIDES):
            slide = self._record(place)
            texts, hidden, about = [], False, 0
            for record in self._inside(slide):
                if record.kind == _SLIDE_ATOM:
                    (about,) = struct.unpack_from("<I", self._data, record.start + 16)
                elif record.kind == _SHOW_INFO:
                    (flags,) = struct.unpack_from("<H", self._data, record.start + 10)
                    hidden = bool(flags & _HIDDEN)
                elif record.is_container:
                    texts += self._shapes(record, outline)
            said = []
            if about in notes:
                said = [t for t in self._shapes(self._record(notes[about]), []) if t.kind == 2]
            yield Slide(texts, said, hidden)

    def _read_edits(self, offset: int) -> int:
        """Follow the edits from the last to the first; give the number of the document's record."""
        root = 0
        for _ in range(_MAX_EDITS):
            record = self._record(offset)
            if record.kind != _USER_EDIT:
                raise ReadingError("broken", reason="edits")
            before, directory, document = struct.unpack_from("<III", self._data, record.start + 8)
            if record.end - record.start >= 32:
                raise ReadingError("encrypted")
            root = root or document
            self._read_directory(self._record(directory))
            if not before or before >= offset:
                break
            offset = before
        return root

    def _read_directory(self, record: Record) -> None:
        at = record.start
        while at + 4 <= record.end and record.kind == _DIRECTORY:
            (head,) = struct.unpack_from("<I", self._data, at)
            first, count = head & 0xFFFFF, head >> 20
            at += 4
            for index in range(min(count, (record.end - at) // 4)):
                (place,) = struct.unpack_from("<I", self._data, at + 4 * index)
                self._places.setdefault(first + index, place)
            at += 4 * count

    def _entries(self, kind: int) -> list[tuple[int, int, list[Text]]]:
        """Place, identity and outline texts of each slide (or page of notes) of a list."""
        found: list[tuple[int, int, list[Text]]] = []
        if kind not in self._lists:
            return found
        for record in self._inside(self._lists[kind]):
            if record.kind == _PERSIST:
                (number,) = struct.unpack_from("<I", self._data, record.start)
                (identity,) = struct.unpack_from("<i", self._data, record.start + 12)
                if number in self._places:
                    found.append((self._places[number], identity, []))
            elif found:
                self._take_text(record, found[-1][2])
        return found

    def _shapes(self, container: Record, outline: list[Text]) -> list[Text]:
        """The texts of a drawing, in order; those kept in the outline are looked up there."""
        texts: list[Text] = []
        stack: list[tuple[Record, int]] = [(container, 0)]
        while stack:
            record, depth = stack.pop()
            if record.kind == _SHAPE:
                texts += self._shape(record, outline)
            elif record.is_container and depth < _MAX_DEPTH:
                inside = list(self._inside(record))
                stack.extend((each, depth + 1) for each in reversed(inside))
        return texts

    def _shape(self, shape: Record, outline: list[Text]) -> list[Text]:
        texts: list[Text] = []
        placeholder = None
        for record in self._inside(shape):
            if not record.is_container:
                continue
            for inner in self._inside(record):
                if inner.kind == _PLACEHOLDER:
                    placeholder = self._data[inner.start + 4]
                elif record.kind == _TEXT_BOX and inner.kind == _OUTLINE_REFERENCE:
                    (index,) = struct.unpack_from("<I", self._data, inner.start)
                    texts += outline[index : index + 1]
                elif record.kind == _TEXT_BOX:
                    self._take_text(inner, texts)
        for text in texts:
            text.placeholder = placeholder
        return texts

    def _take_text(self, record: Record, texts: list[Text]) -> None:
        data = self._data[record.start : record.end]
        if record.kind == _TEXT_HEADER:
            texts.append(Text(int.from_bytes(data[:4], "little")))
        elif not texts:
            return
        elif record.kind == _TEXT_WIDE:
            texts[-1].text = data.decode("utf-16-le", "replace")
        elif record.kind == _TEXT_NARROW:
            texts[-1].text = data.decode("latin-1")
        elif record.kind == _TEXT_STYLE:
            texts[-1].depths = list(_depths(data, len(texts[-1].text) + 1))

    def _record(self, at: int) -> Record:
        head, kind, size = struct.unpack_from("<HHI", self._data, at)
        start = at + _HEADER
        end = start + size
        if end > len(self._data):
            raise ReadingError("broken", reason="record")
        return Record(head >> 4, kind, start, end, head & 0xF == _CONTAINER)

    def _inside(self, container: Record) -> Iterator[Record]:
        at = container.start
        while at + _HEADER <= container.end:
            record = self._record(at)
            yield record
            at = record.end


def _depths(data: bytes, length: int) -> Iterator[tuple[int, int]]:
    """Characters and depth (from 0) of each run of paragraphs ([MS-PPT] §2.9.45)."""
    at = covered = 0
    while covered < length and at + 10 <= len(data):
        count, depth, mask = struct.unpack_from("<IHI", data, at)
        at += 10
        for bits, size in _STYLE_FIELDS:
            if mask & bits and bits == _TABS:
                at += 2 + 4 * int.from_bytes(data[at : at + 2], "little")
            elif mask & bits:
                at += size
        yield count, depth
        covered += count
