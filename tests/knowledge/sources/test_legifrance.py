import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from chappe.knowledge.document import SourceDocument
from chappe.knowledge.sources.archive import SourceFormatError
from chappe.knowledge.sources.law_html import MAX_HTML_CHARS
from chappe.knowledge.sources.legifrance import read_articles
from samples.build import SAMPLE_CODE_ID, code, legi_archive


@pytest.fixture
def articles(tmp_path: Path) -> dict[str, SourceDocument]:
    """The sample code's articles, by number."""
    items = read_articles(legi_archive(tmp_path / "legi.tgz"), SAMPLE_CODE_ID)
    documents = [item.parse() for item in items]
    assert [item.external_id for item in items] == [d.external_id for d in documents]
    return {document.metadata["number"]: document for document in documents}


def blocks(document: SourceDocument) -> list[tuple[str, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


def one_article(tmp_path: Path, **values: Any) -> SourceDocument:
    """An article of a code that has no other."""
    content = json.loads(code())
    article = content["children"][0]["children"][0]
    article["data"].update(values)
    content["children"] = [article]
    path = legi_archive(tmp_path / "one.tgz", content=json.dumps(content).encode())
    (item,) = read_articles(path, SAMPLE_CODE_ID)
    return item.parse()


def test_articles_in_the_order_of_the_code(articles: dict[str, SourceDocument]) -> None:
    assert list(articles) == [
        "L100-1", "L100-2", "L111-1", "L111-2", "L112-1", "R*112-9-1", "R112-10", "D1142-2-1",
        "LO120-1", "L120-2 A", "R120-3", "L121-1", "Annexe I",
    ]  # fmt: skip


def test_description_of_an_article(articles: dict[str, SourceDocument]) -> None:
    document = articles["L100-2"]
    assert document.external_id == "LEGIARTI000098000002"
    assert document.kind == "article"
    assert document.title == "Article L100-2 – Code des démarches d'exemple"
    assert document.url == "https://www.legifrance.gouv.fr/codes/article_lc/LEGIARTI000099000002"
    assert document.date == dt.date(2016, 10, 9)
    assert document.audience is None
    assert document.theme_path == ("Code des démarches d'exemple", "Dispositions préliminaires")
    assert document.metadata == {
        "code": "Code des démarches d'exemple",
        "code_id": SAMPLE_CODE_ID,
        "number": "L100-2",
        "state": "VIGUEUR",
        "version_start": "2016-10-09",
        "version_end": None,
        "nota": None,
        "article_id": "LEGIARTI000099000002",
    }


def test_section_path_is_the_whole_of_it(articles: dict[str, SourceDocument]) -> None:
    assert articles["R*112-9-1"].theme_path == (
        "Code des démarches d'exemple",
        "Livre Ier : Les demandes",
        "Titre Ier : Dépôt des demandes",
        "Chapitre Ier : Accusé de réception",
    )


@pytest.mark.parametrize(
    ("number", "title"),
    [
        ("R*112-9-1", "Article R*112-9-1"),
        ("D1142-2-1", "Article D1142-2-1"),
        ("LO120-1", "Article LO120-1"),
        ("L120-2 A", "Article L120-2 A"),
        ("Annexe I", "Annexe I"),
    ],
)
def test_titles(articles: dict[str, SourceDocument], number: str, title: str) -> None:
    assert articles[number].title == f"{title} – Code des démarches d'exemple"


def test_states_and_dates_of_versions(articles: dict[str, SourceDocument]) -> None:
    repealed = articles["L112-1"].metadata
    assert (repealed["state"], repealed["version_end"]) == ("ABROGE", "2025-01-01")
    later = articles["L120-2 A"].metadata
    assert (later["state"], later["version_end"]) == ("ABROGE_DIFF", "2029-01-01")


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (1475971200000, dt.date(2016, 10, 9)),
        (0, dt.date(1970, 1, 1)),
        (-315619200000, dt.date(1960, 1, 1)),
        (32472144000000, None),
        (7957094400000, None),
        (None, None),
    ],
)
def test_dates(tmp_path: Path, milliseconds: int | None, expected: dt.date | None) -> None:
    assert one_article(tmp_path, dateDebut=milliseconds).date == expected


def test_paragraphs_and_numbered_items(articles: dict[str, SourceDocument]) -> None:
    assert blocks(articles["L111-1"]) == [
        ("paragraph", 0, "Toute demande fait l'objet d'un accusé de réception."),
        ("paragraph", 0, "Cette règle n'est pas applicable :"),
        ("item", 1, "1° Aux demandes abusives ;"),
        ("item", 1, "2° Aux demandes auxquelles il est répondu sur place :"),
        ("item", 2, "a) Au guichet ;"),
        ("item", 2, "b) Par téléphone."),
        ("paragraph", 0, "Un décret fixe les modalités d'application du présent article."),
    ]


def test_lists(articles: dict[str, SourceDocument]) -> None:
    document = articles["R112-10"]
    assert [kind for kind, _, _ in blocks(document)] == ["paragraph", "item", "item", "item"]
    assert document.metadata["nota"].endswith("entrent en vigueur le 1er mars 2020.")
    assert "Conformément" not in document.text


def test_tables(articles: dict[str, SourceDocument]) -> None:
    assert blocks(articles["D1142-2-1"]) == [
        ("paragraph", 0, "Les droits sont fixés ainsi :"),
        ("row", 0, "Démarche | Droit"),
        ("row", 0, "Copie d'un acte | Papier : 2 €"),
        ("row", 0, "Copie d'un acte | Électronique : gratuit"),
        ("row", 0, "Les mineurs ne paient rien"),
        ("paragraph", 0, "Ils sont révisés chaque année."),
    ]


def test_links_and_exponents_are_read_in_line(articles: dict[str, SourceDocument]) -> None:
    assert "par l'autorité compétente." in articles["L111-2"].text
    assert articles["LO120-1"].text.endswith("au 1er janvier.")


def test_an_article_without_text_has_its_note(articles: dict[str, SourceDocument]) -> None:
    document = articles["R120-3"]
    assert blocks(document) == [("note", 0, "Article transféré par le décret d'exemple.")]
    assert document.metadata["empty"] is True


def test_an_article_without_anything(tmp_path: Path) -> None:
    document = one_article(tmp_path, texteHtml="<p> </p>", texte="", nota="", num="", etat=None)
    assert (document.text, document.blocks) == ("", ())
    assert document.metadata["empty"] is True
    assert document.title == "Article LEGIARTI000099000001 – Code des démarches d'exemple"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("Texte sans balise &amp; simple", ["Texte sans balise & simple"]),
        ("<p>Non fermé<p>Suivant", ["Non fermé", "Suivant"]),
        ("</p></td></table>Fin", ["Fin"]),
        ("<p>a<script>alert(1)</script>b</p>", ["ab"]),
        ("<p>1 &lt; 2 <!-- caché --> et 3</p>", ["1 < 2 et 3"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>", ["a | b", "c"]),
        ("<table><td>sans ligne</table>", ["sans ligne"]),
        ("<table><tr><td>a<table><tr><td>b</td></tr></table></td></tr></table>", ["a", "b"]),
        ("<table><tr><td>jamais fermé", ["jamais fermé"]),
        ("<table><tr><td rowspan='999999999'>a</td><td>b</td></tr></table>", ["a | b"]),
        ("<table><tr><td colspan='-1'>a</td><td colspan='x'>b</td></tr></table>", ["a | b"]),
        ("<table>Légende<tr><td>a</td></tr></table>", ["Légende", "a"]),
    ],
)
def test_odd_html_is_read_like_a_browser_would(
    tmp_path: Path, html: str, expected: list[str]
) -> None:
    document = one_article(tmp_path, texteHtml=html)
    assert [text for _, _, text in blocks(document)] == expected


def test_a_text_beyond_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match=r"LEGIARTI000099000001.*trop long"):
        one_article(tmp_path, texteHtml="a" * (MAX_HTML_CHARS + 1))


def test_the_hash_follows_the_content_and_the_place(tmp_path: Path) -> None:
    def hashes(content: dict[str, Any]) -> dict[str, str]:
        path = legi_archive(tmp_path / "h.tgz", content=json.dumps(content).encode())
        return {i.external_id: i.content_hash for i in read_articles(path, SAMPLE_CODE_ID)}

    before = json.loads(code())
    after = json.loads(code())
    preliminary = after["children"][0]["children"]
    preliminary[0]["data"]["texteHtml"] = "<p>Autre texte.</p>"
    preliminary[1]["data"]["lienModifications"] = [{"textCid": "JORFTEXT000000000001"}]
    after["children"][-1]["data"]["title"] = "Annexes de la partie réglementaire"
    old, new = hashes(before), hashes(after)
    assert {k for k in old if old[k] != new[k]} == {
        "LEGIARTI000099000001",
        "LEGIARTI000099000013",
    }


def test_an_unknown_code(tmp_path: Path) -> None:
    path = legi_archive(tmp_path / "legi.tgz")
    with pytest.raises(SourceFormatError, match="LEGITEXT000031366350 n'y est pas"):
        read_articles(path, "LEGITEXT000031366350")
    with pytest.raises(SourceFormatError, match="identifiant de code refusé"):
        read_articles(path, "../index")


def test_the_sample_can_stand_for_another_code(tmp_path: Path) -> None:
    path = legi_archive(tmp_path / "legi.tgz", "LEGITEXT000031366350")
    assert len(read_articles(path, "LEGITEXT000031366350")) == 13


def repeated() -> bytes:
    content = json.loads(code())
    content["children"].append(content["children"][0])
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "LEGITEXT000099000001"),
        (b"[1]", "ni un code"),
        (b'{"type": "livre", "data": {}, "children": []}', "type inconnu 'livre'"),
        (b'{"type": "code", "data": {}, "children": {"a": 1}}', "sans liste"),
        (b'{"type": "article", "data": {"id": "A"}}', "sans identifiant commun"),
        (b'{"type":"code","data":{},"children":[' * 5000, "LEGITEXT000099000001"),
        (repeated(), "présent deux fois"),
    ],
)
def test_what_is_not_a_code(tmp_path: Path, content: bytes, reason: str) -> None:
    path = legi_archive(tmp_path / "legi.tgz", content=content)
    with pytest.raises(SourceFormatError, match=reason):
        read_articles(path, SAMPLE_CODE_ID)


@pytest.mark.parametrize(
    "values", [{"dateDebut": "hier"}, {"id": None}, {"num": 3}, {"dateFin": 10**30}]
)
def test_a_bad_article_is_named(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(SourceFormatError, match="article LEGIARTI000099000001"):
        one_article(tmp_path, **values)
