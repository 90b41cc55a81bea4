"""Sheets on labour law, from the ``@socialgouv/fiches-travail-data`` package.

The package holds one JSON list of the sheets of the ministry's site: an introduction and titled
sections, in HTML, each with the articles that it cites.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from chappe.knowledge.document import SourceDocument, normalise
from chappe.knowledge.reading.composition import Composer
from chappe.knowledge.reading.html import compose
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import parse_html
from chappe.knowledge.reading.model import ReadingError
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem

_MEMBER = "package/data/fiches-travail.json"
_LABOUR_CODE = "LEGITEXT000006072050"


def read_labour_sheets(path: Path) -> list[SourceItem]:
    """The sheets of the package, still unparsed.

    Raises:
        SourceFormatError: the archive is damaged, or in another format.
    """
    for name, raw in archive.members(path, _MEMBER):
        if name == _MEMBER:
            return [_item(sheet) for sheet in _sheets(raw)]
    raise SourceFormatError(f"{path.name} : {_MEMBER} n'y est pas")


def _sheets(raw: bytes) -> list[dict[str, Any]]:
    try:
        sheets = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SourceFormatError(f"{_MEMBER} : {error}") from error
    if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
        raise SourceFormatError(f"{_MEMBER} : une liste de fiches est attendue")
    identifiers = [sheet.get("pubId") for sheet in sheets]
    if not all(isinstance(each, str) and each for each in identifiers):
        raise SourceFormatError(f"{_MEMBER} : une fiche n'a pas d'identifiant")
    if len(set(identifiers)) != len(identifiers):
        raise SourceFormatError(f"{_MEMBER} : une fiche y est deux fois")
    return sheets


def _item(sheet: dict[str, Any]) -> SourceItem:
    canonical = json.dumps(sheet, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    return SourceItem(sheet["pubId"], digest, partial(parse_labour_sheet, sheet))


def parse_labour_sheet(sheet: dict[str, Any]) -> SourceDocument:
    """Parse one sheet.

    Raises:
        SourceFormatError: it isn't one; the message names it.
    """
    identifier = sheet.get("pubId")
    try:
        return _document(sheet)
    except (KeyError, TypeError, AttributeError, ValueError, ReadingError) as error:
        raise SourceFormatError(f"fiche {identifier} : {error!r}") from error


def _document(sheet: dict[str, Any]) -> SourceDocument:
    title = normalise(sheet["title"])
    if not title:
        raise SourceFormatError("titre absent")
    composer = Composer(Limits())
    compose(composer, parse_html(sheet["intro"] or "<p></p>"))
    cites: dict[str, None] = {}
    for section in sheet["sections"]:
        heading = normalise(section["title"])
        if heading != title:
            composer.add("heading", heading, 1)
        # The page's own titles begin at the third level: the first two are the sheet and section.
        compose(composer, parse_html(section["html"] or "<p></p>"), level=-1)
        cites.update(dict.fromkeys(_cited(section["references"])))
    if not len(composer):
        composer.add("paragraph", sheet["description"] or title)
    read = composer.document(title, "text/html")
    return SourceDocument(
        external_id=sheet["pubId"],
        kind="fiche",
        title=title,
        url=sheet["url"],
        date=dt.datetime.strptime(sheet["date"], "%d/%m/%Y").date(),
        audience=None,
        theme_path=("Droit du travail",),
        text=read.text,
        blocks=read.blocks,
        metadata={
            "description": normalise(sheet["description"] or "") or None,
            "cites": list(cites),
        },
    )


def _cited(references: dict[str, Any]) -> list[str]:
    """Articles that a section cites: their number, and their code unless it is the labour code."""
    return [
        article["fmt"] if code == _LABOUR_CODE else f"{article['fmt']} {code}"
        for code, found in references.items()
        for article in found["articles"]
        if article.get("fmt")
    ]
