"""An article of law in one of its versions, as a document."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from chappe.knowledge.document import DocumentBuilder, SourceDocument, normalise
from chappe.knowledge.sources.law_html import without_tags, write_html

_OFFICIAL = "https://www.legifrance.gouv.fr/codes/article_lc"
# Légifrance writes 2999-01-01 for "no end" and 2222-02-22 for "on a date not known yet".
_UNKNOWN_FROM_YEAR = 2222
# "L100-1", "R*112-9-1", "LO111-3", "160-17-2"; not "Annexe I" or "Tableau n° 1".
_NUMBERED = re.compile(r"[A-Z]{0,2}\.?\s?\*{0,2}\s?\d")


@dataclass(frozen=True, slots=True)
class Article:
    """A version of an article, as its source gives it.

    ``cid`` is what its versions have in common, ``version_id`` this version's own identifier.
    ``path``: the code's title, then those of the sections from the widest to the narrowest.
    ``start`` and ``end``: first day in force, and first day no more in force.
    ``html``: its text; ``text`` is used where there is none.
    ``cites``: what it refers to, as « L1234-5 » in its own code or « L1234-5 LEGITEXT… ».
    """

    code_id: str
    cid: str
    version_id: str
    number: str
    state: str | None
    start: dt.date | None
    end: dt.date | None
    path: tuple[str, ...]
    html: str
    text: str
    nota: str
    cites: tuple[str, ...] = ()


def document(article: Article) -> SourceDocument:
    """The document of a version.

    Raises:
        SourceFormatError: its text is too long.
    """
    number, nota = normalise(article.number), normalise(without_tags(article.nota))
    code = article.path[0] if article.path else ""
    builder = DocumentBuilder()
    write_html(builder, article.html)
    if not len(builder):
        builder.add("paragraph", without_tags(article.text))
    start, end = known(article.start), known(article.end)
    metadata: dict[str, Any] = {
        "code": code,
        "code_id": article.code_id,
        "number": number or None,
        "state": article.state,
        "version_start": start.isoformat() if start else None,
        "version_end": end.isoformat() if end else None,
        "nota": nota or None,
        "article_id": article.version_id,
    }
    if article.cites:
        metadata["cites"] = list(article.cites)
    if not len(builder):
        metadata["empty"] = True
        builder.add("note", nota)
    text, blocks = builder.build()
    return SourceDocument(
        external_id=article.cid,
        kind="article",
        title=f"{_label(number, article.version_id)} – {code}",
        url=f"{_OFFICIAL}/{article.version_id}",
        date=start,
        audience=None,
        theme_path=tuple(title for title in article.path if title),
        text=text,
        blocks=blocks,
        metadata=metadata,
        # A start that isn't known yet is still to come: the far date that stands for it is kept.
        valid_from=article.start,
        valid_to=end,
    )


def known(day: dt.date | None) -> dt.date | None:
    """A date, or None where it stands for one that isn't known."""
    return day if day is not None and day.year < _UNKNOWN_FROM_YEAR else None


def _label(number: str, version_id: str) -> str:
    if not number:
        return f"Article {version_id}"
    return f"Article {number}" if _NUMBERED.match(number) else number
