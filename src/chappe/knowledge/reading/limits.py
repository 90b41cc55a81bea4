"""How much a file may cost. A file that goes beyond is refused, or read up to there and said so."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of reading one file.

    A reading may last ``seconds``, and ``seconds_per_page`` more for each page done; one that goes
    ``seconds`` without finishing a page is stuck. ``memory_bytes`` counts the reading process and
    whatever it starts (OCR). ``unpacked_bytes`` and ``unpacked_ratio`` bound what comes out of a
    compressed file, ``image_pixels`` one image. ``ocr_processes`` run at once, each on one core;
    ``ocr_languages`` are Tesseract's names.
    """

    file_bytes: int = 200 * _MIB
    memory_bytes: int = 1024 * _MIB
    seconds: float = 120.0
    seconds_per_page: float = 20.0
    pages: int = 5_000
    text_chars: int = 20_000_000
    members: int = 10_000
    member_depth: int = 3
    unpacked_bytes: int = 1024 * _MIB
    unpacked_ratio: float = 200.0
    image_pixels: int = 100_000_000
    ocr_processes: int = 2
    ocr_languages: tuple[str, ...] = ("fra", "eng")
