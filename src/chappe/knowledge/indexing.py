"""Versions of documents in the index: passages and postings, in the caller's transaction."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.knowledge.analysis import terms
from chappe.knowledge.document import PassageSpan, SourceDocument
from chappe.knowledge.passages import split

# Part of each document's hash: a change in how documents are read or cut loads them anew.
INDEX_VERSION = "1"


@dataclass(frozen=True)
class PreparedPassage:
    """A passage and the count of its terms."""

    span: PassageSpan
    terms: Counter[str]

    @property
    def length(self) -> int:
        """Number of terms, repetitions included."""
        return self.terms.total()


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


def prepare(
    document: SourceDocument, content_hash: str, source_version: str | None = None
) -> PreparedDocument:
    """Cut and analyse a document. Pure, and the costly part: run it outside the event loop."""
    about = terms(context(document))
    passages = []
    for span in split(document):
        own = terms(" ".join(span.heading_path) + "\n" + document.text[span.start : span.end])
        passages.append(PreparedPassage(span, Counter(about + own)))
    return PreparedDocument(document, content_hash, tuple(passages), source_version)


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
            " heading_path, length, valid_from, valid_to) from stdin"
        ) as copy:
            for identifier, (version, ordinal, passage) in zip(identifiers, pairs, strict=True):
                document = version.prepared.document
                await copy.write_row(
                    (
                        identifier, version.document_id, version.version_id, collection_id,
                        ordinal, passage.span.start, passage.span.end,
                        list(passage.span.heading_path), passage.length, document.valid_from,
                        document.valid_to,
                    )
                )  # fmt: skip
        async with cursor.copy(
            "copy posting (collection_id, term, passage_id, frequency, length) from stdin"
        ) as copy:
            for identifier, (_, _, passage) in zip(identifiers, pairs, strict=True):
                for term, frequency in passage.terms.items():
                    await copy.write_row(
                        (collection_id, term, identifier, min(frequency, 32_000), passage.length)
                    )
        await cursor.execute(
            "update collection set passages = passages + %s, tokens = tokens + %s where id = %s",
            (len(pairs), sum(passage.length for _, _, passage in pairs), collection_id),
        )


async def withdraw(session: AsyncSession, collection_id: int, versions: Sequence[int]) -> None:
    """Take versions out of the index, with all that was derived from their passages."""
    if not versions:
        return
    await session.execute(
        text("""
            with deleted as (
                delete from passage where version_id = any(:versions) returning length
            ), size as (
                select count(*) as passages, coalesce(sum(length), 0) as tokens from deleted
            )
            update collection set passages = collection.passages - size.passages,
                                  tokens = collection.tokens - size.tokens
            from size where collection.id = :collection and size.passages > 0
        """),
        {"collection": collection_id, "versions": list(versions)},
    )


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """The psycopg connection under a session, for COPY; part of the session's transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
