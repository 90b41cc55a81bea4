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
