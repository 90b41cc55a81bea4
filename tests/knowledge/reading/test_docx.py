import copy
import zipfile
from pathlib import Path

import docx
import pytest
from docx.document import Document
from docx.enum.section import WD_SECTION
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Pt, RGBColor

from chappe.knowledge.reading.model import ReadingError
from office_support import codes, document, lines, read, table


def saved(file: Document, folder: Path, name: str = "règlement.docx") -> Path:
    path = folder / name
    file.save(str(path))
    return path


def tracked(kind: str, text: str) -> OxmlElement:
    change, run = OxmlElement(f"w:{kind}"), OxmlElement("w:r")
    inner = OxmlElement("w:delText" if kind == "del" else "w:t")
    inner.text = text
    run.append(inner)
    change.append(run)
    change.set(qn("w:id"), "1")
    return change


def test_headings_lists_and_paragraphs(tmp_path: Path) -> None:
    file = docx.Document()
    file.core_properties.author, file.core_properties.language = "Mairie d’Évry", "fr-FR"
    file.add_heading("Règlement des congés", 0)
    file.add_heading("Durée", 1)
    file.add_paragraph("Le salarié a droit à 2,5 jours\u00a0ouvrables par mois.")
    file.add_heading("Report", 2)
    file.add_paragraph("demande écrite ;", style="List Number")
    file.add_paragraph("accord du chef de service.", style="List Number")
    file.add_paragraph("une puce", style="List Bullet")
    file.add_paragraph("une puce dessous", style="List Bullet 2")
    found = document(saved(file, tmp_path))
    assert found.title == "Règlement des congés"
    assert lines(found) == [
        ("heading", 1, "Règlement des congés"),
        ("heading", 1, "Durée"),
        ("paragraph", 0, "Le salarié a droit à 2,5 jours ouvrables par mois."),
        ("heading", 2, "Report"),
        ("item", 1, "1. demande écrite ;"),
        ("item", 1, "2. accord du chef de service."),
        ("item", 1, "une puce"),
        ("item", 2, "une puce dessous"),
    ]
    assert found.metadata["author"] == "Mairie d’Évry"
    assert found.metadata["language"] == "fr-FR"
    assert found.issues == ()


def test_merged_cells_are_said_where_they_are_seen(tmp_path: Path) -> None:
    file = docx.Document()
    made = file.add_table(3, 3)
    for line, row in enumerate(made.rows):
        for column, cell in enumerate(row.cells):
            cell.text = f"{line}{column}"
    wide = made.cell(0, 1).merge(made.cell(0, 2))
    wide.text = "Montants"
    tall = made.cell(1, 0).merge(made.cell(2, 0))
    tall.text = "Cantine"
    found = document(saved(file, tmp_path))
    assert found.text == "00 | Montants\nCantine | 11 | 12\nCantine | 21 | 22"
    assert table(found) == [
        ["00", "Montants", "Montants"],
        ["Cantine", "11", "12"],
        ["Cantine", "21", "22"],
    ]


def test_two_tables_are_two(tmp_path: Path) -> None:
    file = docx.Document()
    for sign in "ab":
        made = file.add_table(2, 2)
        for index, cell in enumerate(c for row in made.rows for c in row.cells):
            cell.text = f"{sign}{index}"
    assert document(saved(file, tmp_path)).text == "a0 | a1\na2 | a3\n\nb0 | b1\nb2 | b3"


def test_a_frame_of_one_cell_is_no_table(tmp_path: Path) -> None:
    file = docx.Document()
    file.add_table(1, 1).cell(0, 0).text = "Un encadré."
    assert lines(document(saved(file, tmp_path))) == [("paragraph", 0, "Un encadré.")]


def test_what_is_not_seen_is_left_out_and_said(tmp_path: Path) -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("Vu. ")
    paragraph.add_run("Caché. ").font.hidden = True
    white = paragraph.add_run("Blanc. ")
    white.font.color.rgb = RGBColor(255, 255, 255)
    paragraph.add_run("Minuscule. ").font.size = Pt(0.5)
    paragraph.add_run("Vu aussi.")
    found = document(saved(file, tmp_path))
    assert found.text == "Vu. Vu aussi."
    assert codes(found) == {"hidden_left_out"}
    assert found.metadata["hidden_text"] == ["Caché.", "Blanc.", "Minuscule."]


def test_white_on_a_dark_cell_is_seen(tmp_path: Path) -> None:
    file = docx.Document()
    made = file.add_table(1, 2)
    for cell, text in zip(made.rows[0].cells, ("Année", "Montant"), strict=True):
        run = cell.paragraphs[0].add_run(text)
        run.font.color.rgb = RGBColor(255, 255, 255)
        shade = parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:fill="1F3864"/>')
        cell._tc.get_or_add_tcPr().append(shade)
    found = document(saved(file, tmp_path))
    assert found.text == "Année | Montant"
    assert found.issues == ()


def test_tracked_changes_are_read_as_accepted(tmp_path: Path) -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("Le délai est de ")
    paragraph._p.append(tracked("del", "deux"))
    paragraph._p.append(tracked("ins", "trois"))
    paragraph.add_run(" mois.")
    found = document(saved(file, tmp_path))
    assert found.text == "Le délai est de trois mois."
    (issue,) = found.issues
    assert (issue.code, issue.loss) == ("tracked_changes", False)
    assert issue.values == {"deleted": "1", "inserted": "1"}


def test_headers_footers_and_comments_are_metadata(tmp_path: Path) -> None:
    file = docx.Document()
    section = file.sections[0]
    section.header.paragraphs[0].text = "Ville d’Évry"
    section.footer.paragraphs[0].text = "Page 1"
    paragraph = file.add_paragraph("Le texte.")
    file.add_comment(paragraph.runs, text="À revoir", author="Élise")
    file.add_section(WD_SECTION.NEW_PAGE)
    found = document(saved(file, tmp_path))
    assert found.text == "Le texte."
    assert found.metadata["running_headers"] == ["Ville d’Évry"]
    assert found.metadata["running_footers"] == ["Page 1"]
    (comment,) = found.metadata["comments"]
    assert (comment["author"], comment["text"]) == ("Élise", "À revoir")


def test_text_boxes_and_footnotes_follow_their_paragraph(tmp_path: Path) -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("Le montant est plafonné.")
    box = parse_xml(
        f'<w:r {nsdecls("w")}><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml">'
        "<v:textbox><w:txbxContent><w:p><w:r><w:t>Dans la boîte.</w:t></w:r></w:p>"
        "</w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
    )
    paragraph._p.append(box)
    call = parse_xml(f'<w:r {nsdecls("w")}><w:footnoteReference w:id="2"/></w:r>')
    paragraph._p.append(call)
    file.add_paragraph("La suite.")
    path = saved(file, tmp_path)
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:t>Arrêté du 3 mars.'
        "</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    add_part(path, "footnotes", notes)
    assert lines(document(path)) == [
        ("paragraph", 0, "Le montant est plafonné."),
        ("paragraph", 0, "Dans la boîte."),
        ("note", 0, "Note 1 : Arrêté du 3 mars."),
        ("paragraph", 0, "La suite."),
    ]


def test_a_text_box_in_a_cell_is_said_once(tmp_path: Path) -> None:
    file = docx.Document()
    made = file.add_table(1, 2)
    made.cell(0, 0).text, made.cell(0, 1).text = "a", "b"
    content = "<w:txbxContent><w:p><w:r><w:t>boîte</w:t></w:r></w:p></w:txbxContent>"
    drawn = parse_xml(
        f'<w:r {nsdecls("w")} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:AlternateContent><mc:Choice><w:drawing>{content}</w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict>{content}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    made.cell(0, 0).paragraphs[0]._p.append(drawn)
    file.sections[0].header.paragraphs[0]._p.append(copy.deepcopy(drawn))
    found = document(saved(file, tmp_path))
    assert found.text == "a | b\n\nboîte"
    assert found.metadata["running_headers"] == ["boîte"]


def add_part(path: Path, kind: str, xml: str) -> None:
    """Put a part related to the main one into a package."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    relations = "word/_rels/document.xml.rels"
    address = f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"
    relation = f'<Relationship Id="rNew" Type="{address}" Target="{kind}.xml"/></Relationships>'
    parts[relations] = parts[relations].replace(b"</Relationships>", relation.encode())
    parts[f"word/{kind}.xml"] = xml.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_numbers_of_legal_outlines(tmp_path: Path) -> None:
    file = docx.Document()
    levels = "".join(
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="1"/><w:numFmt w:val="{style}"/>'
        f'<w:lvlText w:val="{pattern}"/></w:lvl>'
        for depth, style, pattern in (
            (0, "upperRoman", "Titre %1 –"),
            (1, "decimal", "Article %2."),
            (2, "lowerLetter", "%3)"),
        )
    )
    numbering = file.part.numbering_part.element
    abstract = parse_xml(
        f'<w:abstractNum {nsdecls("w")} w:abstractNumId="77">{levels}</w:abstractNum>'
    )
    numbering.insert(0, abstract)
    numbering.append(
        parse_xml(f'<w:num {nsdecls("w")} w:numId="77"><w:abstractNumId w:val="77"/></w:num>')
    )
    for depth, text in ((0, "Objet"), (1, "But"), (2, "un"), (2, "deux"), (1, "Siège"), (0, "Fin")):
        properties = file.add_paragraph(text)._p.get_or_add_pPr()
        properties.append(
            parse_xml(
                f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{depth}"/><w:numId w:val="77"/></w:numPr>'
            )
        )
    assert [text for _, _, text in lines(document(saved(file, tmp_path)))] == [
        "Titre I – Objet",
        "Article 1. But",
        "a) un",
        "b) deux",
        "Article 2. Siège",
        "Titre II – Fin",
    ]


def test_a_scan_in_a_word_processor_gives_its_images(tmp_path: Path) -> None:
    from PIL import Image

    image = tmp_path / "page.png"
    Image.new("RGB", (40, 60), "white").save(image)
    file = docx.Document()
    file.add_picture(str(image))
    result = read(saved(file, tmp_path))
    assert result.document is None
    assert [member.name for member in result.members] == ["image1.png"]


def test_macros_are_not_run(tmp_path: Path) -> None:
    file = docx.Document()
    file.add_paragraph("Bonjour.")
    path = saved(file, tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0")
    found = document(path)
    assert found.text == "Bonjour."
    assert codes(found) == {"scripts_ignored"}


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReadingError) as raised:
        read(saved(docx.Document(), tmp_path))
    assert raised.value.code == "empty"
