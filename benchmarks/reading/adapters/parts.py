"""The usual single-format libraries, as their own documentation shows how to get the text."""

from __future__ import annotations

import csv

import docx
import odfdo
import openpyxl
import pptx
import pypdfium2
from output import run


def _docx(path: str) -> dict[str, object]:
    file = docx.Document(path)
    texts, headings, tables = [], [], []
    for part in file.iter_inner_content():
        if isinstance(part, docx.table.Table):
            tables.append([[cell.text for cell in row.cells] for row in part.rows])
            texts += [" ".join(row) for row in tables[-1]]
        else:
            texts.append(part.text)
            if part.style.name.startswith(("Heading", "Title")):
                headings.append(part.text)
    return {"text": "\n".join(texts), "headings": headings, "tables": tables}


def _odf(path: str) -> dict[str, object]:
    file = odfdo.Document(path)
    tables = [table.get_values() for table in file.body.get_tables()]
    cells = [[["" if c is None else str(c) for c in row] for row in t] for t in tables]
    text = file.get_formatted_text() if not path.endswith("ods") else ""
    if path.endswith("ods"):
        text = "\n".join(" ".join(row) for table in cells for row in table)
    headings = [header.inner_text for header in file.body.get_headers()]
    return {"text": text, "headings": headings, "tables": cells}


def _pptx(path: str) -> dict[str, object]:
    texts, headings, tables = [], [], []
    for slide in pptx.Presentation(path).slides:
        if slide.shapes.title is not None:
            headings.append(slide.shapes.title.text)
        for shape in slide.shapes:
            if shape.has_text_frame:
                texts.append(shape.text_frame.text)
            if shape.has_table:
                tables.append([[cell.text for cell in row.cells] for row in shape.table.rows])
                texts += [" ".join(row) for row in tables[-1]]
    return {"text": "\n".join(texts), "headings": headings, "tables": tables}


def _xlsx(path: str) -> dict[str, object]:
    book = openpyxl.load_workbook(path, data_only=True)
    tables = [
        [["" if v is None else str(v) for v in row] for row in sheet.iter_rows(values_only=True)]
        for sheet in book
    ]
    text = "\n".join(" ".join(row) for table in tables for row in table)
    return {"text": text, "headings": [sheet.title for sheet in book], "tables": tables}


def _pdf(path: str) -> dict[str, object]:
    pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(path)]
    return {"text": "\n".join(pages), "headings": [], "tables": [], "boxes": True}


def _text(path: str) -> dict[str, object]:
    with open(path, encoding="utf-8") as file:
        return {"text": file.read(), "headings": [], "tables": []}


def _csv(path: str) -> dict[str, object]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {"text": "\n".join(" ".join(row) for row in rows), "headings": [], "tables": [rows]}


READERS = {
    "docx": _docx, "odt": _odf, "odp": _odf, "ods": _odf, "pptx": _pptx, "xlsx": _xlsx,
    "pdf": _pdf, "txt": _text, "csv": _csv,
}  # fmt: skip


def read(path: str) -> dict[str, object]:
    return {"boxes": False} | READERS[path.rpartition(".")[2]](path)


run(read)
