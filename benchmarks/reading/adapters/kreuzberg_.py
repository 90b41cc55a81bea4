"""kreuzberg, with Markdown output and its OCR in French."""

from __future__ import annotations

from kreuzberg import ExtractionConfig, OcrConfig, extract_file_sync
from output import from_markdown, run

CONFIG = ExtractionConfig(
    output_format="markdown", use_cache=False, ocr=OcrConfig(backend="tesseract", language="fra")
)


def read(path: str) -> dict[str, object]:
    result = extract_file_sync(path, config=CONFIG)
    found = from_markdown(result.content)
    if result.tables:
        found["tables"] = [table.cells for table in result.tables]
    return found


run(read)
