"""Articles of French codes with all their versions, from DILA's LEGI archives.

A folder holds them as they are published: the whole base
(``Freemium_legi_global_YYYYMMDD-HHMMSS.tar.gz``), and what changed since, day by day
(``LEGI_YYYYMMDD-HHMMSS.tar.gz``), each with one XML file for each version of an article and, in
the daily ones, a list of files to delete. The archives are read from the newest to the oldest, so
that what a newer one says of a file settles it, and nothing is unpacked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path

from chappe.knowledge.document import SourceDocument, normalise
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import ArchiveLimits, SourceFormatError, SourceItem
from chappe.knowledge.sources.article import Article, document
from chappe.knowledge.sources.tree import Element, TreeError, parse_xml

# The whole base: more than five million small files, some twenty gigabytes once inflated.
LIMITS = ArchiveLimits(member_bytes=64 * 1024 * 1024, total_bytes=200 * 1024**3, members=20_000_000)

_ARCHIVE = re.compile(r"(?:.*_)?legi_(global_)?(\d{8}-\d{6})\.tar\.gz", re.IGNORECASE)
_FILE = re.compile(r"(?:.*?/)??(legi/global/.*/(LEGITEXT\d{12})/article/.*/(LEGIARTI\d{12}))\.xml")
_DELETIONS = "liste_suppression_legi.dat"
_ID = re.compile(r"LEGIARTI\d{12}")
_VOID = frozenset({"br", "hr", "img", "col"})
# Versions that a later text undid before their first day.
_NEVER_IN_FORCE = frozenset({"MODIFIE_MORT_NE"})
_MOST_CITED = 100


def archives(folder: Path) -> list[Path]:
    """The archives to read: the newest whole base, and the daily ones after it; newest first.

    Raises:
        SourceFormatError: there is no whole base among them.
    """
    dated = sorted(
        (match[2], match[1] is not None, path)
        for path in folder.iterdir()
        if (match := _ARCHIVE.fullmatch(path.name)) and path.is_file()
    )
    whole = [date for date, is_whole, _ in dated if is_whole]
    if not whole:
        raise SourceFormatError(
            f"{folder} : aucune base complète (Freemium_legi_global_….tar.gz) dans ce dossier"
        )
    base = whole[-1]
    return [
        path
        for date, is_whole, path in reversed(dated)
        if (date == base if is_whole else date > base)
    ]


def read_versions(paths: Sequence[Path], codes: Collection[str]) -> Iterator[SourceItem]:
    """Yield every version of every article of these codes, in no order.

    Args:
        paths: archives, newest first: see :func:`archives`.
        codes: identifiers of texts (``LEGITEXT…``).

    ``external_id`` is the smallest identifier among an article's versions, which is the one that
    Légifrance gave it first. A version that never was in force is left out.

    Raises:
        SourceFormatError: an archive is damaged, a file isn't an article, or there is none.
    """
    settled: set[str] = set()  # files, without their ending, that a newer archive told of
    read: set[str] = set()  # versions: a file may have moved from a folder to another
    for path in paths:
        told = set(_deletions(path))
        for name, raw in archive.members(path, wanted=partial(_wanted, codes), limits=LIMITS):
            match = _FILE.fullmatch(name)
            assert match is not None
            file, code_id, version_id = match.groups()
            if file in settled or file in told or version_id in read:
                continue
            told.add(file)
            read.add(version_id)
            article = _article(raw, code_id, version_id)
            if article is not None:
                yield _item(article)
        settled |= told
    if not read:
        raise SourceFormatError(f"aucun article de {', '.join(sorted(codes))} dans ces archives")


def _wanted(codes: Collection[str], name: str) -> bool:
    match = _FILE.fullmatch(name)
    return match is not None and match[2] in codes


def _deletions(path: Path) -> Iterator[str]:
    if (match := _ARCHIVE.fullmatch(path.name)) and match[1]:
        return  # the whole base deletes nothing, and reading it twice would take long
    for _, raw in archive.members(
        path, wanted=lambda name: name.rpartition("/")[2] == _DELETIONS, limits=LIMITS
    ):
        for line in raw.decode("ascii", "replace").split():
            yield line.removesuffix(".xml")


def _item(article: Article) -> SourceItem:
    content = json.dumps(asdict(article), default=str, ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return SourceItem(article.cid, digest, partial(_parse, article), article.version_id)


def _parse(article: Article) -> SourceDocument:
    try:
        return document(article)
    except SourceFormatError as error:
        raise SourceFormatError(f"article {article.version_id} : {error}") from error


def _article(raw: bytes, code_id: str, version_id: str) -> Article | None:
    """A version; None when it never was, and never will be, in force."""
    try:
        root = parse_xml(raw)
        meta = root.at("META", "META_SPEC", "META_ARTICLE")
        if root.name != "ARTICLE" or meta is None:
            raise SourceFormatError("ce n'est pas un article")
        if (own := root.text("META", "META_COMMUN", "ID").strip()) != version_id:
            raise SourceFormatError(f"l'identifiant {own!r} n'est pas celui du fichier")
        state = meta.text("ETAT").strip() or None
        start, end = _date(meta.text("DATE_DEBUT")), _date(meta.text("DATE_FIN"))
        if state in _NEVER_IN_FORCE or (start and end and start >= end):
            return None
        return Article(
            code_id=code_id,
            cid=_common(root, version_id),
            version_id=version_id,
            number=meta.text("NUM"),
            state=state,
            start=start,
            end=end,
            path=_path(root, start, end),
            html=_html(root, "BLOC_TEXTUEL"),
            text="",
            nota=_html(root, "NOTA"),
            cites=_cites(root, code_id),
        )
    except (SourceFormatError, TreeError) as error:
        raise SourceFormatError(f"article {version_id} : {error}") from error


def _date(text: str) -> dt.date | None:
    text = text.strip()
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise SourceFormatError(f"date impossible {text!r}") from None


def _common(root: Element, version_id: str) -> str:
    """What the versions of an article have in common: the first identifier that it was given."""
    identifiers = {version_id}
    if (versions := root.first("VERSIONS")) is not None:
        for version in versions.all("VERSION"):
            for link in version.all("LIEN_ART"):
                if _ID.fullmatch(identifier := link.attributes.get("id", "")):
                    identifiers.add(identifier)
    return min(identifiers)


def _path(root: Element, start: dt.date | None, end: dt.date | None) -> tuple[str, ...]:
    """Titles of the code and of the sections around, as they were last while it was in force."""
    place = root.at("CONTEXTE", "TEXTE")
    titles: list[str] = []
    level, name = place, "TITRE_TXT"
    while level is not None:
        if (title := _title(list(level.all(name)), start, end)) is not None:
            titles.append(normalise(title.text()))
        inner = list(level.all("TM"))
        level = _latest(inner, start, end)
        name = "TITRE_TM"
    return tuple(filter(None, titles))


def _latest(levels: list[Element], start: dt.date | None, end: dt.date | None) -> Element | None:
    """Of sections side by side (the article moved), the one that it was last in."""
    titles = {id(title): level for level in levels for title in level.all("TITRE_TM")}
    chosen = _title([t for level in levels for t in level.all("TITRE_TM")], start, end)
    return None if chosen is None else titles[id(chosen)]


def _title(titles: list[Element], start: dt.date | None, end: dt.date | None) -> Element | None:
    """Of the titles of one section, the last that held while the version was in force."""

    def period(title: Element) -> tuple[dt.date, dt.date]:
        first, last = title.attributes.get("debut", ""), title.attributes.get("fin", "")
        return _date(first) or dt.date.min, _date(last) or dt.date.max

    held = [
        title
        for title in titles
        if period(title)[0] < (end or dt.date.max) and period(title)[1] > (start or dt.date.min)
    ]
    return max(held or titles, key=period, default=None)


def _html(root: Element, block: str) -> str:
    content = root.at(block, "CONTENU")
    if content is None:
        return ""
    inside = "".join(_written(child) for child in content.children)
    # Some come as text that holds tags, and not as elements.
    return content.text() if next(content.elements, None) is None else inside


def _written(node: Element | str) -> str:
    if isinstance(node, str):
        return escape(node, quote=False)
    name = node.name.lower()
    attributes = "".join(
        f' {key}="{escape(value)}"'
        for key, value in node.attributes.items()
        if key in ("rowspan", "colspan")
    )
    if name in _VOID:
        return f"<{name}>"
    inside = "".join(_written(child) for child in node.children)
    return f"<{name}{attributes}>{inside}</{name}>"


def _cites(root: Element, code_id: str) -> tuple[str, ...]:
    links = root.first("LIENS")
    found: dict[str, None] = {}
    for link in () if links is None else links.all("LIEN"):
        values = link.attributes
        number, text = normalise(values.get("num", "")), values.get("cidtexte", "")
        if values.get("typelien") == "CITATION" and values.get("sens") == "source" and number:
            found[number if text == code_id else f"{number} {text}".strip()] = None
    return tuple(found)[:_MOST_CITED]
