"""The tables of a Word 97–2003 file: where its text is, and what holds for each part of it.

[MS-DOC]: §2.4.1 (pieces of text), §2.5 (the header, FIB), §2.6 (properties, SPRM), §2.8–2.9 (FKP,
styles, lists).
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.reading.numbering import Level

_PAGE = 512
_FIRST_NFIB = 0x00C1  # Word 97
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_LENGTHS_AT, _FIELDS_AT = 0x4C, 0x9A
_STORIES = ("text", "footnotes", "headers", "macros", "comments", "endnotes", "boxes")
_STYLES, _HEADER_STORIES, _RUNS, _PARAGRAPHS, _PIECES = 1, 11, 12, 13, 33
_LISTS, _LIST_OVERRIDES = 73, 74
_OPERAND_BYTES = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}
DEFINE_TABLE = 0xD608
_MAX_PIECES = 1_000_000
_NUMBERS = {
    0: "decimal", 1: "roman_upper", 2: "roman_lower", 3: "upper", 4: "lower", 5: "ordinal",
    22: "zero", 23: "", 255: "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Properties:
    """What is said of a paragraph (``style`` is its number) or of a run of characters."""

    style: int
    values: dict[int, bytes]

    def number(self, code: int, default: int = 0) -> int:
        """The operand of a property as a number without sign."""
        found = self.values.get(code)
        return default if found is None else int.from_bytes(found, "little")


NOTHING = Properties(0, {})


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    offset: int
    narrow: bool


class WordFile:
    """The text of a file, its stories, and the properties at each character.

    Raises:
        ReadingError: `encrypted`, `old_format` before Word 97, `broken`.
    """

    def __init__(self, main: bytes, tables: dict[str, bytes]) -> None:
        if len(main) < _FIELDS_AT or main[:2] != b"\xec\xa5":
            raise ReadingError("old_format", type="Word 95")
        self._main = main
        (nfib,) = struct.unpack_from("<H", main, 2)
        (flags,) = struct.unpack_from("<H", main, 10)
        if nfib < _FIRST_NFIB:
            raise ReadingError("old_format", type="Word 95")
        if flags & _ENCRYPTED:
            raise ReadingError("encrypted")
        self._table = tables.get("1Table" if flags & _TABLE_1 else "0Table", b"")
        self._pieces = list(self._read_pieces())
        self._starts = [piece.start for piece in self._pieces]
        self._text = self._read_text()
        lengths = struct.unpack_from(f"<{len(_STORIES)}I", main, _LENGTHS_AT)
        self.stories: dict[str, tuple[int, int]] = {}
        at = 0
        for name, length in zip(_STORIES, lengths, strict=True):
            self.stories[name] = (at, min(at + length, len(self._text)))
            at += length
        self._paragraphs = _Spans(self._formatted(_PARAGRAPHS, 13))
        self._runs = _Spans(self._formatted(_RUNS, 1))

    def text(self, start: int, end: int) -> str:
        """The characters between two positions."""
        return self._text[start:end]

    def paragraph(self, position: int) -> Properties:
        """The properties of the paragraph that ends at a position."""
        return self._paragraphs.at(self._offset(position))

    def run(self, position: int) -> Properties:
        """The properties of the character at a position."""
        return self._runs.at(self._offset(position))

    def header_stories(self) -> list[tuple[int, str]]:
        """Kind (0 and 1 headers, 2 and 3 footers, 4 first header, 5 first footer) and text."""
        data = self._field(_HEADER_STORIES)
        positions = struct.unpack_from(f"<{len(data) // 4}I", data)
        base = self.stories["headers"][0]
        # The first six separate footnotes.
        return [
            (index % 6, self.text(base + positions[index], base + positions[index + 1]))
            for index in range(6, max(len(positions) - 2, 6))
        ]

    def style_kinds(self) -> dict[int, int]:
        """Number of each style → what it is among Word's own (1–9 headings, 62 the title)."""
        data = self._field(_STYLES)
        if len(data) < 4:
            return {}
        at = 2 + struct.unpack_from("<H", data)[0]
        kinds: dict[int, int] = {}
        for number in range(struct.unpack_from("<H", data, 2)[0]):
            if at + 2 > len(data):
                break
            (size,) = struct.unpack_from("<H", data, at)
            if size >= 2 and at + 4 <= len(data):
                kinds[number] = struct.unpack_from("<H", data, at + 2)[0] & 0x0FFF
            at += 2 + size + size % 2
        return kinds

    def lists(self) -> list[tuple[int, list[Level]]]:
        """Of each list that paragraphs name (from 1): its identity and its levels."""
        definitions = dict(_list_definitions(self._table, *self._place(_LISTS)))
        data = self._field(_LIST_OVERRIDES)
        count = struct.unpack_from("<I", data)[0] if len(data) >= 4 else 0
        found = []
        for index in range(min(count, (len(data) - 4) // 16)):
            (identity,) = struct.unpack_from("<i", data, 4 + 16 * index)
            found.append((identity, definitions.get(identity, [])))
        return found

    def _place(self, field: int) -> tuple[int, int]:
        start, size = struct.unpack_from("<II", self._main, _FIELDS_AT + 8 * field)
        return start, size

    def _field(self, field: int) -> bytes:
        start, size = self._place(field)
        return self._table[start : start + size]

    def _read_pieces(self) -> Iterator[_Piece]:
        data = self._field(_PIECES)
        at = 0
        while at < len(data) and data[at] == 1:
            at += 3 + struct.unpack_from("<H", data, at + 1)[0]
        if at + 5 > len(data) or data[at] != 2:
            raise ReadingError("broken", reason="pieces")
        (size,) = struct.unpack_from("<I", data, at + 1)
        count = (size - 4) // 12
        if not 0 < count <= _MAX_PIECES:
            raise ReadingError("broken", reason="pieces")
        positions = struct.unpack_from(f"<{count + 1}I", data, at + 5)
        for index in range(count):
            (offset,) = struct.unpack_from("<I", data, at + 5 + 4 * (count + 1) + 8 * index + 2)
            narrow = bool(offset & 0x4000_0000)
            offset &= 0x3FFF_FFFF
            start, end = positions[index], positions[index + 1]
            yield _Piece(start, end, offset // 2 if narrow else offset, narrow)

    def _read_text(self) -> str:
        parts, at = [], 0
        for piece in self._pieces:
            length = piece.end - piece.start
            if piece.start != at or length < 0 or at + length > len(self._main):
                raise ReadingError("broken", reason="pieces")
            at = piece.end
            size = length if piece.narrow else 2 * length
            raw = self._main[piece.offset : piece.offset + size]
            # Halves of one character count as two, as in the file.
            text = raw.decode("cp1252" if piece.narrow else "utf-16-le", "replace")
            parts.append(text if len(text) == length else _by_unit(raw).ljust(length, "\ufffd"))
        return "".join(parts)

    def _offset(self, position: int) -> int:
        index = bisect_right(self._starts, position) - 1
        piece = self._pieces[max(index, 0)]
        return piece.offset + (position - piece.start) * (1 if piece.narrow else 2)

    def _formatted(self, field: int, entry: int) -> Iterator[tuple[int, int, Properties]]:
        """Spans of the file and their properties, kept in pages of 512 bytes."""
        data = self._field(field)
        count = (len(data) - 4) // 8
        for index in range(max(count, 0)):
            (number,) = struct.unpack_from("<I", data, 4 * (count + 1) + 4 * index)
            page = self._main[(number & 0x3FFFFF) * _PAGE :][:_PAGE]
            if len(page) < _PAGE:
                continue
            runs = page[-1]
            if 4 * (runs + 1) + entry * runs > _PAGE - 1:
                continue
            offsets = struct.unpack_from(f"<{runs + 1}I", page)
            for run in range(runs):
                where = 2 * page[4 * (runs + 1) + entry * run]
                found = NOTHING
                if where and entry == 1:
                    found = Properties(0, _properties(page[where + 1 :][: page[where]]))
                elif where:
                    size = 2 * page[where] - 1 if page[where] else 2 * page[where + 1]
                    body = page[where + (1 if page[where] else 2) :][:size]
                    if len(body) >= 2:
                        style = int.from_bytes(body[:2], "little")
                        found = Properties(style, _properties(body[2:]))
                yield offsets[run], offsets[run + 1], found


class _Spans:
    """Properties by place in the file."""

    def __init__(self, spans: Iterator[tuple[int, int, Properties]]) -> None:
        self._spans = sorted(spans, key=lambda span: span[0])
        self._starts = [span[0] for span in self._spans]

    def at(self, offset: int) -> Properties:
        index = bisect_right(self._starts, offset) - 1
        if index < 0 or offset >= self._spans[index][1]:
            return NOTHING
        return self._spans[index][2]


def _properties(data: bytes) -> dict[int, bytes]:
    """The properties of a list: their codes and operands ([MS-DOC] §2.6.1)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 2 < len(data):
        (code,) = struct.unpack_from("<H", data, at)
        at += 2
        size = _OPERAND_BYTES.get(code >> 13)
        if size is None:
            if code == DEFINE_TABLE:
                size = int.from_bytes(data[at : at + 2], "little") + 1
            else:
                size = data[at] + 1
        found[code] = data[at : at + size]
        at += size
    return found


def _list_definitions(table: bytes, start: int, size: int) -> Iterator[tuple[int, list[Level]]]:
    """Lists by their identity; the levels of all of them follow the table ([MS-DOC] §2.9.147)."""
    if size < 2:
        return
    (count,) = struct.unpack_from("<H", table, start)
    at = start + 2 + 28 * count
    for index in range(count):
        (identity,) = struct.unpack_from("<i", table, start + 2 + 28 * index)
        simple = table[start + 2 + 28 * index + 26] & 1
        levels = []
        for _ in range(1 if simple else 9):
            if at + 28 > len(table):
                return
            first, style, flags = struct.unpack_from("<iBB", table, at)
            characters, paragraphs = table[at + 24], table[at + 25]
            at += 28 + characters + paragraphs
            (length,) = struct.unpack_from("<H", table, at)
            raw = table[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace")
            at += 2 + 2 * length
            pattern = "".join(f"%{ord(c) + 1}" if ord(c) < 9 else c for c in raw)
            kind = _NUMBERS.get(style, "decimal")
            levels.append(Level(kind, pattern, first, bool(flags & 4)))
        yield identity, levels


def _by_unit(raw: bytes) -> str:
    units = struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) // 2 * 2])
    return "".join("\ufffd" if 0xD800 <= unit < 0xE000 else chr(unit) for unit in units)
