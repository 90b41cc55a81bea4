import copy
from pathlib import Path

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.presentation import Presentation as Show
from pptx.util import Inches, Pt

from office_support import codes, document, lines, table


def saved(show: Show, folder: Path) -> Path:
    path = folder / "présentation.pptx"
    show.save(str(path))
    return path


def test_slides(tmp_path: Path) -> None:
    show = Presentation()
    show.core_properties.author = "Élise"
    cover = show.slides.add_slide(show.slide_layouts[0])
    cover.shapes.title.text = "Budget 2024"
    cover.placeholders[1].text = "Commission des finances"
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Dépenses"
    frame = slide.placeholders[1].text_frame
    frame.text = "Personnel"
    below = frame.add_paragraph()
    below.text, below.level = "dont saisonniers", 1
    made = slide.shapes.add_table(2, 3, Inches(1), Inches(4), Inches(6), Inches(1)).table
    for column, text in enumerate(("Poste", "2023", "2024")):
        made.cell(0, column).text = text
    made.cell(1, 0).text = "Total"
    made.cell(1, 1).merge(made.cell(1, 2))
    made.cell(1, 1).text = "12"
    slide.notes_slide.notes_text_frame.text = "Rappeler le vote de mars."
    found = document(saved(show, tmp_path))
    assert found.title == "Budget 2024"
    assert lines(found) == [
        ("heading", 1, "Budget 2024"),
        ("paragraph", 0, "Commission des finances"),
        ("heading", 1, "Dépenses"),
        ("item", 1, "Personnel"),
        ("item", 2, "dont saisonniers"),
        ("row", 0, "Poste | 2023 | 2024"),
        ("row", 0, "Total | 12"),
        ("note", 0, "Rappeler le vote de mars."),
    ]
    assert table(found)[1] == ["Total", "12", "12"]
    assert [(page.number, page.width, page.height) for page in found.pages] == [
        (1, 720.0, 540.0),
        (2, 720.0, 540.0),
    ]
    second = found.pages[1]
    assert found.text[second.start : second.end].startswith("Dépenses")
    assert found.metadata["page_kind"] == "slide"
    assert found.metadata["author"] == "Élise"


def test_what_is_not_seen_is_left_out(tmp_path: Path) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    box.text_frame.text = "Vu. "
    run = box.text_frame.paragraphs[0].add_run()
    run.text, run.font.size = "Minuscule.", Pt(1)
    secret = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    secret.text_frame.text = "Forme masquée."
    secret._element.nvSpPr.cNvPr.set("hidden", "1")
    hidden = show.slides.add_slide(show.slide_layouts[5])
    hidden.shapes.title.text = "Diapositive masquée"
    hidden._element.set("show", "0")
    found = document(saved(show, tmp_path))
    assert found.text == "Vu."
    assert found.metadata["hidden_text"] == ["Minuscule.", "Forme masquée.", "Diapositive masquée"]
    assert codes(found) == {"hidden_slide", "hidden_left_out"}
    assert len(found.pages) == 2


def test_numbered_paragraphs_and_groups(tmp_path: Path) -> None:
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[6])
    group = slide.shapes.add_group_shape()
    box = group.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
    frame = box.text_frame
    for index, text in enumerate(("déposer", "signer")):
        paragraph = frame.paragraphs[0] if not index else frame.add_paragraph()
        paragraph.text = text
        properties = paragraph._p.get_or_add_pPr()
        numbered = properties.makeelement(
            "{http://schemas.openxmlformats.org/drawingml/2006/main}buAutoNum",
            {"type": "alphaLcParenR"},
        )
        properties.append(copy.copy(numbered))
    assert lines(document(saved(show, tmp_path))) == [
        ("item", 1, "a) déposer"),
        ("item", 1, "b) signer"),
    ]


def test_white_text_is_hidden_on_a_bare_slide_only(tmp_path: Path) -> None:
    show = Presentation()
    for filled in (False, True):
        slide = show.slides.add_slide(show.slide_layouts[6])
        box = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
        box.text_frame.text = "Vu. "
        run = box.text_frame.paragraphs[0].add_run()
        run.text = "Blanc."
        run.font.color.rgb = RGBColor(255, 255, 255)
        if filled:
            box.fill.solid()
            box.fill.fore_color.rgb = RGBColor(0, 0, 128)
    found = document(saved(show, tmp_path))
    assert found.text == "Vu.\n\nVu. Blanc."
    assert found.metadata["hidden_text"] == ["Blanc."]
