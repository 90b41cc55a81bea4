"""Articles of French codes, from the ``@socialgouv/legi-data`` package.

The package holds one JSON file for each code: a tree of sections whose leaves are articles in
their version of the day. One article is one document.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chappe.knowledge.document import SourceDocument, normalise
from chappe.knowledge.sources import archive
from chappe.knowledge.sources.archive import SourceFormatError, SourceItem
from chappe.knowledge.sources.article import Article, document

_CODE_ID = re.compile(r"LEGITEXT\d{12}")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIELDS = ("id", "cid", "num", "etat", "dateDebut", "dateFin", "texte", "texteHtml", "nota")


def read_articles(path: Path, code_id: str) -> list[SourceItem]:
    """The articles of a code, in the code's order; its length is the total for a progress bar.

    The code's whole tree is in memory while it is read, then only its articles, still unparsed.
    ``external_id`` is the identifier that an article's versions have in common (``cid``).
    Raises :class:`SourceFormatError` for a damaged archive, an unknown code, or a tree in another
    format.
    """
    if not _CODE_ID.fullmatch(code_id):
        raise SourceFormatError(f"identifiant de code refusé : {code_id!r}")
    wanted = f"package/data/{code_id}.json"
    for name, raw in archive.members(path, wanted):
        if name == wanted:
            try:
                return list(_items(json.loads(raw), code_id))
            except (ValueError, RecursionError) as error:
                raise SourceFormatError(f"code {code_id} : {error}") from error
    raise SourceFormatError(f"{path.name} : le code {code_id} n'y est pas")


def _items(root: object, code_id: str) -> Iterator[SourceItem]:
    seen: set[str] = set()
    for path, article in _articles(root, ()):
        values = {field: article.get(field) for field in _FIELDS}
        content = {"code": code_id, "path": path, "article": values}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        external_id = values["cid"]
        if not isinstance(external_id, str) or not external_id:
            raise SourceFormatError(f"article {values['id']!r} sans identifiant commun")
        if external_id in seen:
            raise SourceFormatError(f"article {external_id} présent deux fois")
        seen.add(external_id)
        digest = hashlib.sha256(canonical).hexdigest()
        version = str(values["id"] or "")
        yield SourceItem(external_id, digest, partial(parse_article, canonical), version)


def _articles(
    node: object, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if not isinstance(node, dict) or not isinstance(data := node.get("data"), dict):
        raise SourceFormatError("un nœud n'est ni un code, ni une section, ni un article")
    if node.get("type") == "article":
        yield path, data
    elif node.get("type") in ("code", "section"):
        inner = (*path, normalise(str(data.get("title") or "")))
        children = node.get("children") or []
        if not isinstance(children, list):
            raise SourceFormatError(f"section {inner[-1]!r} sans liste d'éléments")
        for child in children:
            yield from _articles(child, inner)
    else:
        raise SourceFormatError(f"nœud de type inconnu {node.get('type')!r}")


def parse_article(canonical: bytes) -> SourceDocument:
    """Parse one article from the JSON made by :func:`read_articles`.

    Raises :class:`SourceFormatError`, which names the article.
    """
    content = json.loads(canonical.decode("utf-8", "surrogatepass"))
    article = content["article"]
    try:
        return document(_article(article, content["code"], tuple(content["path"])))
    except (SourceFormatError, TypeError, OverflowError) as error:
        raise SourceFormatError(f"article {article.get('cid')} : {error}") from error


def _article(values: dict[str, Any], code_id: str, path: tuple[str, ...]) -> Article:
    version_id = values["id"]
    if not isinstance(version_id, str) or not version_id:
        raise SourceFormatError("identifiant de version absent")
    return Article(
        code_id=code_id,
        cid=values["cid"],
        version_id=version_id,
        number=_text(values, "num"),
        state=values["etat"],
        start=_date(values["dateDebut"]),
        end=_date(values["dateFin"]),
        path=path,
        html=_text(values, "texteHtml"),
        text=_text(values, "texte"),
        nota=_text(values, "nota"),
    )


def _text(article: dict[str, Any], field: str) -> str:
    value = article[field]
    if value is not None and not isinstance(value, str):
        raise SourceFormatError(f"le champ {field!r} n'est pas un texte")
    return value or ""


def _date(milliseconds: object) -> dt.date | None:
    """The day of a version: the package writes midnight UTC of the official date."""
    if milliseconds is None:
        return None
    if not isinstance(milliseconds, int):
        raise SourceFormatError(f"date impossible {milliseconds!r}")
    return (_EPOCH + dt.timedelta(milliseconds=milliseconds)).date()
