"""kreuzberg with its OCR in French: Markdown, or plain text when called `kreuzberg_plain_.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from kreuzberg import ExtractionConfig, OcrConfig, extract_file_sync
from output import from_markdown, run

PLAIN = "plain" in Path(sys.argv[0]).name
CONFIG = ExtractionConfig(
    output_format="plain" if PLAIN else "markdown",
    use_cache=False,
    ocr=OcrConfig(backend="tesseract", language="fra"),
)


def read(path: str) -> dict[str, object]:
    result = extract_file_sync(path, config=CONFIG)
    if PLAIN:
        found: dict[str, object] = {"text": result.content, "headings": [], "boxes": False}
        return found | {"tables": [table.cells for table in result.tables]}
    found = from_markdown(result.content)
    if result.tables:
        found["tables"] = [table.cells for table in result.tables]
    return found


run(read)
