"""Web pages, Markdown, plain text, books."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.html import compose
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import parse_html
from chappe.knowledge.reading.model import ReadingError
from office_support import codes, document, lines, read, table

PAGE = """<!doctype html><html lang="fr"><head><title>Cantine | Ville d’Évry</title>
<meta name="author" content="Mairie"><style>.cache, #x { display: none } p { color: black }</style>
<script>document.write("jamais")</script></head><body>
<header><nav><ul><li>Accueil</li></ul></nav></header>
<main><h1>Cantine scolaire</h1><p>Le repas coûte <b>3,50</b> €<sup>TTC</sup>.<br>Deuxième ligne.</p>
<p class="cache">Caché par sa classe.</p><p id="x">Caché par son nom.</p>
<p>Vu <span style="font-size:0">zéro </span><span style="color:#FFF">blanc </span>et fini.</p>
<p style="background:#000080"><span style="color:white">Blanc sur bleu.</span></p>
<!-- commentaire --><ol start="3"><li>trois<ul><li>sous-puce</li></ul></li>
<li value="7">sept</li></ol>
<table><caption>Tarifs</caption><tr><th colspan="2">Tranche</th><th>Prix</th></tr>
<tr><td rowspan="2">A</td><td>enfant</td><td>1 €</td></tr>
<tr><td>adulte</td><td>2 €</td></tr></table>
<h2>Contact</h2><dl><dt>Téléphone</dt><dd>01 02 03 04 05</dd></dl>
<form><label>Nom</label><input value="jamais"><button>Envoyer</button></form></main>
<footer>Mentions légales</footer></body></html>"""


def test_a_web_page(tmp_path: Path) -> None:
    path = tmp_path / "cantine.html"
    path.write_text(PAGE, encoding="utf-8")
    found = document(path)
    assert found.title == "Cantine | Ville d’Évry"
    assert lines(found) == [
        ("heading", 1, "Cantine scolaire"),
        ("paragraph", 0, "Le repas coûte 3,50 €TTC. Deuxième ligne."),
        ("paragraph", 0, "Vu et fini."),
        ("paragraph", 0, "Blanc sur bleu."),
        ("item", 1, "3. trois"),
        ("item", 2, "sous-puce"),
        ("item", 1, "7. sept"),
        ("paragraph", 0, "Tarifs"),
        ("row", 0, "Tranche | Prix"),
        ("row", 0, "A | enfant | 1 €"),
        ("row", 0, "A | adulte | 2 €"),
        ("heading", 2, "Contact"),
        ("item", 1, "Téléphone"),
        ("item", 2, "01 02 03 04 05"),
        ("paragraph", 0, "Nom"),
    ]
    assert found.metadata["language"] == "fr" and found.metadata["author"] == "Mairie"
    assert found.metadata["hidden_text"] == [
        "Caché par sa classe.", "Caché par son nom.", "zéro", "blanc",
    ]  # fmt: skip
    assert codes(found) == {"hidden_left_out"}


def test_a_page_of_an_old_site(tmp_path: Path) -> None:
    path = tmp_path / "vieux.htm"
    page = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">'
        "<body><table><tr><td><font color=white>menu</font><td><h1>Œuvres &amp; crédits à l’école"
        "</h1><p>Coût : 5 €</table>"
    )
    path.write_bytes(page.encode("cp1252"))
    assert lines(document(path)) == [
        ("heading", 1, "Œuvres & crédits à l’école"),
        ("paragraph", 0, "Coût : 5 €"),
    ]


def test_a_page_nested_as_deep_as_browsers_allow(tmp_path: Path) -> None:
    path = tmp_path / "profond.html"
    path.write_text("<html>" + "<div>" * 500 + "au fond" + "</div>" * 500 + "<p>après")
    assert document(path).text == "au fond\n\naprès"
    path.write_text("<html>" + "<div>" * 100_000 + "au fond")
    with pytest.raises(ReadingError) as raised:
        read(path)
    assert raised.value.code == "broken"


@given(st.text(alphabet=st.sampled_from("<>/tdrpulihb1= \"'&;é!-x"), max_size=120))
def test_any_soup_is_read_or_refused(soup: str) -> None:
    composer = Composer(Limits())
    try:
        compose(composer, parse_html(f"<body>{soup}"))
    except ReadingError:
        return
    found = composer.document("", "text/html")
    position = 0
    for block in found.blocks:
        assert not found.text[position : block.start].strip()
        position = block.end


MARKDOWN = """---
title: "Guide des congés"
auteur: Mairie
---
# Durée

Le salarié a *droit* à [2,5 jours](https://exemple.fr). <b>Gras</b><!-- caché -->

1. un
   - dessous
2. deux

| Service | Agents |
|---------|-------:|
| Voirie  | 12     |

<script>alert(1)</script>

> Une citation.
"""


def test_markdown(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(MARKDOWN, encoding="utf-8")
    found = document(path)
    assert found.title == "Guide des congés"
    assert found.metadata == {"auteur": "Mairie"}
    assert lines(found) == [
        ("heading", 1, "Durée"),
        ("paragraph", 0, "Le salarié a droit à 2,5 jours. Gras"),
        ("item", 1, "1. un"),
        ("item", 2, "dessous"),
        ("item", 1, "2. deux"),
        ("row", 0, "Service | Agents"),
        ("row", 0, "Voirie | 12"),
        ("paragraph", 0, "Une citation."),
    ]
    assert table(found)[1] == ["Voirie", "12"]


def test_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text(
        "Note de service\n\nUne phrase qui\ncontinue ici :\n- premier\n  suite du premier\n"
        "- second\n    - dessous\n\n2024. est une année.\n\n1) un\n2) deux\n",
        encoding="utf-8",
    )
    assert lines(document(path)) == [
        ("paragraph", 0, "Note de service"),
        ("paragraph", 0, "Une phrase qui continue ici :"),
        ("item", 1, "premier suite du premier"),
        ("item", 1, "second"),
        ("item", 2, "dessous"),
        ("paragraph", 0, "2024. est une année."),
        ("item", 1, "1) un"),
        ("item", 1, "2) deux"),
    ]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
def test_what_is_too_long_is_cut_and_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("<html>" * name.endswith("l") + "élève ; classe\n" * 1_000, encoding="utf-8")
    found = document(path, limits=Limits(text_chars=1_000))
    assert 500 < len(found.text) <= 1_000
    assert [(issue.code, issue.loss) for issue in found.issues] == [("truncated", True)]


FRENCH = [
    "Où déposer sa déclaration à la mairie ? « L’été » coûte 5 €.",
    "École élémentaire d’Évry : œuvre, naïf, Noël, ambiguë.",
    "prénom;nom\nRené;Lefèvre",
    "L’ÉTÉ À LA CAMPAGNE",
]


@pytest.mark.parametrize("sentence", FRENCH)
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "cp1252", "mac_roman", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
def test_encodings_of_french(sentence: str, encoding: str) -> None:
    assert decode(sentence.encode(encoding)) == sentence


@pytest.mark.parametrize("encoding", ["latin-1", "iso8859-15", "cp850"])
def test_older_encodings_of_french(encoding: str) -> None:
    sentence = "La délibération a été adoptée à l'unanimité, où l'élève paraît."
    assert decode(sentence.encode(encoding)) == sentence


@pytest.mark.parametrize(
    ("sentence", "encoding"),
    [
        ("Здравствуйте, как у вас дела сегодня? Это проверка.", "cp1251"),
        ("Ελληνικά κείμενο για δοκιμή της κωδικοποίησης", "cp1253"),
    ],
)
def test_encodings_of_other_languages(sentence: str, encoding: str) -> None:
    assert decode(sentence.encode(encoding)) == sentence


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        assert isinstance(decode(data), str)
    except ReadingError as error:
        assert error.code == "unsupported"


def book(folder: Path, chapters: dict[str, str], **parts: str) -> Path:
    path = folder / "livre.epub"
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>'
        for name in chapters
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in chapters)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/livre.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "OEBPS/livre.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<metadata><dc:title>Guide du citoyen</dc:title><dc:creator>Mairie</dc:creator>"
            f"<dc:language>fr</dc:language></metadata><manifest>{items}</manifest>"
            f"<spine>{spine}</spine></package>",
        )
        for name, content in chapters.items():
            archive.writestr(
                f"OEBPS/{name}.xhtml",
                '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>'
                f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{content}</body></html>',
            )
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/"), data)
    return path


def test_a_book(tmp_path: Path) -> None:
    path = book(tmp_path, {"b": "<h1>Voter</h1><p>Dès 18 ans.</p>", "a": "<h1>Élire</h1><p>Ici."})
    found = document(path)
    assert found.title == "Guide du citoyen"
    assert found.text == "Voter\n\nDès 18 ans.\n\nÉlire\n\nIci."
    assert found.metadata["author"] == "Mairie"


def test_a_protected_book_says_so(tmp_path: Path) -> None:
    protection = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData><e:EncryptionMethod '
        'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e:EncryptedData></encryption>'
    )
    path = book(tmp_path, {"a": "<p>x</p>"}, **{"META-INF__encryption.xml": protection})
    with pytest.raises(ReadingError) as raised:
        read(path)
    assert raised.value.code == "encrypted"
