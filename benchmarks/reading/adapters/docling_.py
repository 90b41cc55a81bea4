"""docling, with Tesseract for scans; its page models come from a hub, which may be out of reach."""

from __future__ import annotations

from docling.document_converter import DocumentConverter
from output import from_markdown, run

CONVERTER = DocumentConverter()


def read(path: str) -> dict[str, object]:
    document = CONVERTER.convert(path).document
    return from_markdown(document.export_to_markdown())


run(read)
