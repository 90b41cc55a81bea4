"""DILA's XML archives give what the JSON form of the same sheets gives."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from chappe.knowledge.sources.archive import SourceFormatError
from chappe.knowledge.sources.service_public import (
    count_xml_sheets,
    parse_sheet,
    parse_xml_sheet,
    read_xml_sheets,
)
from chappe.knowledge.sources.tree import MAX_DEPTH, Element, TreeError, parse_xml
from samples.build import HERE, sheets

SHEETS = {file.stem: file.read_bytes() for file in sorted((HERE / "vosdroits").glob("*.xml"))}


def as_json(raw: bytes) -> bytes:
    """The JSON form that npm has of an XML sheet: white space alone is lost, and so on."""

    def node(child: Element | str) -> dict[str, Any]:
        if isinstance(child, str):
            return {"type": "text", "text": child}
        return {
            "type": "element",
            "name": child.name,
            "attributes": child.attributes,
            "children": [
                node(each) for each in child.children if not isinstance(each, str) or each.strip()
            ],
        }

    root = parse_xml(raw)
    return json.dumps({"id": root.attributes["ID"], "children": [node(root)]}).encode()


def as_xml(raw: bytes) -> bytes:
    """The XML of a sheet in JSON."""

    def write(node: dict[str, Any]) -> str:
        if node["type"] == "text":
            return escape(node["text"])
        attributes = "".join(
            f" {key}={quoteattr(value)}" for key, value in node.get("attributes", {}).items()
        )
        inner = "".join(write(child) for child in node.get("children", ()))
        return f"<{node['name']}{attributes}>{inner}</{node['name']}>"

    return write(json.loads(raw)["children"][0]).encode()


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


@pytest.mark.parametrize("sheet_id", SHEETS)
def test_a_sheet_in_xml_is_the_sheet_in_json(sheet_id: str) -> None:
    raw = SHEETS[sheet_id]
    assert parse_xml_sheet(raw, sheet_id) == parse_sheet(as_json(raw), sheet_id)


@pytest.mark.parametrize("sheet_id", sheets())
def test_a_sheet_in_json_is_the_sheet_in_xml(sheet_id: str) -> None:
    raw = sheets()[sheet_id]
    from_json, from_xml = parse_sheet(raw, sheet_id), parse_xml_sheet(as_xml(raw), sheet_id)
    # Only what the JSON lost between words may differ.
    assert from_xml.text.replace(" ", "") == from_json.text.replace(" ", "")
    assert [b.kind for b in from_xml.blocks] == [b.kind for b in from_json.blocks]
    assert from_xml.metadata == from_json.metadata


def test_what_a_reader_sees() -> None:
    document = parse_xml_sheet(SHEETS["F90101"], "F90101")
    assert document.title == "Louer un vélo de la ville"
    assert str(document.date) == "2026-04-02"
    assert document.theme_path == ("Transports - Mobilité",)
    texts = [document.text[b.start : b.end] for b in document.blocks]
    assert (
        "Vous pouvez louer un vélo de la ville si vous avez au moins 16 ans : la durée est de "
        "1 à 12 mois renouvelables." in texts
    )
    assert "Le tarif est de 12,50 € par mois pour le 1er vélo." in texts
    assert "12 mois | 80 €" in texts
    cases = [document.text[b.start : b.end] for b in document.blocks if b.kind == "case"]
    assert cases == ["Vous êtes majeur", "Vous êtes mineur", "Avec un parent", "Émancipé"]


def test_an_archive_as_published(tmp_path: Path) -> None:
    files = {f"{name}.xml": raw for name, raw in SHEETS.items()}
    extra = {"arborescence.xml": b"<Arborescence/>", "menu.xml": b"<Menu/>", "F1.json": b"{}"}
    path = archive(tmp_path / "vosdroits-latest.zip", files | extra)
    items = list(read_xml_sheets(path))
    assert [item.external_id for item in items] == ["F90101", "R90120"]
    assert count_xml_sheets(path) == 2
    assert items[1].parse().metadata["form_number"] == "99999*01"

    inside = tmp_path / "vosdroits.tar.gz"
    with tarfile.open(inside, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"vdd/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    assert [item.content_hash for item in read_xml_sheets(inside)] == [
        item.content_hash for item in items
    ]


def test_archives_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="aucune fiche"):
        list(read_xml_sheets(archive(tmp_path / "empty.zip", {"menu.xml": b"<Menu/>"})))
    twice = {"a/F90101.xml": SHEETS["F90101"], "b/F90101.xml": SHEETS["F90101"]}
    with pytest.raises(SourceFormatError, match="deux fois"):
        list(read_xml_sheets(archive(tmp_path / "twice.zip", twice)))
    with pytest.raises(SourceFormatError, match="nom de fichier refusé"):
        list(read_xml_sheets(archive(tmp_path / "out.zip", {"../F90101.xml": b"<Publication/>"})))
    damaged = archive(tmp_path / "damaged.zip", {"F90101.xml": SHEETS["F90101"]})
    content = bytearray(damaged.read_bytes())
    content[100] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(SourceFormatError, match="abîmée"):
        list(read_xml_sheets(damaged))


def test_xml_that_does_more_than_hold_text_is_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>'
    outside = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    for raw in (bomb, outside):
        with pytest.raises(SourceFormatError, match="fiche F1 : déclaration d'entité refusée"):
            parse_xml_sheet(raw, "F1")
    deep = b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1)
    with pytest.raises(TreeError, match="profond"):
        parse_xml(deep)
    with pytest.raises(SourceFormatError, match="fiche F1 : XML illisible"):
        parse_xml_sheet(b"<Publication", "F1")
