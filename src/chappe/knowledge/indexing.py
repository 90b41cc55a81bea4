"""Versions of documents in the index: passages with their terms, in the caller's transaction.

Triggers tell those who keep an index of it (:mod:`chappe.knowledge.index`) what changed.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.knowledge.analysis import identifiers, terms
from chappe.knowledge.document import PassageSpan, SourceDocument
from chappe.knowledge.index.terms import pack
from chappe.knowledge.passages import split

# Part of each document's hash: a change in how documents are read or cut loads them anew.
INDEX_VERSION = "2"
# How passages are analysed. Raise it with each change: terms that an earlier analysis made are
# computed anew from the text that is there (`reanalyse`).
ANALYSIS = 1


@dataclass(frozen=True)
class PreparedPassage:
    """A passage, its packed terms, and the lengths of its fields, in terms."""

    span: PassageSpan
    terms: bytes
    body_length: int
    context_length: int


@dataclass(frozen=True)
class PreparedDocument:
    """A document ready to be written."""

    document: SourceDocument
    content_hash: str
    passages: tuple[PreparedPassage, ...]
    source_version: str | None = None


@dataclass(frozen=True)
class VersionPassages:
    """The passages of a document's version, by the identifiers that it has in the database."""

    document_id: uuid.UUID
    version_id: int
    prepared: PreparedDocument


def context(document: SourceDocument) -> str:
    """What a passage is about besides its own words: a sheet's title, an article's sections."""
    if document.kind == "article":
        return " ".join((str(document.metadata.get("number") or ""), *document.theme_path[1:]))
    return document.title


def numbers(text: str) -> list[str]:
    """Numbers of articles and forms in a text, each as one term."""
    return identifiers(text) + [term for term in terms(text) if "*" in term]


def own_number(number: str) -> str:
    """The term that only the passages of the document with this number have."""
    return f"={number}"


def analyse(document: SourceDocument, span: PassageSpan, about: Sequence[str]) -> PreparedPassage:
    """The terms of a passage: its own words, and what it is about.

    ``about``: the terms of the document's :func:`context`, which its passages share.
    """
    body = terms(document.text[span.start : span.end])
    around = [*about, *terms(" ".join(span.heading_path))]
    own = [own_number(n) for n in numbers(str(document.metadata.get("number") or ""))]
    return PreparedPassage(span, pack(body, around + own), len(body), len(around))


def prepare(
    document: SourceDocument, content_hash: str, source_version: str | None = None
) -> PreparedDocument:
    """Cut and analyse a document. Pure, and the costly part: run it outside the event loop."""
    about = terms(context(document))
    passages = tuple(analyse(document, span, about) for span in split(document))
    return PreparedDocument(document, content_hash, passages, source_version)


async def write(
    session: AsyncSession, collection_id: int, versions: Sequence[VersionPassages]
) -> None:
    """Put versions in the index. They must not be in it: withdraw them first."""
    connection = await driver_connection(session)
    async with connection.cursor() as cursor:
        pairs = [
            (version, ordinal, passage)
            for version in versions
            for ordinal, passage in enumerate(version.prepared.passages)
        ]
        await cursor.execute(
            "select nextval(pg_get_serial_sequence('passage', 'id')) from generate_series(1, %s)",
            (len(pairs),),
        )
        identifiers = [row[0] for row in await cursor.fetchall()]
        async with cursor.copy(
            "copy passage (id, document_id, version_id, collection_id, ordinal, start_at, end_at,"
            " heading_path, valid_from, valid_to, terms, body_length, context_length, analysis)"
            " from stdin"
        ) as copy:
            for identifier, (version, ordinal, passage) in zip(identifiers, pairs, strict=True):
                document = version.prepared.document
                await copy.write_row(
                    (
                        identifier, version.document_id, version.version_id, collection_id,
                        ordinal, passage.span.start, passage.span.end,
                        list(passage.span.heading_path), document.valid_from,
                        document.valid_to, passage.terms, passage.body_length,
                        passage.context_length, ANALYSIS,
                    )
                )  # fmt: skip
        await cursor.execute(
            "update collection set passages = passages + %s where id = %s",
            (len(pairs), collection_id),
        )


async def withdraw(session: AsyncSession, collection_id: int, versions: Sequence[int]) -> None:
    """Take versions out of the index, with all that was derived from their passages."""
    if not versions:
        return
    await session.execute(
        text("""
            with deleted as (
                delete from passage where version_id = any(:versions) returning id
            ), size as (
                select count(*) as passages from deleted
            )
            update collection set passages = collection.passages - size.passages
            from size where collection.id = :collection and size.passages > 0
        """),
        {"collection": collection_id, "versions": list(versions)},
    )


async def reanalyse(session: AsyncSession, most: int) -> int:
    """Compute anew the terms of the next passages that another analysis made; how many they were.

    Its text is what a passage quotes: nothing has to be read again.
    """
    connection = await driver_connection(session)
    cursor = await connection.execute(
        """
        select p.id, p.heading_path, substr(v.text, p.start_at + 1, p.end_at - p.start_at),
               d.external_id, d.kind, v.title, v.theme_path, v.metadata
        from passage p join document_version v on v.id = p.version_id
        join document d on d.id = v.document_id
        where p.analysis < %s order by p.analysis, p.id limit %s for update of p skip locked
        """,
        (ANALYSIS, most),
    )
    rows: list[Any] = await cursor.fetchall()
    prepared = await asyncio.to_thread(_analysed, rows)
    await connection.execute(
        """
        update passage p set terms = n.terms, body_length = n.body, context_length = n.context,
            analysis = %s
        from unnest(%s::bigint[], %s::bytea[], %s::int[], %s::int[]) as n(id, terms, body, context)
        where p.id = n.id
        """,
        (
            ANALYSIS,
            [row[0] for row in rows],
            [passage.terms for passage in prepared],
            [passage.body_length for passage in prepared],
            [passage.context_length for passage in prepared],
        ),
    )
    return len(rows)


def _analysed(rows: Sequence[Any]) -> list[PreparedPassage]:
    prepared = []
    for _, headings, body, external_id, kind, title, theme_path, metadata in rows:
        document = SourceDocument(
            external_id, kind, title, "", None, None, tuple(theme_path), body, (), metadata
        )
        span = PassageSpan(0, len(body), tuple(headings))
        prepared.append(analyse(document, span, terms(context(document))))
    return prepared


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """The psycopg connection under a session, for COPY; part of the session's transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
