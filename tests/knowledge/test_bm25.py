"""BM25 in PostgreSQL is the formula, to the last digits."""

import math

import pytest
from sqlalchemy import text

from chappe.core.database import Database
from chappe.knowledge import bm25

PASSAGES = {
    1: ["cart", "identit", "cart", "mair"],
    2: ["passeport", "mair", "photo"],
    3: ["permis", "conduir", "prefectur", "photo", "photo", "photo"],
    4: ["cart", "gris"],
}


async def _fill(database: Database, slug: str, passages: dict[int, list[str]]) -> int:
    async with database.session() as session:
        collection = await session.scalar(
            text(
                "insert into collection (slug, title, source, public, passages, tokens)"
                " values (:slug, 't', 's', true, :n, :tokens) returning id"
            ),
            {
                "slug": slug,
                "n": len(passages),
                "tokens": sum(map(len, passages.values())),
            },
        )
        document = await session.scalar(
            text(
                "insert into document (collection_id, external_id, kind, name, state)"
                " values (:c, 'd', 'fiche', 't', 'ready') returning id"
            ),
            {"c": collection},
        )
        version = await session.scalar(
            text(
                "insert into document_version (document_id, number, title, text, content_hash,"
                " read_at) values (:d, 1, 't', 'x', 'h', now()) returning id"
            ),
            {"d": document},
        )
        for key, terms in passages.items():
            await session.execute(
                text(
                    "insert into passage (id, document_id, version_id, collection_id, ordinal,"
                    " start_at, end_at, heading_path, length) overriding system value"
                    " values (:id, :d, :v, :c, :id, 0, 1, '{}', :length)"
                ),
                {"id": key, "d": document, "v": version, "c": collection, "length": len(terms)},
            )
            for term in set(terms):
                await session.execute(
                    text("insert into posting values (:c, :term, :id, :f, :length)"),
                    {
                        "c": collection,
                        "term": term,
                        "id": key,
                        "f": terms.count(term),
                        "length": len(terms),
                    },
                )
    assert isinstance(collection, int)
    return collection


@pytest.mark.parametrize(
    "query", [["cart"], ["photo", "mair"], ["cart", "cart", "identit"], ["absent"], []]
)
async def test_same_as_the_formula(database: Database, query: list[str]) -> None:
    collection = await _fill(database, "a", PASSAGES)
    async with database.session() as session:
        ranking = await bm25.rank(session, query, [collection], 10)
    expected = bm25.scores(query, PASSAGES)
    assert dict(ranking) == pytest.approx(expected, rel=1e-12)
    assert [s for _, s in ranking] == sorted((s for _, s in ranking), reverse=True)


async def test_what_one_may_not_read_does_not_weigh(database: Database) -> None:
    collection = await _fill(database, "a", PASSAGES)
    await _fill(database, "secret", {100 + k: ["cart", "photo"] * 9 for k in range(30)})
    async with database.session() as session:
        ranking = await bm25.rank(session, ["cart"], [collection], 10)
    assert dict(ranking) == pytest.approx(bm25.scores(["cart"], PASSAGES), rel=1e-12)


def test_the_published_form() -> None:
    assert bm25.idf(10, 1) == pytest.approx(math.log(1 + 9.5 / 1.5))
    assert bm25.weight(3, 10, 10.0) == pytest.approx(3 * 2.2 / (3 + 1.2))
