"""Sheets on labour law, in the shape of the ministry's package; the contents are invented."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from chappe.knowledge.sources.archive import SourceFormatError
from chappe.knowledge.sources.travail import read_labour_sheets
from samples.build import pack

LABOUR = "LEGITEXT000006072050"


def sheet(**changes: Any) -> dict[str, Any]:
    """A sheet as the package has it."""
    return {
        "pubId": "article999001",
        "title": "Le congé pour apprendre à jongler",
        "date": "05/03/2026",
        "description": "Un congé d'exemple.",
        "url": "https://travail.exemple.fr/jongler",
        "intro": "<p>Tout salarié peut demander un <strong>congé pour jongler</strong>.</p>",
        "sections": [
            {
                "anchor": "",
                "title": "Le congé pour apprendre à jongler",
                "description": "",
                "text": "",
                "html": "<p>Il est de <strong>3 jours</strong> par an.</p>",
                "references": {},
            },
            {
                "anchor": "demande",
                "title": "Comment le demander ?",
                "description": "",
                "text": "",
                "html": "<h3>Le délai</h3><p>La demande est faite 1<sup>er</sup> du mois.</p>"
                "<ul><li>par lettre<ul><li>recommandée</li></ul></li></ul>"
                "<button>Imprimer</button>"
                "<table><tr><th>Ancienneté</th><th>Durée</th></tr>"
                "<tr><td>1 an</td><td>3 jours</td></tr></table>",
                "references": {
                    LABOUR: {"name": "code du travail", "articles": [{"fmt": "L9999-1"}]},
                    "LEGITEXT000099000001": {"name": "autre", "articles": [{"fmt": "R9"}]},
                },
            },
        ],
    } | changes


def archive(path: Path, *sheets: dict[str, Any]) -> Path:
    return pack(path, {"data/fiches-travail.json": json.dumps(sheets).encode()})


def test_a_sheet_as_its_reader_sees_it(tmp_path: Path) -> None:
    [item] = read_labour_sheets(archive(tmp_path / "a.tgz", sheet()))
    document = item.parse()
    assert [
        (block.kind, block.level, document.text[block.start : block.end])
        for block in document.blocks
    ] == [
        ("paragraph", 0, "Tout salarié peut demander un congé pour jongler."),
        ("paragraph", 0, "Il est de 3 jours par an."),
        ("heading", 1, "Comment le demander ?"),
        ("heading", 2, "Le délai"),
        ("paragraph", 0, "La demande est faite 1er du mois."),
        ("item", 1, "par lettre"),
        ("item", 2, "recommandée"),
        ("row", 0, "Ancienneté | Durée"),
        ("row", 0, "1 an | 3 jours"),
    ]
    assert (document.kind, document.date) == ("fiche", dt.date(2026, 3, 5))
    assert document.metadata["cites"] == ["L9999-1", "R9 LEGITEXT000099000001"]
    assert document.external_id == item.external_id == "article999001"


def test_the_hash_follows_the_sheet(tmp_path: Path) -> None:
    def digest(name: str, **changes: Any) -> str:
        [item] = read_labour_sheets(archive(tmp_path / name, sheet(**changes)))
        return item.content_hash

    assert digest("a.tgz") == digest("b.tgz")
    assert digest("a.tgz") != digest("c.tgz", date="06/03/2026")


@pytest.mark.parametrize(
    "changes",
    [{"title": ""}, {"date": "2026-03-05"}, {"sections": None}, {"intro": 3}, {"sections": [{}]}],
)
def test_a_sheet_in_another_format_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    [item] = read_labour_sheets(archive(tmp_path / "a.tgz", sheet(**changes)))
    with pytest.raises(SourceFormatError, match="article999001"):
        item.parse()


def test_packages_in_another_format(tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="n'y est pas"):
        read_labour_sheets(pack(tmp_path / "a.tgz", {"data/other.json": b"[]"}))
    with pytest.raises(SourceFormatError, match="une liste"):
        read_labour_sheets(pack(tmp_path / "b.tgz", {"data/fiches-travail.json": b"{}"}))
    with pytest.raises(SourceFormatError, match="deux fois"):
        read_labour_sheets(archive(tmp_path / "c.tgz", sheet(), sheet()))
    with pytest.raises(SourceFormatError, match="identifiant"):
        read_labour_sheets(archive(tmp_path / "d.tgz", sheet(pubId=None)))
