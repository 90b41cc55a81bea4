"""XML and HTML from strangers: no entity is expanded, nothing is fetched, depth is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from lxml import etree

from chappe.knowledge.reading.model import ReadingError

Element = Any
"""An element of lxml, which has no types."""

_DECLARES_ENTITIES = re.compile(rb"<!ENTITY")
_XML = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


def parse_xml(data: bytes) -> Element:
    """The root of an XML part of a package.

    Raises:
        ReadingError: `xml_entities` when it declares any (no office format does), `broken`.
    """
    _refuse_entities(data)
    try:
        return etree.fromstring(data, etree.XMLParser(**_XML))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadingError("broken", reason=_reason(error)) from None


def stream_xml(file: IO[bytes], tags: tuple[str, ...]) -> Iterator[Element]:
    """The elements of these names (`{namespace}name`) of a long XML part, one after another.

    Each is emptied when the next one is asked for, with what came before it: memory stays that of
    one element.

    Raises:
        ReadingError: as :func:`parse_xml`.
    """
    events = etree.iterparse(_Watched(file), events=("end",), tag=tags, **_XML)
    try:
        for _, element in events:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadingError("broken", reason=_reason(error)) from None


def parse_html(text: str) -> Element:
    """The root of a page, whatever its faults.

    Raises:
        ReadingError: `broken` for one that is nested beyond what the parser reads, `empty`.
    """
    parser = etree.HTMLParser(
        no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadingError("broken", reason=_reason(error)) from None
    if any("depth" in entry.message for entry in parser.error_log):
        raise ReadingError("broken", reason="nesting")
    if root is None:
        raise ReadingError("empty")
    return root


def local(element: Element) -> str:
    """The name of an element without its namespace; empty for a comment or an entity."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


class _Watched:
    """A file that is refused when it declares entities, before the parser sees the declaration."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        _refuse_entities(self._tail + data)
        self._tail = data[-16:]
        return data


def _refuse_entities(data: bytes) -> None:
    # Only a prologue can declare any, and UTF-16 would hide it from the pattern.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "ignore").encode()
    if _DECLARES_ENTITIES.search(data):
        raise ReadingError("xml_entities")


def _reason(error: Exception) -> str:
    return str(error).split(",", 1)[0][:120]
