"""Files made by LibreOffice, from one text, in every format that it writes."""

import contextlib
import random
import shutil
import subprocess
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.shared import RGBColor
from pptx import Presentation

from chappe.knowledge.reading.model import ReadingError
from office_support import document, lines, read, table

pytestmark = [
    # Each conversion starts LibreOffice, which takes seconds.
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("soffice") is None, reason="needs LibreOffice (apt install libreoffice)"
    ),
]


def converted(path: Path, kind: str) -> Path:
    folder = path.parent / "converti"
    profile = f"-env:UserInstallation={(path.parent / 'profil').as_uri()}"
    subprocess.run(
        [
            "soffice",
            profile,
            "--headless",
            "--convert-to",
            kind,
            "--outdir",
            str(folder),
            str(path),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    return folder / path.with_suffix(f".{kind}").name


@pytest.mark.parametrize("kind", ["docx", "odt", "rtf", "doc"])
def test_texts(tmp_path: Path, kind: str) -> None:
    file = docx.Document()
    file.add_heading("Règlement des congés", 0)
    file.add_heading("Durée", 1)
    paragraph = file.add_paragraph("Le salarié a droit à 2,5 jours. ")
    paragraph.add_run("Caché.").font.hidden = True
    white = paragraph.add_run("Blanc.")
    white.font.color.rgb = RGBColor(255, 255, 255)
    file.add_paragraph("premier", style="List Number")
    file.add_paragraph("deuxième", style="List Number")
    file.add_paragraph("puce", style="List Bullet")
    made = file.add_table(3, 3, style="Table Grid")
    for line, row in enumerate(made.rows):
        for column, cell in enumerate(row.cells):
            cell.text = f"{line}{column}"
    made.cell(0, 1).merge(made.cell(0, 2)).text = "Large"
    made.cell(1, 0).merge(made.cell(2, 0)).text = "Haut"
    file.sections[0].header.paragraphs[0].text = "Ville d’Évry"
    path = tmp_path / "source.docx"
    file.save(str(path))
    found = document(converted(path, kind))
    assert lines(found) == [
        ("heading", 1, "Règlement des congés"),
        ("heading", 1, "Durée"),
        ("paragraph", 0, "Le salarié a droit à 2,5 jours."),
        ("item", 1, "1. premier"),
        ("item", 1, "2. deuxième"),
        ("item", 1, "puce"),
        ("row", 0, "00 | Large"),
        ("row", 0, "Haut | 11 | 12"),
        ("row", 0, "Haut | 21 | 22"),
    ]
    assert table(found)[0] == ["00", "Large", "Large"]
    assert found.metadata["running_headers"] == ["Ville d’Évry"]
    assert " ".join(found.metadata["hidden_text"]).replace(".B", ". B") == "Caché. Blanc."


@pytest.mark.parametrize("kind", ["xlsx", "ods", "xls"])
def test_workbooks(tmp_path: Path, kind: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Budget"
    for row in (["Poste", "Montants", None], ["Énergie", 1234, "=B2*2"], ["replié", 1, 2]):
        sheet.append(row)
    sheet.merge_cells("B1:C1")
    sheet["B2"].number_format = sheet["C2"].number_format = "0"
    sheet.row_dimensions[3].hidden = True
    hidden = book.create_sheet("Cachée")
    hidden["A1"], hidden.sheet_state = "jamais lu", "hidden"
    path = tmp_path / "source.xlsx"
    book.save(path)
    found = document(converted(path, kind))
    assert table(found) == [["Poste", "Montants", "Montants"], ["Énergie", "1234", "2468"]]
    assert "jamais lu" not in str(found)
    assert found.metadata["page_names"] == ["Budget"]


@pytest.mark.parametrize("kind", ["pptx", "odp", "ppt"])
def test_presentations(tmp_path: Path, kind: str) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Budget 2024"
    frame = slide.placeholders[1].text_frame
    frame.text = "Dépenses"
    below = frame.add_paragraph()
    below.text, below.level = "dont énergie", 1
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Fin"
    path = tmp_path / "source.pptx"
    show.save(str(path))
    found = document(converted(path, kind))
    assert [text for _, _, text in lines(found)] == [
        "Budget 2024",
        "Dépenses",
        "dont énergie",
        "Fin",
    ]
    assert lines(found)[0][:2] == ("heading", 1)
    assert [found.text[p.start : p.end].split("\n")[0] for p in found.pages] == [
        "Budget 2024",
        "Fin",
    ]


@pytest.mark.parametrize("kind", ["doc", "rtf", "odt"])
def test_damaged_texts_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    file = docx.Document()
    file.add_heading("Règlement", 1)
    file.add_paragraph("premier", style="List Number")
    file.add_table(2, 2).cell(0, 0).text = "a"
    path = tmp_path / "source.docx"
    file.save(str(path))
    damaged(converted(path, kind))


@pytest.mark.parametrize("kind", ["ppt", "odp"])
def test_damaged_presentations_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    show = Presentation()
    show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = "Budget"
    path = tmp_path / "source.pptx"
    show.save(str(path))
    damaged(converted(path, kind))


@pytest.mark.parametrize("kind", ["xls", "ods"])
def test_damaged_workbooks_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Poste", 1234.5])
    path = tmp_path / "source.xlsx"
    book.save(path)
    damaged(converted(path, kind))


def damaged(path: Path) -> None:
    whole, draw = path.read_bytes(), random.Random(4)
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        path.write_bytes(raw[: draw.choice((len(raw), draw.randrange(len(raw))))])
        with contextlib.suppress(ReadingError):
            read(path)
