import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from chappe.knowledge.document import SourceDocument
from chappe.knowledge.sources.archive import SourceFormatError
from chappe.knowledge.sources.service_public import (
    FIRST_SUBJECT,
    count_sheets,
    parse_sheet,
    read_sheets,
    subjects,
)
from samples.build import fiches_archive, sheets


def parsed(sheet_id: str) -> SourceDocument:
    return parse_sheet(sheets()[sheet_id], sheet_id)


def block_texts(document: SourceDocument, *kinds: str) -> list[str]:
    return [document.text[b.start : b.end] for b in document.blocks if b.kind in kinds]


def changed(sheet_id: str, **values: Any) -> bytes:
    """A sample sheet whose root has other values."""
    content = json.loads(sheets()[sheet_id])
    content["children"][0].update(values)
    return json.dumps(content).encode()


def with_body(*children: Any) -> SourceDocument:
    """The question-answer sheet, with only these paragraphs' children in its body."""
    content = json.loads(sheets()["F90003"])
    root = content["children"][0]
    root["children"] = [c for c in root["children"] if c["name"] != "Texte"]
    paragraph = {"type": "element", "name": "Paragraphe", "children": list(children)}
    root["children"].append({"type": "element", "name": "Texte", "children": [paragraph]})
    return parse_sheet(json.dumps(content).encode(), "F90003")


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def inline(name: str, value: str) -> dict[str, Any]:
    return {"type": "element", "name": name, "children": [text(value)]}


# The archive


def test_every_sheet_comes_once_and_the_first_subject_first(tmp_path: Path) -> None:
    path = fiches_archive(tmp_path / "fiches.tgz")
    order = [item.external_id for item in read_sheets(path)]
    assert sorted(order) == sorted(sheets())
    first = [sheet_id for sheet_id in sheets() if FIRST_SUBJECT in subjects(sheets()[sheet_id])]
    assert order[: len(first)] == first
    assert "F90033" in first
    assert count_sheets(path) == len(order) == len(sheets())
    assert count_sheets(path, subject=FIRST_SUBJECT) == len(first)
    assert [item.external_id for item in read_sheets(path, first_only=True)] == first
    assert [item.external_id for item in read_sheets(path, first_subject=None)] == list(sheets())


def test_the_hash_changes_with_the_content_alone(tmp_path: Path) -> None:
    def hashes(path: Path) -> dict[str, str]:
        return {item.external_id: item.content_hash for item in read_sheets(path)}

    before = hashes(fiches_archive(tmp_path / "before.tgz"))
    other = sheets()["F90032"].replace(b"gratuit", b"payant")
    after = hashes(fiches_archive(tmp_path / "after.tgz", {"F90032": other, "F90030": None}))
    assert {k for k in before if before[k] != after.get(k)} == {"F90032", "F90030"}


def test_an_archive_without_sheets(tmp_path: Path) -> None:
    path = fiches_archive(tmp_path / "fiches.tgz", dict.fromkeys(sheets()))
    with pytest.raises(SourceFormatError, match="aucune fiche"):
        list(read_sheets(path))


def test_a_bad_sheet_is_named_and_does_not_hide_the_others(tmp_path: Path) -> None:
    path = fiches_archive(tmp_path / "fiches.tgz", {"F90002": b'{"id": "F90002", '})
    items = {item.external_id: item for item in read_sheets(path)}
    with pytest.raises(SourceFormatError, match=r"fiche F90002.*JSON illisible"):
        items["F90002"].parse()
    assert items["F90001"].parse().external_id == "F90001"


def without_title() -> bytes:
    content = json.loads(sheets()["F90003"])
    root = content["children"][0]
    root["children"] = [c for c in root["children"] if c["name"] != "dc:title"]
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "JSON illisible"),
        (b"[]", "racine"),
        (b'{"children": []}', "racine"),
        (b'{"children": [{"type": "text", "text": "a"}]}', "racine"),
        (b"[" * 200_000, "JSON illisible"),
        (b'{"id": "\xff"}', "JSON illisible"),
        (without_title(), "titre absent"),
        (changed("F90003", name="Autre"), "racine inconnue 'Autre'"),
        (changed("F90003", attributes={"ID": "F1"}), "identifiant 'F1'"),
        (changed("F90003", children=[3]), "ni un texte ni un élément"),
        (changed("F90003", children={"a": 1}), "ni un texte ni un élément"),
        (sheets()["F90003"].replace(b"2024-02-01", b"2024-13-01"), "date impossible"),
    ],
)
def test_what_is_not_a_sheet(raw: bytes, reason: str) -> None:
    with pytest.raises(SourceFormatError, match="fiche F90003 : ") as caught:
        parse_sheet(raw, "F90003")
    assert reason in str(caught.value)


# What describes a sheet


def test_description_of_a_sheet() -> None:
    document = parsed("F90001")
    assert document.kind == "fiche"
    assert document.title == "Refaire sa carte d'identité à l'âge adulte"
    assert document.url == "https://www.service-public.fr/particuliers/vosdroits/F90001"
    assert document.date == dt.date(2026, 3, 12)
    assert document.audience == "Particuliers"
    assert document.theme_path == ("Papiers - Citoyenneté", "Carte d'identité")
    assert document.metadata["type"] == "Fiche d'information conditionnée"
    assert document.metadata["subject"] == "Papiers - Citoyenneté"
    assert document.metadata["description"].startswith("Une carte d'identité se refait")


def test_description_of_a_form() -> None:
    document = parsed("R90021")
    assert document.kind == "service"
    assert document.url == "https://www.service-public.fr/particuliers/vosdroits/R90021"
    assert document.audience == "Particuliers, Professionnels"
    assert document.metadata["subject"] is None
    assert document.metadata["form_number"] == "99021*01"
    assert document.metadata["service_url"] == "https://formulaires.exemple.fr/90021"
    assert block_texts(document, "paragraph") == [
        "Formulaire cerfa n° 99021*01",
        "Permet de déclarer la perte d'une carte d'identité ou d'un passeport.",
        "Formulaire : Ministère d'exemple – https://formulaires.exemple.fr/90021",
    ]


def test_metadata_is_json() -> None:
    for sheet_id in sheets():
        metadata = parsed(sheet_id).metadata
        assert json.loads(json.dumps(metadata)) == metadata


# What a reader reads


def test_structure_of_a_sheet_with_situations_and_nested_cases() -> None:
    document = parsed("F90001")
    outline = [
        (b.kind, b.level, document.text[b.start : b.end])
        for b in document.blocks
        if b.kind in ("heading", "case")
    ]
    assert outline == [
        ("case", 1, "Vous habitez en France"),
        ("heading", 2, "Quand faire la demande ?"),
        ("heading", 2, "Pièces à fournir"),
        ("case", 3, "Votre carte est encore valable ou périmée depuis moins de 5 ans"),
        ("case", 3, "Votre carte est périmée depuis plus de 5 ans"),
        ("case", 4, "Vous avez un passeport"),
        ("case", 4, "Vous n'avez pas de passeport"),
        ("heading", 2, "Coût"),
        ("heading", 3, "Tarif selon la situation"),
        ("case", 1, "Vous habitez à l'étranger"),
        ("heading", 2, "Où déposer la demande ?"),
        ("heading", 1, "Où s'adresser ?"),
        ("heading", 1, "Services en ligne et formulaires"),
        ("heading", 1, "Définitions"),
        ("heading", 2, "Justificatif de domicile"),
        ("heading", 1, "Références"),
    ]


def test_a_warning_opens_the_sheet_and_notes_keep_their_label() -> None:
    assert block_texts(parsed("F90001"), "note") == [
        "Délais de rendez-vous : En début d'année, certaines mairies donnent un rendez-vous à plus "
        "de 30 jours.",
        "Attention : une carte délivrée entre le 1er janvier 2004 et le 31 décembre 2013 à une "
        "personne majeure reste valable 5 ans de plus, sans démarche de sa part.",
        "À savoir : pour faire inscrire un nom d'usage, ajoutez dans tous les cas l'acte qui le "
        "prouve.",
    ]


def test_text_after_the_cases_says_which_section_it_belongs_to() -> None:
    document = parsed("F90001")
    after = {document.text[b.start : b.start + 8]: b.within for b in document.blocks if b.within}
    assert after == {"À savoir": 2, "CNI : Ca": 1}
    assert [b.within for b in parsed("F90002").blocks if b.kind == "note"] == [0]


def test_a_table_repeats_a_cell_that_covers_several_rows() -> None:
    assert block_texts(parsed("F90001"), "row") == [
        "Motif | Prix",
        "Ancienne carte rendue | Gratuit pour un majeur",
        "Ancienne carte rendue | Gratuit pour un mineur",
        "Carte perdue ou volée | 25 € en timbres fiscaux",
    ]


def test_nested_lists() -> None:
    document = parsed("F90033")
    items = [(b.level, document.text[b.start : b.end]) for b in document.blocks if b.kind == "item"]
    assert items[:4] == [
        (1, "certificat du médecin ou de la sage-femme,"),
        (1, "livret de famille, s'il existe :"),
        (2, "celui du couple marié,"),
        (2, "ou celui du parent seul."),
    ]


def test_services_and_places_are_said_with_their_address() -> None:
    document = parsed("F90002")
    assert block_texts(document, "item") == [
        "Formulaire : Déclaration de perte de papiers d'identité (cerfa n° 99021*01) – Ministère "
        "d'exemple – https://formulaires.exemple.fr/90021",
        "Notice : Notice pour remplir la déclaration – https://formulaires.exemple.fr/notice",
    ]
    assert (
        "Où s'adresser : Mairie équipée d'un dispositif de recueil – "
        "https://rendezvous.exemple.fr/mairies" in block_texts(parsed("F90001"), "item")
    )


def test_a_service_named_in_a_chapter_is_not_said_again_at_the_end() -> None:
    content = json.loads(sheets()["F90002"])
    root = content["children"][0]
    body = next(c for c in root["children"] if c["name"] == "Texte")
    service = next(c for c in body["children"] if c["name"] == "ServiceEnLigne")
    root["children"].append(copy.deepcopy(service))
    document = parse_sheet(json.dumps(content).encode(), "F90002")
    assert document.text == parsed("F90002").text


@pytest.mark.parametrize("sheet_id", sorted(sheets()))
def test_navigation_and_variables_are_not_text(sheet_id: str) -> None:
    body = parsed(sheet_id).text
    for hidden in (
        "navigation", "Encore un lien", "T10576", "mairie_test", "Accueil", "**", "Auteur inconnu",
        "Choix intérieur", "Canal", "www.service-public.fr", "Exemple de Chappe",
    ):  # fmt: skip
        assert hidden not in body


def test_lists_of_sheets_and_guided_searches() -> None:
    folder = parsed("N90010")
    assert block_texts(folder, "heading", "item") == [
        "Pour un adulte",
        "Refaire sa carte d'identité",
        "Durée de validité",
    ]
    guided = parsed("F90034")
    assert guided.title == "Guide interne"
    assert guided.text == "Guide interne\n\nDemande en France\nDemande à l'étranger"


def test_images_are_read_by_their_description() -> None:
    assert block_texts(parsed("F90032"), "paragraph")[1] == (
        "Illustration : Étiquette à coller – Carte grise avec l'étiquette de la nouvelle adresse"
    )


def test_a_sheet_without_body_has_its_description_as_text() -> None:
    content = json.loads(sheets()["F90003"])
    root = content["children"][0]
    root["children"] = [c for c in root["children"] if c["name"] != "Texte"]
    document = parse_sheet(json.dumps(content).encode(), "F90003")
    assert document.text == "Une carte d'identité est valable 10 ans."


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([text("le "), inline("LienInterne", "RSA"), text("ou la prime")], "le RSA ou la prime"),
        ([text("le 1"), inline("Exposant", "er"), text(" mai")], "le 1er mai"),
        ([text("du CO"), inline("Indice", "2")], "du CO2"),
        ([inline("LienInterne", "indemnité"), text("s.")], "indemnités."),
        ([inline("LienInterne", "CDD"), text("d'un an")], "CDD d'un an"),
        ([inline("MiseEnEvidence", "3 jours"), inline("LienIntra", "francs")], "3 jours francs"),
        ([text("soit"), inline("Valeur", "25 €")], "soit 25 €"),
        ([inline("LienExterne", "en ligne"), text("\n\n. Sinon")], "en ligne. Sinon"),
        ([text("papiers, clés ...")], "papiers, clés ..."),
    ],
)  # fmt: skip
def test_spaces_between_inline_elements(children: list[Any], expected: str) -> None:
    assert with_body(*children).text == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"name": "dc:subject", "children": [{"type": "text", "text": "A, B"}]}', ("A", "B")),
        (b'{"name":"dc:subject","children":[{"text":"\\u00c9tat","type":"text"}]}', ("État",)),
        (b'{"name": "dc:title"}', ()),
    ],
)
def test_subjects_are_found_without_parsing(raw: bytes, expected: tuple[str, ...]) -> None:
    assert subjects(raw) == expected


def test_all_that_a_service_says_is_kept() -> None:
    def element(name: str, *children: Any, **attributes: str) -> dict[str, Any]:
        return {
            "type": "element", "name": name, "attributes": attributes, "children": list(children)
        }  # fmt: skip

    chapter = element(
        "Chapitre", inline("Titre", "Par courrier"), inline("Paragraphe", "1 rue du Guichet")
    )
    place = element(
        "OuSAdresser", inline("Titre", "Guichet"), element("Texte", chapter), ID="R1", type="Local"
    )
    annex = element(
        "ServiceEnLigneAnnexe",
        inline("Titre", "Certificat"),
        element("Texte", inline("Paragraphe", "À joindre à la demande")),
        type="Formulaire",
        numerocerfa="99022*01",
    )
    service = element("ServiceEnLigne", inline("Titre", "Demande"), annex, type="Téléservice")
    content = json.loads(sheets()["F90003"])
    content["children"][0]["children"] += [place, service]
    document = parse_sheet(json.dumps(content).encode(), "F90003")
    written = [
        (b.kind, b.level, document.text[b.start : b.end])
        for b in document.blocks
        if b.kind != "paragraph"
    ]
    assert written == [
        ("heading", 1, "Où s'adresser ?"),
        ("item", 1, "Où s'adresser : Guichet"),
        ("item", 2, "Par courrier"),
        ("item", 2, "1 rue du Guichet"),
        ("heading", 1, "Services en ligne et formulaires"),
        ("item", 1, "Téléservice : Demande"),
        ("item", 2, "Formulaire : Certificat (cerfa n° 99022*01)"),
        ("item", 3, "À joindre à la demande"),
    ]
