"""CSV: encoding, delimiter and header are guessed from the content."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import islice
from pathlib import Path

from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import read_text
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError, ReadResult
from chappe.knowledge.reading.sheets import Row, SheetComposer

MEDIA_TYPE = "text/csv"

_DELIMITERS = ";,\t|"
_SAMPLE_ROWS = 200
_FIELD_CHARS = 1_000_000
_FIGURE = re.compile(
    r"[-+]?[\d \u00a0\u202f]*\d(?:[.,]\d+)?\s*[%€$]?$|\d{1,4}[/-]\d\d?[/-]\d{1,4}$"
)


def read(path: Path, name: str, limits: Limits, folder: Path) -> ReadResult:
    """Read the file as one table. ``metadata``: its delimiter, and whether it has a header."""
    composer = Composer(limits)
    text = composer.cut(read_text(path, limits))
    # Excel's own first line, which says the delimiter.
    declared = re.match(r"sep=(.)\r?\n", text)
    if declared:
        text = text[declared.end() :]
    delimiter = declared[1] if declared else guess_delimiter(text)
    csv.field_size_limit(_FIELD_CHARS)
    sheet = SheetComposer(composer, "", page=False)
    first: list[list[str]] = []
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        # Empty lines part nothing: the file is one table.
        for number, fields in enumerate(filter(any, rows), 1):
            if number <= _SAMPLE_ROWS:
                first.append(fields)
            sheet.row(Row(number, dict(enumerate(fields, 1)), {}))
            if sheet.full:
                break
    except csv.Error as error:
        raise ReadingError("broken", reason=str(error)) from None
    sheet.end()
    if not len(composer):
        raise ReadingError("empty")
    metadata = {"delimiter": delimiter, "header": "yes" if has_header(first) else "no"}
    return ReadResult(composer.document(Path(name).stem, MEDIA_TYPE, metadata))


def guess_delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into the most equal number of fields.

    A comma is the decimal sign of French numbers, so being frequent isn't enough.
    """
    best, best_score = ";", (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            rows = csv.reader(io.StringIO(text[:_FIELD_CHARS]), delimiter=delimiter)
            widths = Counter(len(row) for row in islice(rows, _SAMPLE_ROWS) if any(row))
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = (count / widths.total() if width > 1 else 0.0, width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: no figure in it, or not where those below have."""
    if len(rows) < 2:
        return False
    for column, field in enumerate(rows[0]):
        below = [row[column].strip() for row in rows[1:] if column < len(row)]
        figures = sum(bool(_FIGURE.match(value)) for value in below if value)
        mostly = figures > 0.8 * sum(bool(value) for value in below) > 0
        if _FIGURE.match(field.strip()) and (mostly or len(rows[0]) == 1):
            return False
    return True
