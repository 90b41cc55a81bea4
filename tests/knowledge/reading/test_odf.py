import zipfile
from pathlib import Path

import odfdo
import pytest

from chappe.knowledge.reading.model import ReadingError
from office_support import codes, document, lines, read, table

CONTENT = """<office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<office:automatic-styles>
<style:style style:name="cache" style:family="text">
<style:text-properties text:display="none"/></style:style>
<style:style style:name="blanc" style:family="text">
<style:text-properties fo:color="#ffffff"/></style:style>
<style:style style:name="fond" style:family="table-cell">
<style:table-cell-properties fo:background-color="#1f3864"/></style:style>
<style:style style:name="masquee" style:family="drawing-page">
<style:drawing-page-properties presentation:visibility="hidden"/></style:style>
<text:list-style style:name="L1">
<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
<text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/>
</text:list-style>
</office:automatic-styles><office:body>{}</office:body></office:document-content>"""


def package(folder: Path, kind: str, body: str, **parts: str) -> Path:
    path = folder / f"fichier.{kind[:3]}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", CONTENT.replace("{}", body))
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


def text(folder: Path, body: str, **parts: str) -> Path:
    return package(folder, "text", f"<office:text>{body}</office:text>", **parts)


def test_a_text_made_by_a_library(tmp_path: Path) -> None:
    file = odfdo.Document("text")
    file.body.clear()
    file.meta.title = "Règlement des congés"
    file.body.append(odfdo.Header(1, "Durée"))
    paragraph = odfdo.Paragraph("Le salarié a droit à 2,5 jours.")
    paragraph.insert_note(after="salarié", note_id="n1", citation="1", body="Ou l’agent.")
    paragraph.insert_annotation(after="droit", body="À revoir", creator="Élise")
    file.body.append(paragraph)
    file.body.append(odfdo.List(["un", "deux"]))
    made = odfdo.Table("T")
    made.set_values([["Service", "Agents"], ["Voirie", "12"]])
    file.body.append(made)
    path = tmp_path / "congés.odt"
    file.save(str(path))
    found = document(path)
    assert found.title == "Règlement des congés"
    assert lines(found) == [
        ("heading", 1, "1. Durée"),
        ("paragraph", 0, "Le salarié a droit à 2,5 jours."),
        ("note", 0, "Note 1 : Ou l’agent."),
        ("item", 1, "un"),
        ("item", 1, "deux"),
        ("row", 0, "Service | Agents"),
        ("row", 0, "Voirie | 12"),
    ]
    (comment,) = found.metadata["comments"]
    assert (comment["author"], comment["text"]) == ("Élise", "À revoir")


def test_numbers_of_nested_lists(tmp_path: Path) -> None:
    body = (
        '<text:list text:style-name="L1"><text:list-item><text:p>un</text:p><text:list>'
        "<text:list-item><text:p>dessous</text:p></text:list-item>"
        "<text:list-item><text:p>encore</text:p></text:list-item></text:list></text:list-item>"
        "<text:list-item><text:p>deux</text:p><text:p>suite de deux</text:p></text:list-item>"
        "</text:list>"
    )
    assert lines(document(text(tmp_path, body))) == [
        ("item", 1, "1. un"),
        ("item", 2, "a) dessous"),
        ("item", 2, "b) encore"),
        ("item", 1, "2. deux"),
        ("item", 1, "suite de deux"),
    ]


def test_what_is_not_seen_is_left_out(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>Rayé.</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
        '<text:p>Vu<text:s/>ici. <text:span text:style-name="cache">Caché. </text:span>'
        '<text:span text:style-name="blanc">Blanc. </text:span>Fin.</text:p>'
        '<text:section text:display="none"><text:p>Section cachée.</text:p></text:section>'
        "<text:table-of-content><text:index-body><text:p>Durée 1</text:p></text:index-body>"
        "</text:table-of-content>"
        '<table:table><table:table-row><table:table-cell table:style-name="fond"><text:p>'
        '<text:span text:style-name="blanc">Année</text:span></text:p></table:table-cell>'
        "<table:table-cell><text:p>2024</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = document(text(tmp_path, body, Basic__Standard__Module1_xml="<x/>"))
    assert found.text == "Vu ici. Fin.\n\nAnnée | 2024"
    assert found.metadata["hidden_text"] == ["Caché.", "Blanc.", "Section cachée."]
    assert codes(found) == {"hidden_left_out", "tracked_changes", "scripts_ignored"}


def test_frames_come_after_their_paragraph(tmp_path: Path) -> None:
    body = (
        "<text:p>Avant <draw:frame><draw:text-box><text:p>Encadré.</text:p></draw:text-box>"
        "</draw:frame>après.</text:p><text:p>Suite.</text:p>"
    )
    assert document(text(tmp_path, body)).text == "Avant après.\n\nEncadré.\n\nSuite."


def test_merged_cells(tmp_path: Path) -> None:
    body = (
        "<table:table><table:table-header-rows><table:table-row><table:table-cell "
        'table:number-columns-spanned="2"><text:p>Large</text:p></table:table-cell>'
        "<table:covered-table-cell/></table:table-row></table:table-header-rows><table:table-row>"
        '<table:table-cell table:number-rows-spanned="2"><text:p>Haut</text:p></table:table-cell>'
        "<table:table-cell><text:p>1</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:covered-table-cell/><table:table-cell><text:p>2</text:p>"
        "</table:table-cell></table:table-row></table:table>"
    )
    assert table(document(text(tmp_path, body))) == [
        ["Large", "Large"],
        ["Haut", "1"],
        ["Haut", "2"],
    ]


def test_slides(tmp_path: Path) -> None:
    frame = "<draw:frame {}><draw:text-box>{}</draw:text-box></draw:frame>"
    outline = (
        "<text:list><text:list-item><text:p>un</text:p><text:list><text:list-item>"
        "<text:p>dessous</text:p></text:list-item></text:list></text:list-item></text:list>"
    )
    notes = (
        '<presentation:notes><draw:frame presentation:class="notes"><draw:text-box>'
        "<text:p>À dire.</text:p></draw:text-box></draw:frame></presentation:notes>"
    )
    first = frame.format('presentation:class="outline"', outline)
    first += frame.format('presentation:class="title"', "<text:p>Le budget</text:p>")
    first += frame.format('presentation:class="footer"', "<text:p>Pied</text:p>")
    body = (
        f"<office:presentation><draw:page>{first}{notes}</draw:page>"
        '<draw:page draw:style-name="masquee">'
        f"{frame.format('', '<text:p>Masqué</text:p>')}</draw:page><draw:page>"
        f"{frame.format('', '<text:p>Fin</text:p>')}</draw:page></office:presentation>"
    )
    found = document(package(tmp_path, "presentation", body))
    assert lines(found) == [
        ("heading", 1, "Le budget"),
        ("item", 1, "un"),
        ("item", 2, "dessous"),
        ("note", 0, "À dire."),
        ("paragraph", 0, "Fin"),
    ]
    assert [found.text[p.start : p.end][:9] for p in found.pages] == ["Le budget", "", "Fin"]
    assert ("hidden_slide", 2) in {(issue.code, issue.page) for issue in found.issues}
    assert found.metadata["page_kind"] == "slide"


def test_an_encrypted_file_says_so(tmp_path: Path) -> None:
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<m:file-entry m:full-path="content.xml"><m:encryption-data/></m:file-entry></m:manifest>'
    )
    path = tmp_path / "secret.odt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", b"\x00\x12\x9f")
    with pytest.raises(ReadingError) as raised:
        read(path)
    assert raised.value.code == "encrypted"
