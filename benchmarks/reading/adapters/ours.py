"""Chappe's own readers, called in this process."""

from __future__ import annotations

import tempfile
from pathlib import Path

from output import run

from chappe.knowledge.reading.detect import media_type
from chappe.knowledge.reading.formats import reader
from chappe.knowledge.reading.limits import Limits


def read(path: str) -> dict[str, object]:
    file = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        kind = media_type(file, file.name)
        found = reader(kind).read(file, file.name, Limits(), Path(folder)).document
    if found is None:
        raise ValueError("no text")
    text = found.text
    tables: list[list[list[str]]] = []
    end = None
    for block in found.blocks:
        if block.kind == "row":
            if end is None or text[end : block.start] != "\n":
                tables.append([])
            tables[-1].append([text[start:stop] for start, stop in block.cells])
            end = block.end
    return {
        "text": text,
        "headings": [text[b.start : b.end] for b in found.blocks if b.kind == "heading"],
        "tables": tables,
        "boxes": len(found.boxes) > 0,
    }


run(read)
