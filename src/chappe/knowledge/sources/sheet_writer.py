"""The blocks of a sheet of service-public.fr, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from chappe.knowledge.document import BlockKind, DocumentBuilder, normalise
from chappe.knowledge.sources.sheet_text import (
    HIDDEN,
    address,
    cell,
    inline,
    is_inline,
    joined,
    loose,
    paragraphs,
    pointer_line,
    reference_line,
    text_of,
)
from chappe.knowledge.sources.tables import table_lines
from chappe.knowledge.sources.tree import Element

_NAVIGATION = frozenset(
    {"SurTitre", "Audience", "Canal", "Cible", "FilDAriane", "Theme", "SousThemePere"}
    | {"DossierPere", "SousDossierPere", "VoirAussi", "PourEnSavoirPlus", "QuestionReponse"}
    | {"CommentFaireSi", "RechercheGuidee", "FicheLiee", "ServiceEnLigneAlternatif"}
    | {"Partenaire", "NumeroCerfa", "AutreNumero"}
)
_NOTES = frozenset(["Attention", "ANoter", "ASavoir", "Rappel"])


class SheetWriter:
    """Writes the blocks of a sheet, in reading order."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        # Level of the last heading or case written: text that belongs elsewhere must say where.
        self._open_level = 0
        self._pointers: set[str] = set()
        self._writers: dict[str, Callable[[Element, int], None]] = {
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

    def write(self, root: Element) -> None:
        """Write a whole sheet."""
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
            self._add("paragraph", text_of(root, "dc:description").strip("* "), 0)
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

    def _block(self, element: Element, section: int) -> None:
        writer = self._writers.get(element.name)
        if writer is not None:
            writer(element, section)
        elif element.name not in HIDDEN:
            self._blocks(element, section)

    def _blocks(self, element: Element, section: int, *skipped: str) -> None:
        """Write the children of a container; text outside any paragraph is not lost."""
        if text := normalise(inline(loose(element))):
            self._add("paragraph", text, section)
        for child in element.elements:
            if child.name not in skipped and not is_inline(child):
                self._block(child, section)

    def _titled(self, kind: BlockKind, element: Element, section: int) -> None:
        self._blocks(element, self._open(kind, text_of(element, "Titre"), section), "Titre")

    # Blocks

    def _paragraph(self, element: Element, section: int) -> None:
        self._add("paragraph", inline(element), section)

    def _list(self, element: Element, section: int, nesting: int = 1) -> None:
        for item in element.all("Item"):
            # The first paragraph is the item; what completes it stands one step below.
            step = nesting
            if text := normalise(inline(loose(item))):
                self._add("item", text, section, step)
                step = nesting + 1
            for child in item.elements:
                if child.name == "Liste":
                    self._list(child, section, nesting + 1)
                elif child.name not in HIDDEN and not is_inline(child):
                    self._add("item", inline(child), section, step)
                    step = nesting + 1

    def _table(self, element: Element, section: int) -> None:
        self._add("paragraph", text_of(element, "Titre"), section)
        rows = [list(map(cell, row.all("Cellule"))) for row in element.all("Rangée")]
        for line in table_lines(rows):
            self._add("row", line, section)

    def _note(self, element: Element, section: int) -> None:
        self._with_label(normalise(text_of(element, "Titre")), element, section)

    def _warning(self, element: Element, section: int) -> None:
        body = element.first("Texte") or Element("Texte", {}, ())
        self._with_label(normalise(text_of(element, "Titre")), body, section)

    def _with_label(self, label: str, body: Element, section: int) -> None:
        """A remark: its label and its first paragraph make one block, and so do the next ones."""
        first = True
        for child in body.elements:
            if child.name == "Titre":
                continue
            if child.name == "Paragraphe":
                text = normalise(inline(child))
                if text:
                    self._add("note", f"{label} : {text}" if first and label else text, section)
                    first = False
                continue
            if first and label:
                self._add("note", f"{label} :", section)
            first = False
            self._block(child, section)

    def _image(self, element: Element, section: int) -> None:
        parts = [normalise(text_of(element, name)) for name in ("Legende", "TexteDeRemplacement")]
        parts = [part for part in dict.fromkeys(parts) if part]
        if parts:
            self._add("paragraph", "Illustration : " + " – ".join(parts), section)
        if (description := element.first("Description")) is not None:
            self._blocks(description, section)

    def _external_link(self, element: Element, section: int) -> None:
        link = element.first("LienExterne")
        if link is not None:
            parts = (inline(link), text_of(element, "Source"), address(link))
            self._add("item", joined(*parts), section, 1)
        if (comment := element.first("Commentaire")) is not None:
            self._blocks(comment, section)

    # Where to apply, services

    def _pointer(self, element: Element, section: int) -> None:
        if line := pointer_line(element):
            self._pointers.add(line)
            self._add("item", line, section, 1)
        if element.name == "NoticeLiee":
            return
        for child in element.elements:
            if child.name in ("ServiceEnLigneAnnexe", "NoticeLiee"):
                if annex := pointer_line(child):
                    self._pointers.add(annex)
                    self._add("item", annex, section, 2)
                for body in child.all("Texte"):
                    for paragraph in paragraphs(body):
                        self._add("item", paragraph, section, 3)
            elif child.name in ("Introduction", "Texte"):
                for paragraph in paragraphs(child):
                    self._add("item", paragraph, section, 2)

    def _pointers_section(self, title: str, elements: Iterator[Element]) -> None:
        """What the sheet names outside its chapters, without what they already said."""
        new = [each for each in elements if pointer_line(each) not in self._pointers]
        if new:
            level = self._open("heading", title, 0)
            for element in new:
                self._pointer(element, level)

    # Forms and online services

    def _identity(self, root: Element) -> None:
        if number := normalise(text_of(root, "NumeroCerfa")):
            self._add("paragraph", f"Formulaire cerfa n° {number}", 0)
        if other := normalise(text_of(root, "AutreNumero")):
            self._add("paragraph", f"Formulaire n° {other}", 0)

    def _access(self, root: Element) -> None:
        service = normalise(root.attributes.get("type", "")).removesuffix(" personnalisé sur SP")
        for link in root.all("LienWeb"):
            line = joined(text_of(link, "Source"), address(link))
            self._add("paragraph", f"{service} : {line}" if line else "", 0)

    # Interactive sheets and lists of sheets

    def _questionnaire(self, element: Element, section: int) -> None:
        if (description := element.first("Description")) is not None:
            self._blocks(description, section)

    def _guided_search(self, element: Element, section: int) -> None:
        for problem in element.all("Problematique"):
            self._add("item", text_of(problem, "Titre"), section, 1)

    def _contents(self, element: Element, section: int) -> None:
        level = self._open("heading", text_of(element, "Titre"), section)
        for entry in element.all("Fiche", "Dossier", "SousDossier"):
            self._block(entry, level)

    def _contents_entry(self, element: Element, section: int) -> None:
        title = text_of(element, "Titre") or inline(element)
        self._add("item", title, section, 1)

    # The end of the sheet

    def _definitions(self, root: Element) -> None:
        entries = list(root.all("Definition"))
        short_forms = list(root.all("Abreviation"))
        if not entries and not short_forms:
            return
        level = self._open("heading", "Définitions", 0)
        for entry in entries:
            inner = self._open("heading", text_of(entry, "Titre"), level)
            self._blocks(entry, inner, "Titre", "Reference")
            for reference in entry.all("Reference"):
                if line := reference_line(reference):
                    self._add("paragraph", f"Référence : {line}", inner)
        for entry in short_forms:
            meaning = " ".join(line for body in entry.all("Texte") for line in paragraphs(body))
            self._add("paragraph", joined(text_of(entry, "Titre"), meaning, by=" : "), level)

    def _references(self, root: Element) -> None:
        lines = [line for each in root.all("Reference") if (line := reference_line(each))]
        if lines:
            level = self._open("heading", "Références", 0)
            for line in dict.fromkeys(lines):
                self._add("item", line, level, 1)
