"""Markdown (CommonMark with tables), read as the page that it stands for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from chappe.knowledge.document import normalise
from chappe.knowledge.reading import html
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import read_text
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import parse_html
from chappe.knowledge.reading.model import ReadingError, ReadResult

MEDIA_TYPE = "text/markdown"

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^([A-Za-z][\w -]{0,40}):[ \t]+(\S.*)$", re.MULTILINE)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file; plain fields of a front matter are metadata, ``title`` among them."""
    composer = Composer(limits)
    text = composer.cut(read_text(path, limits))
    metadata: dict[str, Any] = {}
    front = _FRONT_MATTER.match(text)
    if front:
        text = text[front.end() :]
        fields = {key.lower(): value.strip("\"' ") for key, value in _FIELD.findall(front[1])}
        metadata = {key: normalise(value) for key, value in fields.items()}
    title = str(metadata.pop("title", ""))
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    html.compose(composer, parse_html(f"<body>{parser.render(text)}</body>"))
    if not len(composer):
        raise ReadingError("empty")
    title = title or composer.first("heading") or Path(name).stem
    return ReadResult(composer.document(title, MEDIA_TYPE, metadata))
