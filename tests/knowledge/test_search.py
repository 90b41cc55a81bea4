"""The whole search: what may be read, filters, dates, numbers, neighbours, at once."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM, Actor
from chappe.knowledge.document import Block, SourceDocument
from chappe.knowledge.indexing import prepare
from chappe.knowledge.schemas import SearchFilters
from chappe.knowledge.search import Search
from chappe.knowledge.synchronise import ensure_collection
from chappe.knowledge.versions import store

BASE = SourceDocument(
    "", "fiche", "Passeport", "", dt.date(2024, 5, 1), None, (), "", (), {"theme": "papiers"}
)


def document(name: str, words: str, **changes: object) -> SourceDocument:
    blocks = (Block("paragraph", 0, 0, len(words)),)
    return replace(BASE, external_id=name, text=words, blocks=blocks, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def search(database: Database, tmp_path: Path) -> AsyncIterator[Search]:
    settings = Settings(embedded_chat=False, embedded_encoder=False, data_dir=tmp_path)
    yield Search(database, Gateway(settings, database.url), 365)


async def put(database: Database, slug: str, *documents: SourceDocument) -> int:
    collection = await ensure_collection(database, slug, slug, "")
    async with database.session() as session:
        await store(session, collection, [prepare(item, item.text) for item in documents])
    return collection


async def names(search: Search, actor: Actor, query: str, **options: object) -> list[str]:
    result = await search(actor, query, **options)  # type: ignore[arg-type]
    return [hit.document.external_id for hit in result.hits]


async def test_a_permission_is_given_and_taken_at_once(database: Database, search: Search) -> None:
    collection = await put(database, "secret", document("a", "La demande de passeport."))
    group = uuid.uuid4()
    member = Actor("key", frozenset({"search"}), key_id=uuid.uuid4(), groups=frozenset({group}))
    async with database.session() as session:
        await session.execute(
            text("update collection set public = false where id = :id"), {"id": collection}
        )
    assert await names(search, member, "passeport") == []
    with pytest.raises(ChappeError, match="secret"):
        await search(member, "passeport", ["secret"])
    async with database.session() as session:
        await session.execute(
            text("insert into collection_grant values (:c, 'group', :g, 'reader')"),
            {"c": collection, "g": group},
        )
    assert await names(search, member, "passeport") == ["a"]
    async with database.session() as session:
        await session.execute(text("delete from collection_grant"))
    assert await names(search, member, "passeport") == []


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"a", "b", "c"}),
        ({"kinds": ["file"]}, {"b"}),
        ({"kinds": []}, set()),
        ({"since": "2025-01-01"}, {"c"}),
        ({"until": "2024-12-31"}, {"a"}),
        ({"metadata": {"theme": "papiers"}}, {"a", "c"}),
        ({"metadata": {"theme": "papiers", "year": 2025}}, {"c"}),
        ({"metadata": {"year": "2025"}}, set()),
        ({"metadata": {"theme": "papiers"}, "since": "2025-01-01", "kinds": ["fiche"]}, {"c"}),
    ],
)
async def test_filters(
    database: Database, search: Search, filters: dict[str, object], expected: set[str]
) -> None:
    await put(
        database,
        "c",
        document("a", "Le passeport d'un majeur."),
        document("b", "Le passeport d'un mineur.", kind="file", date=None, metadata={}),
        document(
            "c",
            "Le passeport de service.",
            date=dt.date(2025, 5, 1),
            metadata={"theme": "papiers", "year": 2025},
        ),
    )
    chosen = SearchFilters.model_validate(filters)
    assert set(await names(search, SYSTEM, "passeport", filters=chosen)) == expected


async def test_the_article_that_is_asked_for_comes_first(
    database: Database, search: Search
) -> None:
    def article(number: str, words: str) -> SourceDocument:
        return document(number, words, kind="article", metadata={"number": number})

    await put(
        database,
        "code",
        article("L112-3", "Toute demande fait l'objet d'un accusé de réception."),
        article("L112-4", "L'article L112-3 : L112-3 ne s'applique pas, L. 112-3 non plus."),
        *(article(f"R{n}", "Voir l'article L112-3, article L112-3.") for n in range(1, 30)),
    )
    for query in ("article L112-3", "que dit le L. 112-3 ?", "L112-3 accusé"):
        assert (await names(search, SYSTEM, query))[0] == "L112-3", query


async def test_neighbours_come_with_a_hit(database: Database, search: Search) -> None:
    parts = [f"Paragraphe {n} sur la chose numéro {n}. " * 30 for n in range(6)]
    parts[3] = "Le hippocampe nage. " * 30
    starts, at = [], 0
    for part in parts:
        starts.append(at)
        at += len(part.strip()) + 2
    words = "\n\n".join(part.strip() for part in parts)
    blocks = tuple(
        Block("paragraph", 0, start, start + len(part.strip()))
        for start, part in zip(starts, parts, strict=True)
    )
    await put(database, "c", replace(document("a", words), blocks=blocks))
    (hit,) = (await search(SYSTEM, "hippocampe", limit=1, neighbours=1)).hits
    before, after = hit.neighbours
    assert before.end <= hit.passage.start < hit.passage.end <= after.start
    assert words[before.start : before.end] == before.text
    assert (await search(SYSTEM, "hippocampe", limit=1)).hits[0].neighbours == []
