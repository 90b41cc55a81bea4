import datetime as dt
import zipfile
from pathlib import Path

import odfdo
import openpyxl
import pytest
import xlwt
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill

from chappe.knowledge.reading import cell_formats
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.model import ReadingError
from office_support import codes, document, lines, read, table


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (1234.5, "#,##0.00", "1 234,50"),
        (1234567, "#,##0", "1 234 567"),
        (1234.5, '_-* #,##0.00\\ "€"_-;-* #,##0.00 "€"_-', "1 234,50 €"),
        (1234.5, "#,##0.00\\ [$€-40C]", "1 234,50 €"),
        (0.125, "0.0%", "12,5 %"),
        (-5, "0.00", "-5,00"),
        (-5, "0.00;(0.00)", "(5,00)"),
        (-0.001, "0.00", "0,00"),
        (2.675, "0.00", "2,68"),
        (0, '0;-0;"néant"', "néant"),
        (7, "000", "007"),
        (612345678, "00 00 00 00 00", "06 12 34 56 78"),
        (12345678, "#,##0,", "12 346"),
        (1500, "0.00E+00", "1,50E+03"),
        (5, '"n° "0', "n° 5"),
        (0.1 + 0.2, "General", "0,3"),
        (1e20, "General", "1E+20"),
        (45292, "dd/mm/yyyy", "01/01/2024"),
        (45292, "[$-40C]dddd d mmmm yyyy", "lundi 1 janvier 2024"),
        (45292.5, "d mmm yy hh:mm", "1 janv. 24 12:00"),
        (1.5, "[h]:mm", "36:00"),
        (0.75, "h:mm AM/PM", "6:00 PM"),
        (1, ";;;", ""),
        (0.5, "# ?/?", "0,5"),
    ],
)
def test_numbers_are_shown_as_a_french_reader_sees_them(
    value: float, code: str, expected: str
) -> None:
    assert cell_formats.shown(value, code) == expected


def test_the_first_days_of_1900_and_the_other_calendar() -> None:
    assert cell_formats.shown(1, "dd/mm/yyyy") == "01/01/1900"
    assert cell_formats.shown(61, "dd/mm/yyyy") == "01/03/1900"
    assert cell_formats.shown(0, "dd/mm/yyyy", date_1904=True) == "01/01/1904"


@given(st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=30))
def test_no_format_code_makes_it_fail(value: float, code: str) -> None:
    assert isinstance(cell_formats.shown(value, code), str)
    assert isinstance(cell_formats.text_shown("texte", code), str)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_can_be_read_back(value: object) -> None:
    shown = cell_formats.shown(float(str(value)), "#,##0.00")
    assert float(shown.replace(" ", "").replace(",", ".")) == pytest.approx(float(str(value)))


def test_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Budget"
    sheet["A1"] = "Budget prévisionnel"
    sheet.merge_cells("A1:D1")
    for row in (
        ["Poste", "2024", "Part", "Voté le"],
        ["Personnel", 1234567.5, 0.125, dt.date(2024, 3, 1)],
        ["Énergie", 45000, 0.05, dt.date(2024, 4, 2)],
    ):
        sheet.append(row)
    for line in (3, 4):
        sheet.cell(line, 2).number_format = '#,##0.00\\ "€"'
        sheet.cell(line, 3).number_format = "0.0%"
        sheet.cell(line, 4).number_format = "dd/mm/yyyy"
    sheet["A6"], sheet["B6"], sheet["A7"], sheet["B7"] = "Oui", True, "Erreur", "#N/A"
    sheet["A4"].comment = Comment("Hors subvention", "Élise")
    book.create_sheet("Vide")
    last = book.create_sheet("Effectifs")
    last["B2"], last["C2"], last["B3"], last["C3"] = "Service", "Agents", "Voirie", 12
    path = tmp_path / "budget.xlsx"
    book.save(path)
    found = document(path)
    assert lines(found) == [
        ("heading", 1, "Budget"),
        ("paragraph", 0, "Budget prévisionnel"),
        ("row", 0, "Poste | 2024 | Part | Voté le"),
        ("row", 0, "Personnel | 1 234 567,50 € | 12,5 % | 01/03/2024"),
        ("row", 0, "Énergie | 45 000,00 € | 5,0 % | 02/04/2024"),
        ("row", 0, "Oui | VRAI"),
        ("row", 0, "Erreur | #N/A"),
        ("heading", 1, "Effectifs"),
        ("row", 0, "Service | Agents"),
        ("row", 0, "Voirie | 12"),
    ]
    assert found.metadata["page_kind"] == "sheet"
    assert found.metadata["comments"] == [{"cell": "A4", "text": "Hors subvention"}]
    assert found.metadata["page_names"] == ["Budget", "Vide", "Effectifs"]
    assert [page.text for page in found.pages] == ["text", "empty", "text"]
    third = found.pages[2]
    assert found.text[third.start : third.end] == "Effectifs\n\nService | Agents\nVoirie | 12"


def test_merged_cells_of_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Zone", "Montants", None], [None, "2023", "2024"], ["Nord", 1, 2], [None, 3, 4]):
        sheet.append(row)
    for reference in ("A1:A2", "B1:C1", "A3:A4"):
        sheet.merge_cells(reference)
    path = tmp_path / "fusion.xlsx"
    book.save(path)
    assert table(document(path)) == [
        ["Zone", "Montants", "Montants"],
        ["Zone", "2023", "2024"],
        ["Nord", "1", "2"],
        ["Nord", "3", "4"],
    ]


def test_what_a_workbook_hides(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Vu"
    for row in (["a", "secret", "c"], ["rangée cachée", "x", "y"], ["d", "e", "f"]):
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[2].hidden = True
    sheet["E1"] = "blanc sur blanc"
    sheet["E1"].font = Font(color="FFFFFFFF")
    sheet["F1"] = "blanc sur bleu"
    sheet["F1"].font = Font(color="FFFFFFFF")
    sheet["F1"].fill = PatternFill("solid", fgColor="FF000080")
    hidden = book.create_sheet("Cachée")
    hidden["A1"], hidden.sheet_state = "jamais lu", "veryHidden"
    path = tmp_path / "cache.xlsx"
    book.save(path)
    found = document(path)
    assert table(found) == [["a", "c", "blanc sur bleu"], ["d", "f"]]
    assert "jamais lu" not in str(found)
    assert {"hidden_sheet", "hidden_cells", "hidden_left_out"} == codes(found)
    assert found.metadata["page_names"] == ["Vu"]


def test_a_formula_without_a_stored_value_is_missing_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Total", "=SUM(1,2)"])
    path = tmp_path / "formule.xlsx"
    book.save(path)
    found = document(path)
    (issue,) = found.issues
    assert (issue.code, issue.loss, issue.values) == ("formulas_uncomputed", True, {"count": "1"})


def test_more_rows_than_are_read_is_said(tmp_path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Long")
    for number in range(3_000):
        sheet.append([f"ligne {number}", number])
    path = tmp_path / "long.xlsx"
    book.save(path)
    assert len(document(path).blocks) == 3_001
    found = document(path, limits=Limits(text_chars=5_000))
    assert len(found.text) <= 5_000
    assert [(issue.code, issue.loss) for issue in found.issues] == [("truncated", True)]


def test_an_open_document_workbook(tmp_path: Path) -> None:
    file = odfdo.Document("spreadsheet")
    file.body.clear()
    sheet = odfdo.Table("Écoles")
    sheet.set_values([["École", "Élèves"], ["Jean-Moulin", 1234.5], ["Part", 0.5]])
    file.body.append(sheet)
    path = tmp_path / "écoles.ods"
    file.save(str(path))
    found = document(path)
    assert lines(found) == [
        ("heading", 1, "Écoles"),
        ("row", 0, "École | Élèves"),
        ("row", 0, "Jean-Moulin | 1234,5"),
        ("row", 0, "Part | 0,5"),
    ]
    assert found.metadata["page_names"] == ["Écoles"]


ODS = """<office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">
<office:automatic-styles><style:style style:name="h" style:family="table">
<style:table-properties table:display="false"/></style:style></office:automatic-styles>
<office:body><office:spreadsheet>{}</office:spreadsheet></office:body></office:document-content>"""


def ods(folder: Path, sheets: str) -> Path:
    path = folder / "fait.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", ODS.format(sheets))
    return path


def test_absurd_repeats_cost_nothing(tmp_path: Path) -> None:
    cell = (
        '<table:table-cell table:number-columns-repeated="{}"><text:p>{}</text:p>'
        "</table:table-cell>"
    )
    rows = (
        f"<table:table-row>{cell.format(2, 'a')}{cell.format(16384, '')}</table:table-row>"
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
        f"<table:table-row>{cell.format(99999999, 'b')}</table:table-row>"
        '<table:table-row table:number-rows-repeated="1048576">'
        f"{cell.format(1, 'c')}</table:table-row>"
    )
    found = document(ods(tmp_path, f'<table:table table:name="T">{rows}</table:table>'))
    assert table(found)[0] == ["a", "a"]
    assert len(found.text) < 20_000
    assert [(issue.code, issue.loss) for issue in found.issues] == [("truncated", True)]


def test_hidden_sheets_and_merged_cells_of_open_document(tmp_path: Path) -> None:
    sheets = (
        '<table:table table:name="Cachée" table:style-name="h"><table:table-row>'
        "<table:table-cell><text:p>jamais lu</text:p></table:table-cell></table:table-row>"
        '</table:table><table:table table:name="Vue"><table:table-row><table:table-cell '
        'table:number-rows-spanned="2"><text:p>haut</text:p></table:table-cell><table:table-cell>'
        "<text:p>1</text:p></table:table-cell></table:table-row><table:table-row>"
        "<table:covered-table-cell/><table:table-cell><text:p>2</text:p></table:table-cell>"
        '</table:table-row><table:table-row table:visibility="collapse"><table:table-cell>'
        "<text:p>replié</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = document(ods(tmp_path, sheets))
    assert table(found) == [["haut", "1"], ["haut", "2"]]
    assert "jamais lu" not in str(found)
    assert found.metadata["hidden_text"] == ["replié"]


def test_comments_and_shapes_of_a_sheet_are_not_in_its_cells(tmp_path: Path) -> None:
    sheets = (
        '<table:table table:name="Vue"><table:shapes><draw:frame><draw:text-box><text:p>Encadré'
        "</text:p></draw:text-box></draw:frame></table:shapes><table:table-row><table:table-cell>"
        "<office:annotation><dc:creator>Élise</dc:creator><text:p>À revoir</text:p>"
        "</office:annotation><text:p>un</text:p></table:table-cell><table:table-cell><text:p>deux"
        "</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = document(ods(tmp_path, sheets))
    assert found.text == "Vue\n\nun | deux\n\nEncadré"
    assert found.pages[0].end == len(found.text)
    (comment,) = found.metadata["comments"]
    assert (comment["author"], comment["text"]) == ("Élise", "À revoir")


def test_an_old_workbook(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Budget")
    for column, text in enumerate(("Poste", "Montant", "Voté le")):
        sheet.write(0, column, text)
    sheet.write(1, 0, "Énergie")
    sheet.write(1, 1, 1234.5, xlwt.easyxf(num_format_str="#,##0.00 €"))
    sheet.write(1, 2, dt.date(2024, 3, 1), xlwt.easyxf(num_format_str="DD/MM/YYYY"))
    sheet.write_merge(2, 2, 0, 1, "Total")
    sheet.write(3, 0, "caché")
    sheet.row(3).hidden = True
    secret = book.add_sheet("Secret")
    secret.write(0, 0, "jamais lu")
    secret.visibility = 1
    path = tmp_path / "budget.xls"
    book.save(str(path))
    found = document(path)
    assert table(found) == [
        ["Poste", "Montant", "Voté le"],
        ["Énergie", "1 234,50 €", "01/03/2024"],
        ["Total", "Total"],
    ]
    assert codes(found) == {"hidden_sheet", "hidden_cells", "hidden_left_out"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "mac_roman"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_csv_is_guessed(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "communes.csv"
    rows = [
        ["Commune", "Population", "Budget"],
        ["Évry", "66 700", f'"1{delimiter}234,5"'],
        ["Orléans", "116 000", '"2,5"'],
        ["Nîmes", "148 000", '"3,0"'],
    ]
    path.write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    found = document(path)
    assert table(found)[0] == ["Commune", "Population", "Budget"]
    assert table(found)[1] == ["Évry", "66 700", f"1{delimiter}234,5".replace("\t", " ")]
    assert found.metadata == {"delimiter": delimiter, "header": "yes"}


def test_csv_without_header_and_with_excels_own_line(tmp_path: Path) -> None:
    path = tmp_path / "chiffres.csv"
    path.write_text("sep=|\n1|2,5\n\n3|4,5\n", encoding="utf-8")
    found = document(path)
    assert found.text == "1 | 2,5\n3 | 4,5"
    assert found.metadata == {"delimiter": "|", "header": "no"}


def test_an_encrypted_workbook_says_so(tmp_path: Path) -> None:
    from ole_writer import write_ole

    path = tmp_path / "secret.xlsx"
    write_ole(path, {"EncryptionInfo": b"x" * 100, "EncryptedPackage": b"y" * 5_000})
    with pytest.raises(ReadingError) as raised:
        read(path)
    assert raised.value.code == "encrypted"
