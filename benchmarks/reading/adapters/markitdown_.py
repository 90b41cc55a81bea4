"""markitdown, as it comes."""

from __future__ import annotations

from markitdown import MarkItDown
from output import from_markdown, run

CONVERTER = MarkItDown(enable_plugins=False)


def read(path: str) -> dict[str, object]:
    return from_markdown(CONVERTER.convert(path).text_content)


run(read)
