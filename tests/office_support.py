"""Reading a file in a test, and what holds for whatever is read."""

from __future__ import annotations

import tempfile
from pathlib import Path

from chappe.knowledge.reading.detect import media_type
from chappe.knowledge.reading.formats import reader
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadDocument, ReadResult


def read(path: Path, name: str | None = None, limits: Limits | None = None) -> ReadResult:
    """Read a file by its content, as the reading process does, and check what it gives."""
    name = name or path.name
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    result = reader(media_type(path, name)).read(path, name, limits or Limits(), folder)
    if result.document is not None:
        check(result.document)
    for member in result.members:
        assert member.path.is_file() and member.path.parent == folder
        assert not member.name.startswith("/") and ".." not in member.name.split("/")
    return result


def document(path: Path, name: str | None = None, limits: Limits | None = None) -> ReadDocument:
    """The document of a file that gives one."""
    found = read(path, name, limits).document
    assert found is not None
    return found


def check(read_document: ReadDocument) -> None:
    """Blocks in order and disjoint, only white space between; cells in rows; pages in order."""
    text, position = read_document.text, 0
    for block in read_document.blocks:
        assert position <= block.start < block.end <= len(text)
        assert text[position : block.start].strip() == ""
        assert text[block.start : block.end].strip()
        assert bool(block.cells) == (block.kind == "row")
        at = block.start
        for index, (start, end) in enumerate(block.cells):
            again = index > 0 and block.cells[index - 1] == (start, end)
            assert again or at <= start
            assert start <= end <= block.end
            assert "|" not in text[at:start].strip(" |")
            at = end
        position = block.end
    assert text[position:].strip() == ""
    at = 0
    for number, page in enumerate(read_document.pages, 1):
        assert page.number == number
        assert at <= page.start <= page.end <= len(text)
        at = page.end
    text.encode("utf-8")


def lines(read_document: ReadDocument) -> list[tuple[str, int, str]]:
    """Kind, level and text of each block."""
    text = read_document.text
    return [(b.kind, b.level, text[b.start : b.end]) for b in read_document.blocks]


def table(read_document: ReadDocument) -> list[list[str]]:
    """The cells of every row."""
    text = read_document.text
    return [[text[a:b] for a, b in block.cells] for block in read_document.blocks if block.cells]


def codes(read_document: ReadDocument) -> set[str]:
    """The codes of the issues."""
    return {issue.code for issue in read_document.issues}
