"""Texts of Word 97 to 2003 (.doc), read as those of today by `docx`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import olefile

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import ole
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.doc_tables import DEFINE_TABLE, Properties, WordFile
from chappe.knowledge.reading.edges import Row, cells_by_edges
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.numbering import Counter

MEDIA_TYPE = "application/msword"

_CELL, _PARAGRAPH, _NOTE, _COMMENT = "\x07", "\r", "\x02", "\x05"
_FIELD_BEGINS, _FIELD_SHOWS, _FIELD_ENDS = "\x13", "\x14", "\x15"
_SEEN = {"\x0b": " ", "\t": " ", "\x1e": "-", "\xa0": "\xa0"}
# Codes of properties ([MS-DOC] §2.6).
_HIDDEN, _DELETED, _INSERTED = 0x083C, 0x0800, 0x0801
_COLOR, _COLOR_INDEX, _HALF_POINTS = 0x6870, 0x2A42, 0x4A43
_SHADES = (0xCA71, 0x4866, 0x2A0C)
_IN_TABLE, _ROW_ENDS = 0x2416, 0x2417
_LIST, _DEPTH, _OUTLINE = 0x460B, 0x260A, 0x2640
_WHITE, _WHITE_INDEX = 0x00FFFFFF, 8
_TITLE = 62
_CONTENTS = range(19, 28)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file."""
    composer = Composer(limits)
    try:
        with olefile.OleFileIO(path) as file:
            tables = {each: ole.stream(file, each) for each in ("0Table", "1Table")}
            word = WordFile(ole.stream(file, "WordDocument"), tables)
            title, metadata = ole.properties(file)
            macros = file.exists("Macros")
        reader = _Reader(word, composer)
        reader.read()
    except ole.ERRORS as error:
        raise ReadingError("broken", reason=type(error).__name__) from None
    if macros:
        composer.issue("scripts_ignored")
    if not len(composer):
        raise ReadingError("empty")
    metadata |= reader.around()
    title = reader.title or title or composer.first("heading") or Path(name).stem
    return ReadResult(composer.document(title, MEDIA_TYPE, metadata))


class _Reader:
    def __init__(self, word: WordFile, composer: Composer) -> None:
        self._word, self._composer = word, composer
        self._kinds = word.style_kinds()
        self._lists = word.lists()
        self._counters: dict[int, Counter] = {}
        self._notes = iter(self._story("footnotes", _NOTE))
        self._note_count = self._written = 0
        self._cells: list[str] = []
        self._rows: list[Row] = []
        self._pending: list[str] = []
        self._deleted = self._inserted = 0
        self.title = ""

    def read(self) -> None:
        """Compose the document: the text, then what stands in boxes."""
        for story in ("text", "boxes"):
            start, end = self._word.stories[story]
            while start < end and not self._composer.full:
                stop = start
                while stop < end and self._word.text(stop, stop + 1) not in "\r\x07\x0c":
                    stop += 1
                self._paragraph(start, stop)
                start = stop + 1
            self._end_table()
        if self._deleted or self._inserted:
            self._composer.issue("tracked_changes", deleted=self._deleted, inserted=self._inserted)

    def around(self) -> dict[str, Any]:
        """Headers, footers and comments."""
        found: dict[str, Any] = {"running_headers": [], "running_footers": []}
        for kind, text in self._word.header_stories():
            line = normalise("".join(_plain(text)))
            texts = found["running_headers" if kind in (0, 1, 4) else "running_footers"]
            if line and line not in texts:
                texts.append(line)
        found["comments"] = [{"text": text} for text in self._story("comments", _COMMENT)]
        return found

    def _story(self, name: str, sign: str) -> list[str]:
        """The notes of a story: each begins with its sign."""
        text = self._word.text(*self._word.stories[name])
        return [normalise("".join(_plain(part))) for part in text.split(sign)[1:]]

    def _paragraph(self, start: int, stop: int) -> None:
        properties = self._word.paragraph(stop)
        text = normalise("".join(self._seen(start, stop)))
        if properties.number(_ROW_ENDS):
            self._rows.append((self._cells, _edges(properties)))
            self._cells = []
        elif self._word.text(stop, stop + 1) == _CELL:
            self._cells.append(" ".join(part for part in (*self._pending, text) if part))
            self._pending = []
        elif properties.number(_IN_TABLE):
            self._pending.append(text)
        else:
            self._end_table()
            self._block(text, properties)
            self._write_notes()

    def _block(self, text: str, properties: Properties) -> None:
        kind = self._kinds.get(properties.style, properties.style)
        label, depth = self._label(properties)
        if not text or kind in _CONTENTS:
            return
        shown = f"{label} {text}" if label else text
        outline = properties.number(_OUTLINE, 9)
        if kind == _TITLE:
            self.title = self.title or text
            self._composer.add("heading", text, 1)
        elif 1 <= kind <= 9 or outline < 9:
            self._composer.add("heading", shown, kind if 1 <= kind <= 9 else outline + 1)
        elif label is not None:
            self._composer.add("item", shown, depth + 1)
        else:
            self._composer.add("paragraph", text)

    def _label(self, properties: Properties) -> tuple[str | None, int]:
        number, depth = properties.number(_LIST), properties.number(_DEPTH)
        if not 0 < number <= len(self._lists):
            return None, depth
        identity, levels = self._lists[number - 1]
        counter = self._counters.setdefault(identity, Counter())
        return counter.label(depth, levels), depth

    def _write_notes(self) -> None:
        while self._note_count:
            self._note_count -= 1
            self._written += 1
            text = next(self._notes, "")
            self._composer.add("note", f"Note {self._written} : {text}" if text else "")

    def _end_table(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._composer.table(cells_by_edges(rows))
            self._write_notes()

    def _seen(self, start: int, stop: int) -> Iterator[str]:
        """What is seen of a paragraph: neither deleted nor hidden, fields as they show."""
        hidden: list[str] = []
        fields: list[bool] = []
        for position in range(start, stop):
            character = self._word.text(position, position + 1)
            if character == _FIELD_BEGINS:
                fields.append(False)
            elif character == _FIELD_SHOWS and fields:
                fields[-1] = True
            elif character == _FIELD_ENDS and fields:
                fields.pop()
            elif all(fields):
                run = self._word.run(position)
                if run.number(_DELETED):
                    self._deleted += self._word.run(position - 1) is not run
                elif _unseen(run):
                    hidden.append(_SEEN.get(character, character))
                else:
                    inserted = run.number(_INSERTED)
                    self._inserted += bool(inserted and self._word.run(position - 1) is not run)
                    self._note_count += character == _NOTE
                    if character >= " " or character in _SEEN:
                        yield _SEEN.get(character, character)
        self._composer.hide("".join(hidden))


def _unseen(run: Properties) -> bool:
    if run.number(_HIDDEN) or run.number(_HALF_POINTS, 24) <= 2:
        return True
    white = run.number(_COLOR) == _WHITE or run.number(_COLOR_INDEX) == _WHITE_INDEX
    return white and not any(code in run.values for code in _SHADES)


def _edges(properties: Properties) -> list[tuple[int, bool]]:
    """Where the cells of a row end, and which go on from above ([MS-DOC] §2.9.315)."""
    data = properties.values.get(DEFINE_TABLE, b"")
    if len(data) < 3:
        return []
    count = data[2]
    if len(data) < 3 + 2 * (count + 1):
        return []
    edges = struct.unpack_from(f"<{count + 1}h", data, 3)[1:]
    flags_at = 3 + 2 * (count + 1)
    found = []
    for index, edge in enumerate(edges):
        flags = data[flags_at + 20 * index : flags_at + 20 * index + 2]
        merged = int.from_bytes(flags, "little")
        # Merged vertically, and not the first of those that are.
        found.append((edge, bool(merged & 0x20) and not merged & 0x40))
    return found


def _plain(text: str) -> Iterator[str]:
    depth: list[bool] = []
    for character in text:
        if character == _FIELD_BEGINS:
            depth.append(False)
        elif character == _FIELD_SHOWS and depth:
            depth[-1] = True
        elif character == _FIELD_ENDS and depth:
            depth.pop()
        elif all(depth):
            yield " " if character in "\r\x07\x0b\x0c\t" else character
