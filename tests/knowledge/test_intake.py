"""From a file to a document that is found: states, versions, removal, and kills in between."""

import asyncio
import uuid
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge import loads
from chappe.knowledge.intake import Incoming, receive
from chappe.knowledge.originals import Originals
from chappe.knowledge.removal import remove_documents
from chappe.knowledge.work import DocumentWork


@dataclass
class Desk:
    """A collection, its blob store, and a worker that can be started and stopped."""

    database: Database
    settings: Settings
    gateway: Gateway
    originals: Originals
    collection_id: int
    folder: Path
    work: DocumentWork | None = None

    async def give(self, name: str, content: bytes, **more: Any) -> tuple[uuid.UUID, str]:
        path = self.folder / "given"
        path.write_bytes(content)
        item = Incoming(self.collection_id, name, name, path)
        return await receive(self.database, self.originals, replace(item, **more))

    def start(self) -> None:
        self.work = DocumentWork(
            self.settings, self.database, self.gateway, self.gateway.connections, self.originals
        )
        self.work.start()

    async def stop(self) -> None:
        if self.work is not None:
            await self.work.stop()
            self.work = None

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.database.session() as session:
            return [tuple(row) for row in await session.execute(text(query), values)]

    async def states(self) -> dict[str, str]:
        return dict(await self.rows("select name, state from document"))

    async def settled(self) -> dict[str, str]:
        await until(lambda: self._idle())
        return await self.states()

    async def _idle(self) -> bool:
        return not await self.rows("select 1 from document where awaits is not null limit 1")

    def blobs(self) -> list[Path]:
        return [p for p in (self.settings.data_dir / "blobs").rglob("*") if p.is_file()]


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.03)


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    settings = Settings(embedded_chat=False, embedded_encoder=False, data_dir=tmp_path)
    gateway = Gateway(settings, database.url)
    await gateway.start(())
    async with database.session() as session:
        collection_id = await session.scalar(
            text(
                "insert into collection (slug, title, public) values ('c', 'C', true) returning id"
            )
        )
    assert isinstance(collection_id, int)
    made = Desk(database, settings, gateway, Originals(settings), collection_id, tmp_path)
    yield made
    await made.stop()
    await gateway.stop()


async def test_a_file_is_kept_read_and_found(desk: Desk) -> None:
    document_id, outcome = await desk.give("note.txt", "Le télétravail est ouvert.".encode())
    assert outcome == "added"
    assert await desk.states() == {"note.txt": "received"}
    desk.start()
    assert await desk.settled() == {"note.txt": "ready"}
    [(body, found)] = await desk.rows(
        "select v.text, (select count(*) from passage p where p.version_id = v.id)"
        " from document_version v where v.document_id = :id",
        id=document_id,
    )
    assert body == "Le télétravail est ouvert." and found == 1
    assert [p.read_bytes().decode() for p in desk.blobs()] == [body]


async def test_the_same_again_changes_nothing_and_another_is_a_version(desk: Desk) -> None:
    desk.start()
    first, _ = await desk.give("a.txt", b"one")
    await desk.settled()
    assert await desk.give("a.txt", b"one") == (first, "unchanged")
    assert await desk.give("a.txt", b"two") == (first, "changed")
    await desk.settled()
    rows = await desk.rows(
        "select number, text, superseded_at is null, (select count(*) from passage p"
        " where p.version_id = v.id) from document_version v order by number"
    )
    assert rows == [(1, "one", False, 0), (2, "two", True, 1)]
    assert len(desk.blobs()) == 2


async def test_what_cannot_be_read_says_so_and_is_not_served(desk: Desk) -> None:
    desk.start()
    await desk.give("a.txt", b"one")
    await desk.settled()
    await desk.give("a.txt", b"")
    assert await desk.settled() == {"a.txt": "failed"}
    [(reason,)] = await desk.rows("select reason from document")
    assert reason["code"] == "reading.empty"
    assert await desk.rows("select 1 from passage") == []


async def test_what_is_removed_is_out_of_search_at_once_then_gone(desk: Desk) -> None:
    desk.start()
    document_id, _ = await desk.give("a.txt", b"one")
    await desk.settled()
    await desk.stop()
    async with desk.database.session() as session:
        assert await remove_documents(session, [document_id]) == 1
    assert await desk.rows("select 1 from passage") == []
    assert await desk.states() == {"a.txt": "to_be_deleted"}
    again, outcome = await desk.give("a.txt", b"one")
    assert again != document_id and outcome == "added"
    desk.start()
    assert await desk.settled() == {"a.txt": "ready"}
    assert len(desk.blobs()) == 1
    assert await desk.rows("select passages from collection") == [(1,)]


async def test_an_archive_s_files_become_documents_and_go_with_it(desk: Desk) -> None:
    def archive(**files: str) -> bytes:
        path = desk.folder / "a.zip"
        with zipfile.ZipFile(path, "w") as made:
            for name, content in files.items():
                made.writestr(f"{name}.txt", content)
        return path.read_bytes()

    desk.start()
    document_id, _ = await desk.give("a.zip", archive(un="premier", deux="second"))
    assert await desk.settled() == {"a.zip": "ready", "un.txt": "ready", "deux.txt": "ready"}
    await desk.give("a.zip", archive(un="premier"))
    assert await desk.settled() == {"a.zip": "ready", "un.txt": "ready"}
    async with desk.database.session() as session:
        await remove_documents(session, [document_id])
    assert await desk.settled() == {}
    assert desk.blobs() == []


async def test_a_load_tells_how_far_it_is_and_when_it_is_done(desk: Desk) -> None:
    async with desk.database.session() as session:
        load_id = await loads.open_load(session, desk.collection_id, "upload", "page")
    for number in range(3):
        await desk.give(f"{number}.txt", f"texte {number}".encode(), load_id=load_id)
    await desk.give("0.txt", b"texte 0", load_id=load_id)
    async with desk.database.session() as session:
        await loads.listed(session, load_id)
    assert await desk.rows("select state, found, added from load") == [("running", 4, 4)]
    desk.start()

    async def done() -> bool:
        return await desk.rows("select state from load") == [("done",)]

    await until(done)


async def test_a_collection_that_goes_takes_nothing_in(desk: Desk) -> None:
    await desk.rows("update collection set removed_at = now() returning 1")
    with pytest.raises(ChappeError, match="collection"):
        await desk.give("a.txt", b"one")
    desk.start()

    async def gone() -> bool:
        return not await desk.rows("select 1 from collection")

    await until(gone)
    assert desk.blobs() == []


async def test_the_same_file_from_several_at_once_is_one_document(desk: Desk) -> None:
    async def give(content: bytes, place: int) -> tuple[uuid.UUID, str]:
        path = desk.folder / f"given{place}"
        path.write_bytes(content)
        item = Incoming(desk.collection_id, "a.txt", "a.txt", path)
        return await receive(desk.database, desk.originals, item)

    given = await asyncio.gather(*(give(b"one", place) for place in range(5)))
    assert len({document for document, _ in given}) == 1
    assert sorted(outcome for _, outcome in given) == ["added", *["unchanged"] * 4]
    assert len(desk.blobs()) == 1
    two = await asyncio.gather(*(give(f"two {place}".encode(), place) for place in range(3)))
    assert [outcome for _, outcome in two] == ["changed"] * 3
    desk.start()
    assert await desk.settled() == {"a.txt": "ready"}
    [(served,)] = await desk.rows(
        "select count(*) from document_version where superseded_at is null and read_at is not null"
    )
    assert served == 1 and len(await desk.rows("select 1 from passage")) == 1


async def test_several_workers_read_each_document_once(desk: Desk) -> None:
    for number in range(20):
        await desk.give(f"{number}.txt", f"texte {number}".encode())
    second = DocumentWork(
        desk.settings, desk.database, desk.gateway, desk.gateway.connections, desk.originals
    )
    desk.start()
    second.start()
    try:
        assert set((await desk.settled()).values()) == {"ready"}
    finally:
        await second.stop()
    assert await desk.rows("select max(attempts) from document") == [(0,)]
    assert await desk.rows("select count(*), count(distinct document_id) from passage") == [
        (20, 20)
    ]


async def test_a_worker_that_stops_gives_back_what_it_was_reading(desk: Desk) -> None:
    for number in range(30):
        await desk.give(f"{number}.txt", f"texte {number}".encode())
    desk.start()

    async def begun() -> bool:
        return len(await desk.rows("select 1 from document where state = 'ready'")) >= 3

    await until(begun)
    await desk.stop()
    states = set((await desk.states()).values())
    assert states == {"ready", "received"}, "nothing is left as being read"
    desk.start()
    assert set((await desk.settled()).values()) == {"ready"}


async def test_one_that_no_worker_survives_fails_in_the_end(desk: Desk) -> None:
    await desk.give("a.txt", b"one")
    await desk.rows("update document set state = 'reading', attempts = 5 returning 1")
    desk.start()
    assert await desk.settled() == {"a.txt": "failed"}
    [(reason,)] = await desk.rows("select reason from document")
    assert reason["code"] == "reading.crashed"


async def test_what_stands_in_the_way_is_told_and_tried_again(desk: Desk) -> None:
    await desk.give("a.txt", b"one")
    [blob] = desk.blobs()
    hidden = blob.with_name("elsewhere")
    blob.rename(hidden)
    blob.mkdir()  # the store answers, and not with a file
    desk.start()

    async def told() -> bool:
        rows = await desk.rows("select reason from document where reason is not null")
        return bool(rows)

    await until(told)
    [(state, reason)] = await desk.rows("select state, reason from document")
    assert state in ("received", "failed"), reason
    assert reason["code"] in ("errors.originals_unreachable.title", "reading.original_missing")
    blob.rmdir()
    hidden.rename(blob)
    await desk.rows(
        "update document set state = 'received', awaits = 0, awaits_from = now() returning 1"
    )
    assert await desk.settled() == {"a.txt": "ready"}


async def test_it_is_ready_when_it_is_found_by_meaning_too(
    database: Database, tmp_path: Path
) -> None:
    settings = Settings(embedded_chat=False, data_dir=tmp_path)
    gateway = Gateway(settings, database.url)
    await gateway.start(("embedding",))
    await gateway.wait_ready(120)
    assert gateway.encoder is not None
    async with database.session() as session:
        collection_id = await session.scalar(
            text(
                "insert into collection (slug, title, public) values ('c', 'C', true) returning id"
            )
        )
        # Vectors of a model that this installation had before, and has no more.
        await session.execute(
            text(
                "insert into embedding_generation (model, dimensions, state)"
                " values ('gone', 512, 'serving')"
            )
        )
    assert isinstance(collection_id, int)
    desk = Desk(database, settings, gateway, Originals(settings), collection_id, tmp_path)
    await desk.give("a.txt", "Le télétravail est ouvert aux agents.".encode())
    await desk.give("vide.txt", b"")
    desk.start()
    try:
        assert await desk.settled() == {"a.txt": "ready", "vide.txt": "failed"}
        assert len(await desk.rows("select 1 from embedding")) == 1
        [serving] = await desk.rows(
            "select model from embedding_generation where state = 'serving'"
        )
        assert serving[0] == gateway.encoder.name
    finally:
        await desk.stop()
        await gateway.stop()
