"""Writing documents into the index: text, passages and postings in one transaction."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


def context(document: SourceDocument) -> str:
    """What a passage is about besides its own words: a sheet's title, an article's sections."""
    if document.kind == "article":
        return " ".join((str(document.metadata.get("number") or ""), *document.theme_path[1:]))
    return document.title


def prepare(document: SourceDocument, content_hash: str) -> PreparedDocument:
    """Cut and analyse a document. Pure, and the costly part: run it outside the event loop."""
    about = terms(context(document))
    passages = []
    for span in split(document):
        own = terms(" ".join(span.heading_path) + "\n" + document.text[span.start : span.end])
        passages.append(PreparedPassage(span, Counter(about + own)))
    return PreparedDocument(document, content_hash, tuple(passages))


async def write(
    session: AsyncSession, collection_id: int, documents: Sequence[PreparedDocument]
) -> None:
    """Put documents in a collection; one that is there already is replaced whole."""
    await remove(session, collection_id, [item.document.external_id for item in documents])
    connection = await driver_connection(session)
    async with connection.cursor() as cursor:
        document_ids = []
        for item in documents:
            document = item.document
            await cursor.execute(
                """
                insert into document (collection_id, external_id, kind, title, url, date, audience,
                                      theme_path, text, blocks, metadata, content_hash)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
                """,
                (
                    collection_id, document.external_id, document.kind, document.title,
                    document.url, document.date, document.audience, list(document.theme_path),
                    document.text, json.dumps([asdict(block) for block in document.blocks]),
                    json.dumps(document.metadata), item.content_hash,
                ),
            )  # fmt: skip
            row = await cursor.fetchone()
            assert row is not None
            document_ids.append(row[0])
        pairs = [
            (document_id, ordinal, passage)
            for document_id, item in zip(document_ids, documents, strict=True)
            for ordinal, passage in enumerate(item.passages)
        ]
        await cursor.execute(
            "select nextval(pg_get_serial_sequence('passage', 'id')) from generate_series(1, %s)",
            (len(pairs),),
        )
        identifiers = [row[0] for row in await cursor.fetchall()]
        async with cursor.copy(
            "copy passage (id, document_id, collection_id, ordinal, start_at, end_at, heading_path,"
            " length) from stdin"
        ) as copy:
            for identifier, (document_id, ordinal, passage) in zip(identifiers, pairs, strict=True):
                await copy.write_row(
                    (
                        identifier, document_id, collection_id, ordinal, passage.span.start,
                        passage.span.end, list(passage.span.heading_path), passage.length,
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


async def remove(session: AsyncSession, collection_id: int, external_ids: Sequence[str]) -> None:
    """Take documents out of a collection, with all that was derived from them."""
    await session.execute(
        text("""
            with gone as (
                select d.id from document d
                where d.collection_id = :collection and d.external_id = any(:ids)
            ), size as (
                select count(*) as passages, coalesce(sum(length), 0) as tokens
                from passage where document_id in (select id from gone)
            ), deleted as (
                delete from document where id in (select id from gone)
            )
            update collection set passages = collection.passages - size.passages,
                                  tokens = collection.tokens - size.tokens
            from size where collection.id = :collection and size.passages > 0
        """),
        {"collection": collection_id, "ids": list(external_ids)},
    )


async def known_hashes(session: AsyncSession, collection_id: int) -> dict[str, str]:
    """Content hash of each document there, by external id."""
    rows = await session.execute(
        text("select external_id, content_hash from document where collection_id = :id"),
        {"id": collection_id},
    )
    return {row[0]: row[1] for row in rows}


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """The psycopg connection under a session, for COPY; part of the session's transaction."""
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
