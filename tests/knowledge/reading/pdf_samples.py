"""PDFs made by usual writers from French text of our own, for the tests of their reading."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    ListFlowable,
    ListItem,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=10.5, leading=13, spaceAfter=7)
JUSTIFIED = ParagraphStyle("justified", BODY, alignment=TA_JUSTIFY)
HEAD_1 = ParagraphStyle("h1", fontName="Helvetica-Bold", fontSize=18, leading=22, spaceAfter=10)
HEAD_2 = ParagraphStyle("h2", fontName="Helvetica-Bold", fontSize=13, leading=16, spaceAfter=6)

SENTENCES = (
    "L’agent qui élève seul son enfant peut demander un congé de présence parentale.",
    "La demande est adressée au service du personnel au moins quinze jours avant la date voulue.",
    "Le congé est accordé de droit pour une durée maximale de trois cent dix jours ouvrés.",
    "Pendant ce temps, la rémunération est suspendue mais les droits à pension sont conservés.",
    "Un certificat médical détaillé, établi sous pli fermé, doit être joint au dossier.",
    "Le bénéficiaire reprend ensuite ses fonctions dans son emploi ou dans un emploi équivalent.",
    "Toute interruption anticipée fait l’objet d’une déclaration écrite à l’administration.",
    "Les frais de garde sont remboursés sur présentation des justificatifs, dans la limite prévue.",
    "La commission se réunit chaque trimestre et rend son avis sous deux mois.",
    "À défaut de réponse, le silence gardé vaut acceptation de la demande.",
)


def prose(paragraphs: int, sentences: int = 5) -> list[str]:
    """Paragraphs of the sentences above, in turn."""
    return [
        " ".join(
            SENTENCES[(index * sentences + offset) % len(SENTENCES)] for offset in range(sentences)
        )
        for index in range(paragraphs)
    ]


def platypus(
    path: Path,
    story: Sequence[object],
    columns: int = 1,
    decorate: Callable[[Canvas, object], None] | None = None,
    **document: object,
) -> Path:
    """Typeset a story in one or more columns on A4."""
    width, height = A4
    margin, gap = 60.0, 24.0
    each = (width - 2 * margin - gap * (columns - 1)) / columns
    frames = [
        Frame(
            margin + index * (each + gap), margin + 20, each, height - 2 * margin - 40, 0, 0, 0, 0
        )
        for index in range(columns)
    ]
    nothing: Callable[[Canvas, object], None] = lambda canvas, document: None  # noqa: E731
    template = BaseDocTemplate(str(path), pagesize=A4, **document)
    template.addPageTemplates(PageTemplate(frames=frames, onPage=decorate or nothing))
    template.build(list(story))
    return path


def drawn(path: Path, *pages: Callable[[Canvas], None], **options: object) -> Path:
    """Pages drawn by hand."""
    canvas = Canvas(str(path), pagesize=A4, **options)
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return path


def bullets(texts: Sequence[str], kind: str = "bullet") -> ListFlowable:
    """A list."""
    items = [ListItem(Paragraph(text, BODY)) for text in texts]
    return ListFlowable(items, bulletType=kind, start="•" if kind == "bullet" else 1)


def table(rows: Sequence[Sequence[object]], *, ruled: bool, spans: Sequence[tuple] = ()) -> Table:
    """A table with rules around each cell, or with none at all."""
    style = [("FONT", (0, 0), (-1, -1), "Times-Roman", 10.5)]
    if ruled:
        style.append(("GRID", (0, 0), (-1, -1), 0.5, colors.black))
    style += [("SPAN", *span) for span in spans]
    return Table([list(row) for row in rows], style=TableStyle(style), hAlign="LEFT")


__all__ = [
    "A4",
    "BODY",
    "HEAD_1",
    "HEAD_2",
    "JUSTIFIED",
    "SENTENCES",
    "Canvas",
    "Paragraph",
    "Spacer",
    "bullets",
    "drawn",
    "io",
    "platypus",
    "prose",
    "table",
]  # fmt: skip
