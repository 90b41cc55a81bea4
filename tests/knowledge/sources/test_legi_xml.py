"""LEGI's archives: every version of an article, what the daily ones add, change and delete."""

import datetime as dt
import io
import tarfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pytest

from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.legi_xml import archives, read_versions

CODE = "LEGITEXT000099000001"
OTHER = "LEGITEXT000099000002"
IN_FORCE = "legi/global/code_et_TNC_en_vigueur/code_en_vigueur"
NO_MORE = "legi/global/code_et_TNC_non_vigueur/code_non_vigueur"


def split(identifier: str) -> str:
    digits = identifier[8:]
    return "/".join(digits[i : i + 2] for i in range(0, 10, 2))


def place(version: str, code: str = CODE, base: str = IN_FORCE) -> str:
    text = f"{base}/LEGI/TEXT/{split(code)}/{code}"
    return f"{text}/article/LEGI/ARTI/{split(version)}/{version}.xml"


def version_id(number: int) -> str:
    return f"LEGIARTI{number:012}"


def article(
    number: int,
    num: str,
    start: str,
    end: str = "2999-01-01",
    state: str = "VIGUEUR",
    body: str = "<p>Le délai est de trente jours.</p>",
    versions: Sequence[int] = (),
    links: str = "",
    sections: str = "",
    code: str = CODE,
) -> str:
    listed = "".join(
        f'<VERSION etat="{state}"><LIEN_ART debut="{start}" etat="{state}" fin="{end}" '
        f'id="{version_id(each)}" num="{num}" origine="LEGI"/></VERSION>'
        for each in versions or (number,)
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ARTICLE>
<META>
<META_COMMUN><ID>{version_id(number)}</ID><ANCIEN_ID/><ORIGINE>LEGI</ORIGINE>
<URL>article/LEGI/ARTI/{version_id(number)}.xml</URL><NATURE>Article</NATURE></META_COMMUN>
<META_SPEC><META_ARTICLE><NUM>{num}</NUM><ETAT>{state}</ETAT><DATE_DEBUT>{start}</DATE_DEBUT>
<DATE_FIN>{end}</DATE_FIN><TYPE>AUTONOME</TYPE></META_ARTICLE></META_SPEC>
</META>
<CONTEXTE><TEXTE cid="{code}" nature="CODE">
<TITRE_TXT c_titre_court="Code d'exemple" debut="2000-01-01" fin="2999-01-01" id_txt="{code}">
Code d'exemple</TITRE_TXT>
{sections}
</TEXTE></CONTEXTE>
<VERSIONS>{listed}</VERSIONS>
<NOTA><CONTENU><p>Voir l'article 2.</p></CONTENU></NOTA>
<BLOC_TEXTUEL><CONTENU>{body}</CONTENU></BLOC_TEXTUEL>
<LIENS>{links}</LIENS>
</ARTICLE>"""


def pack(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def whole(folder: Path, files: dict[str, str], date: str = "20260701-140000") -> Path:
    return pack(folder / f"Freemium_legi_global_{date}.tar.gz", files)


def daily(folder: Path, date: str, files: dict[str, str], deleted: Sequence[str] = ()) -> Path:
    named = {f"{date}/{name}": text for name, text in files.items()}
    if deleted:
        lines = "\n".join(name.removesuffix(".xml") for name in deleted)
        named[f"{date}/liste_suppression_legi.dat"] = lines + "\n"
    return pack(folder / f"LEGI_{date}.tar.gz", named)


def read(folder: Path, *codes: str) -> dict[str, SourceItem]:
    items = list(read_versions(archives(folder), codes or (CODE,)))
    found = {str(item.version): item for item in items}
    assert len(found) == len(items)
    return found


def test_all_versions_of_an_article_are_one_document(tmp_path: Path) -> None:
    both = (10, 20)
    whole(
        tmp_path,
        {
            place(version_id(10), base=NO_MORE): article(
                10, "L1-1", "2010-01-01", "2020-03-01", "MODIFIE", versions=both
            ),
            place(version_id(20)): article(
                20, "L1-1", "2020-03-01", body="<p>Le délai est de deux mois.</p>", versions=both
            ),
            place(version_id(30), OTHER): article(30, "L9", "2010-01-01", code=OTHER),
            f"{IN_FORCE}/LEGI/TEXT/{split(CODE)}/{CODE}/texte/version/{CODE}.xml": "<TEXTE/>",
        },
    )
    items = read(tmp_path)
    assert {item.external_id for item in items.values()} == {version_id(10)}
    before, now = items[version_id(10)].parse(), items[version_id(20)].parse()
    assert (before.valid_from, before.valid_to) == (dt.date(2010, 1, 1), dt.date(2020, 3, 1))
    assert (now.valid_from, now.valid_to) == (dt.date(2020, 3, 1), None)
    assert now.text == "Le délai est de deux mois."
    assert now.title == "Article L1-1 – Code d'exemple"
    assert now.url.endswith(version_id(20))
    assert now.metadata["nota"] == "Voir l'article 2."
    assert set(read(tmp_path, CODE, OTHER)) == {version_id(10), version_id(20), version_id(30)}


def test_daily_archives_add_change_move_and_delete(tmp_path: Path) -> None:
    whole(
        tmp_path,
        {place(version_id(n)): article(n, f"L{n}", "2010-01-01") for n in (1, 2, 3, 4)},
    )
    # Older than the base: not read.
    daily(tmp_path, "20260630-210000", {}, deleted=[place(version_id(1))])
    # 2 is deleted; 3 ends, and its file moves; 5 is new.
    daily(
        tmp_path,
        "20260702-210000",
        {
            place(version_id(3), base=NO_MORE): article(
                3, "L3", "2010-01-01", "2026-08-01", "ABROGE"
            ),
            place(version_id(5)): article(5, "L5", "2026-07-02"),
        },
        deleted=[place(version_id(2)), place(version_id(3))],
    )
    # 5 is said anew, 2 comes back.
    daily(
        tmp_path,
        "20260703-210000",
        {
            place(version_id(5)): article(5, "L5", "2026-07-02", body="<p>Trois mois.</p>"),
            place(version_id(2)): article(2, "L2", "2010-01-01", body="<p>Quatre mois.</p>"),
        },
    )
    items = read(tmp_path)
    assert sorted(items) == [version_id(n) for n in (1, 2, 3, 4, 5)]
    assert items[version_id(5)].parse().text == "Trois mois."
    assert items[version_id(2)].parse().text == "Quatre mois."
    assert items[version_id(3)].parse().valid_to == dt.date(2026, 8, 1)

    daily(tmp_path, "20260704-210000", {}, deleted=[place(version_id(4))])
    assert version_id(4) not in read(tmp_path)


def test_a_newer_whole_base_takes_the_place_of_the_older_and_of_its_changes(tmp_path: Path) -> None:
    whole(tmp_path, {place(version_id(1)): article(1, "L1", "2010-01-01")})
    daily(tmp_path, "20260702-210000", {}, deleted=[place(version_id(2))])
    whole(tmp_path, {place(version_id(2)): article(2, "L2", "2010-01-01")}, "20270101-140000")
    assert list(read(tmp_path)) == [version_id(2)]


def test_dates_that_stand_for_none(tmp_path: Path) -> None:
    whole(
        tmp_path,
        {
            place(version_id(1)): article(1, "L1", "2222-02-22", state="VIGUEUR_DIFF"),
            place(version_id(2)): article(2, "L2", "2010-01-01", "2222-02-22", "ABROGE_DIFF"),
            place(version_id(3)): article(3, "L3", "2010-01-01", "2010-01-01"),
            place(version_id(4)): article(4, "L4", "2012-01-01", "2013-01-01", "MODIFIE_MORT_NE"),
        },
    )
    items = read(tmp_path)
    assert sorted(items) == [version_id(1), version_id(2)]
    # To come, on a date that isn't known: in force on no date that anybody asks for.
    to_come = items[version_id(1)].parse()
    assert to_come.valid_from == dt.date(2222, 2, 22)
    assert to_come.date is None
    assert items[version_id(2)].parse().valid_to is None


def test_sections_as_they_were_while_the_version_was_in_force(tmp_path: Path) -> None:
    sections = """
<TM><TITRE_TM debut="2000-01-01" fin="2999-01-01" id="LEGISCTA1">Partie législative</TITRE_TM>
 <TM><TITRE_TM debut="2000-01-01" fin="2015-01-01" id="LEGISCTA2">Titre Ier : Délais</TITRE_TM>
  <TITRE_TM debut="2015-01-01" fin="2999-01-01" id="LEGISCTA3">Titre Ier : Délais
  et recours</TITRE_TM></TM>
</TM>"""
    whole(
        tmp_path,
        {
            place(version_id(1)): article(
                1, "L1", "2001-01-01", "2010-01-01", versions=(1, 2), sections=sections
            ),
            place(version_id(2)): article(2, "L1", "2010-01-01", versions=(1, 2),
                                          sections=sections),
        },
    )  # fmt: skip
    items = read(tmp_path)
    code = "Code d'exemple"
    assert items[version_id(1)].parse().theme_path == (
        code, "Partie législative", "Titre Ier : Délais",
    )  # fmt: skip
    assert items[version_id(2)].parse().theme_path[-1] == "Titre Ier : Délais et recours"


def test_text_tables_and_what_it_cites(tmp_path: Path) -> None:
    body = (
        "<p>Le recours est formé :<br/>1° Par lettre ;<br/>2° Par voie électronique.</p>"
        '<table><tr><th rowspan="2">Objet</th><th>Délai</th></tr><tr><td>2 mois</td></tr></table>'
        "<p>Si A &lt; B, voir « l'article L2 ».</p>"
    )
    links = (
        f'<LIEN cidtexte="{CODE}" id="x" num="L2" sens="source" typelien="CITATION">L2</LIEN>'
        f'<LIEN cidtexte="{OTHER}" id="y" num="L9" sens="source" typelien="CITATION">L9</LIEN>'
        f'<LIEN cidtexte="{CODE}" id="z" num="L7" sens="cible" typelien="CITATION">L7</LIEN>'
    )
    whole(
        tmp_path,
        {
            place(version_id(1)): article(1, "L1", "2010-01-01", body=body, links=links),
            place(version_id(2)): article(
                2, "L2", "2010-01-01", body=escape("<p>Un.</p><p>2.</p>")
            ),
        },
    )
    items = read(tmp_path)
    document = items[version_id(1)].parse()
    assert [(b.kind, document.text[b.start : b.end]) for b in document.blocks] == [
        ("paragraph", "Le recours est formé :"),
        ("item", "1° Par lettre ;"),
        ("item", "2° Par voie électronique."),
        ("row", "Objet | Délai"),
        ("row", "Objet | 2 mois"),
        ("paragraph", "Si A < B, voir « l'article L2 »."),
    ]
    assert document.metadata["cites"] == ["L2", f"L9 {OTHER}"]
    assert items[version_id(2)].parse().text == "Un.\n\n2."


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="aucune base complète"):
        archives(tmp_path)
    whole(tmp_path, {place(version_id(1)): article(2, "L1", "2010-01-01")})
    with pytest.raises(SourceFormatError, match="n'est pas celui du fichier"):
        read(tmp_path)
    with pytest.raises(SourceFormatError, match=f"aucun article de {OTHER}"):
        read(tmp_path, OTHER)
    whole(tmp_path, {place(version_id(1)): article(1, "L1", "hier")})
    with pytest.raises(SourceFormatError, match=f"article {version_id(1)} : date impossible"):
        read(tmp_path)
