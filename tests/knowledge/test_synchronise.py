"""Loading: only what changed, what went away, and on from where it was cut."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

import support
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import SYSTEM
from chappe.knowledge.catalogue import SOURCES
from chappe.knowledge.search import Search
from chappe.knowledge.sources.archive import SourceItem
from chappe.knowledge.synchronise import SyncReport, ensure_collection, synchronise
from samples.build import fiches_archive, legi_archive


async def _quiet(step: str, done: int, total: int | None) -> None:
    pass


async def _load(
    database: Database, items: list[SourceItem] | Iterator[SourceItem], complete: bool = True
) -> SyncReport:
    collection = await ensure_collection(database, "c", "C", "test")
    return await synchronise(
        database, None, collection, items, total=None, complete=complete, progress=_quiet
    )


@pytest.fixture
def sheets(tmp_path: Path) -> list[SourceItem]:
    archive = tmp_path / "fiches.tgz"
    fiches_archive(archive)
    return list(SOURCES["fiches-particuliers"].read(archive, False))


async def _state(database: Database) -> dict[str, object]:
    """Everything derived, without identifiers, and the collection's own count."""
    async with database.session() as session:
        passages = await session.execute(
            text("""
                select d.external_id, p.ordinal, p.start_at, p.end_at, p.terms,
                       p.body_length, p.context_length
                from passage p join document d on d.id = p.document_id order by 1, 2
            """)
        )
        counted = await session.execute(
            text("""
                select c.passages, count(p.id)
                from collection c left join passage p on p.collection_id = c.id group by c.id
            """)
        )
        row = counted.one()
        assert row[0] == row[1], "the collection's count has drifted"
        return {"passages": [tuple(r) for r in passages]}


async def test_loading_again_changes_only_what_changed(
    database: Database, sheets: list[SourceItem]
) -> None:
    first = await _load(database, sheets)
    assert first.added == len(sheets) > 5
    before = await _state(database)
    async with database.session() as session:
        ids = dict((await session.execute(text("select external_id, id from document"))).all())

    again = await _load(database, sheets)
    assert (again.added, again.changed, again.unchanged) == (0, 0, len(sheets))

    changed = replace(sheets[0], content_hash="another")
    report = await _load(database, [changed, *sheets[1:]])
    assert (report.changed, report.unchanged) == (1, len(sheets) - 1)
    assert await _state(database) == before
    async with database.session() as session:
        now = dict((await session.execute(text("select external_id, id from document"))).all())
        versions = await session.scalar(text("select count(*) from document_version"))
    assert now == ids, "a document that changes keeps its identity"
    assert versions == len(sheets), "read anew, it said the same: no version more"


async def test_what_a_document_said_before_stays_readable(
    database: Database, sheets: list[SourceItem]
) -> None:
    await _load(database, sheets)
    parse = sheets[0].parse
    changed = replace(
        sheets[0],
        content_hash="another",
        parse=lambda: replace(parse(), text=parse().text.replace("e", "é")),
    )
    await _load(database, [changed, *sheets[1:]])
    async with database.session() as session:
        rows = (
            await session.execute(
                text("""
                    select v.number, v.text, v.superseded_at is not null as superseded,
                           (select count(*) from passage p where p.version_id = v.id) as passages
                    from document_version v join document d on d.id = v.document_id
                    where d.external_id = :name order by v.number
                """),
                {"name": sheets[0].external_id},
            )
        ).all()
    assert [(row.number, row.superseded, row.passages > 0) for row in rows] == [
        (1, True, False),
        (2, False, True),
    ]
    assert rows[0].text == parse().text
    await _state(database)


async def test_what_went_away_is_removed(database: Database, sheets: list[SourceItem]) -> None:
    await _load(database, sheets)
    partial = await _load(database, sheets[2:], complete=False)
    assert partial.removed == 0
    report = await _load(database, sheets[2:])
    assert report.removed == 2
    await _state(database)


async def test_a_load_that_is_cut_goes_on(database: Database, sheets: list[SourceItem]) -> None:
    many = [
        replace(item, external_id=f"{item.external_id}-{copy}")
        for copy in range(4)
        for item in sheets
    ]

    def unique(item: SourceItem) -> SourceItem:
        parse, name = item.parse, item.external_id
        return replace(item, parse=lambda: replace(parse(), external_id=name))

    items = [unique(item) for item in many]

    def cut() -> Iterator[SourceItem]:
        yield from items[:30]
        raise ChappeError("download_failed", 502, package="p", reason="cut")

    with pytest.raises(ChappeError):
        await _load(database, cut())
    async with database.session() as session:
        kept = await session.scalar(text("select count(*) from document"))
    assert kept == 20, "whole batches are kept"
    report = await _load(database, items)
    assert (report.unchanged, report.added) == (20, len(items) - 20)
    await _state(database)


async def test_a_bad_sheet_is_named(database: Database, sheets: list[SourceItem]) -> None:
    def broken() -> object:
        raise ChappeError("archive_broken", 503, name="F1", reason="bad")

    with pytest.raises(ChappeError):
        await _load(database, [replace(sheets[0], parse=broken)])  # type: ignore[arg-type]


async def test_the_right_article_is_found_by_its_number(database: Database, tmp_path: Path) -> None:
    from chappe.core.settings import Settings
    from chappe.gateway import Gateway

    archive = tmp_path / "legi.tgz"
    legi_archive(archive, support.CRPA)
    items = list(SOURCES["code-crpa"].read(archive, False))
    await _load(database, items)
    search = Search(
        database, Gateway(Settings(embedded_chat=False, data_dir=tmp_path), database), 365
    )
    for item in items[:6]:
        document = item.parse()
        number = str(document.metadata["number"])
        query = f"que dit l'article {number} ?"
        result = await search(SYSTEM, query, ["c"], 3, date=document.date)
        assert result.hits[0].document.external_id == document.external_id, number
        assert result.dense is False
