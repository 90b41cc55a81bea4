"""The index follows the database: what is committed is found, what went away isn't, whatever
happens to files and processes."""

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from chappe.core.database import Database
from chappe.knowledge import generations
from chappe.knowledge.analysis import terms
from chappe.knowledge.document import Block, SourceDocument
from chappe.knowledge.index import bm25, dense, lexical
from chappe.knowledge.index.follower import Index
from chappe.knowledge.index.rows import Scope
from chappe.knowledge.indexing import prepare, reanalyse
from chappe.knowledge.synchronise import ensure_collection
from chappe.knowledge.vectors import literal
from chappe.knowledge.versions import remove, store

TODAY = dt.date(2026, 11, 24)


def document(
    name: str,
    words: str,
    valid_from: dt.date | None = None,
    valid_to: dt.date | None = None,
) -> SourceDocument:
    return SourceDocument(
        name, "fiche", f"Titre {name}", "", None, None, (), words,
        (Block("paragraph", 0, 0, len(words)),), {}, valid_from, valid_to,
    )  # fmt: skip


async def put(database: Database, collection: int, *documents: SourceDocument) -> None:
    async with database.session() as session:
        await store(session, collection, [prepare(item, item.text) for item in documents])


async def last(database: Database) -> int:
    async with database.session() as session:
        result = await session.execute(text("select coalesce(max(seq), 0) from index_event"))
        return int(result.scalar_one())


async def found(
    database: Database, index: Index, query: str, *collections: int, on: dt.date = TODAY
) -> set[str]:
    """Names of the documents that a query finds, as the index has them."""
    snapshot = await index.current(await last(database))
    scope = Scope(frozenset(collections), on)
    seen = [segment.seen(scope) for segment in snapshot.lexical]
    best = lexical.search(seen, dict.fromkeys(terms(query), 1.0), 100, bm25.DEFAULT)
    async with database.session() as session:
        rows = await session.execute(
            text(
                "select p.id, d.external_id from passage p join document d on d.id = p.document_id"
                " where p.id = any(:ids)"
            ),
            {"ids": [key for key, _ in best]},
        )
        names = {row[0]: row[1] for row in rows}
    assert len(names) == len(best), "the index holds passages that the database doesn't"
    return set(names.values())


@asynccontextmanager
async def opened(database: Database, folder: Path | None) -> AsyncIterator[Index]:
    index = Index(database, folder)
    await index.ready()
    try:
        yield index
    finally:
        await index.stop()


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("*/rows.bin"))


@pytest.fixture
async def collection(database: Database) -> int:
    return await ensure_collection(database, "c", "C", "")


async def test_what_is_committed_is_found_at_once(database: Database, collection: int) -> None:
    async with opened(database, None) as index, opened(database, None) as other:
        assert await found(database, index, "passeport", collection) == set()
        await put(database, collection, document("a", "passeport"), document("b", "passeport"))
        for follower in (index, other):
            assert await found(database, follower, "passeport", collection) == {"a", "b"}
            assert await found(database, follower, "passeport", collection + 1) == set()
        await put(database, collection, document("a", "permis"))
        async with database.session() as session:
            await remove(session, collection, [("b", None)])
        for follower in (index, other):
            assert await found(database, follower, "passeport", collection) == set()
            assert await found(database, follower, "permis", collection) == {"a"}
        async with database.session() as session:
            await session.execute(text("delete from collection"))
        assert await found(database, index, "permis", collection) == set()


async def test_a_transaction_that_began_first_and_ends_last_is_not_missed(
    database: Database, collection: int
) -> None:
    second = await ensure_collection(database, "d", "D", "")
    async with opened(database, None) as index:
        async with database.session() as slow:
            await store(slow, collection, [prepare(document("slow", "passeport"), "h")])
            await put(database, second, document("quick", "passeport"))
            assert await found(database, index, "passeport", collection, second) == {"quick"}
        assert await found(database, index, "passeport", collection, second) == {"quick", "slow"}


async def test_a_rolled_back_transaction_leaves_nothing(
    database: Database, collection: int
) -> None:
    async with opened(database, None) as index:
        with pytest.raises(RuntimeError):
            async with database.session() as session:
                await store(session, collection, [prepare(document("a", "passeport"), "h")])
                raise RuntimeError
        assert await found(database, index, "passeport", collection) == set()
        await put(database, collection, document("b", "passeport"))
        assert await found(database, index, "passeport", collection) == {"b"}


async def test_dates_of_the_law(database: Database, collection: int) -> None:
    begins = dt.date(2020, 1, 1)
    async with opened(database, None) as index:
        await put(database, collection, document("a", "passeport", begins))
        day_before = begins - dt.timedelta(days=1)
        assert await found(database, index, "passeport", collection, on=begins) == {"a"}
        assert await found(database, index, "passeport", collection, on=day_before) == set()
        async with database.session() as session:
            await session.execute(text("update passage set valid_to = '2022-01-01'"))
        assert await found(database, index, "passeport", collection) == set()
        until = dt.date(2021, 12, 31)
        assert await found(database, index, "passeport", collection, on=until) == {"a"}


async def test_it_is_opened_again_and_catches_up(
    database: Database, collection: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await put(database, collection, *(document(f"n{n}", "passeport") for n in range(40)))
    async with opened(database, tmp_path) as index:
        assert len(await found(database, index, "passeport", collection)) == 40
    async with database.session() as session:
        await remove(session, collection, [("n3", None)])
    await put(database, collection, document("new", "passeport"))
    caplog.clear()
    async with opened(database, tmp_path) as index, opened(database, tmp_path) as reader:
        for one in (index, reader):
            names = await found(database, one, "passeport", collection)
            assert "n3" not in names and "new" in names and len(names) == 40
    assert "index_unusable" not in caplog.text


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "manifest", "history"])
async def test_what_is_damaged_is_made_anew(
    database: Database,
    collection: int,
    tmp_path: Path,
    harm: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await put(database, collection, *(document(f"n{n}", "passeport") for n in range(30)))
    async with opened(database, tmp_path) as index:
        await found(database, index, "passeport", collection)
    (file,) = _files(tmp_path)
    if harm == "flip":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif harm == "cut":
        os.truncate(file, 4)
    elif harm == "remove":
        file.unlink()
    elif harm == "manifest":
        manifest = tmp_path / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"seq": ', '"seq": 1'))
    else:
        async with database.session() as session:
            await session.execute(text("update index_event set token = gen_random_uuid()"))
    async with opened(database, tmp_path) as index:
        assert len(await found(database, index, "passeport", collection)) == 30
    assert "index_unusable" in caplog.text


_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from chappe.core.database import Database
from chappe.knowledge.index import follower, segments, store

async def main(url, folder, point):
    database = Database(url, 2)
    index = follower.Index(database, Path(folder))
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)
    if point == "merge":
        follower._LARGE = 0
        real = store.Store.allocate
        def allocate(self, folder):
            make = real(self, folder)
            return lambda name, *rest: die() if name == "frequencies" else make(name, *rest)
        store.Store.allocate = allocate
    elif point == "manifest":
        store.os.replace = die
    elif point == "sweep":
        store.Store._sweep = die
    await index.ready()
    await index.current(10**9)
    await index.stop()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("point", ["merge", "manifest", "sweep"])
async def test_a_kill_while_it_is_written_loses_nothing(
    database: Database, database_url: str, collection: int, tmp_path: Path, point: str
) -> None:
    for n in range(6):
        await put(database, collection, document(f"n{n}", "passeport"))
    if point != "merge":
        async with opened(database, tmp_path) as index:
            await found(database, index, "passeport", collection)
        async with database.session() as session:
            # As after an upgrade: everything has to be made again.
            await session.execute(text("update index_state set identity = gen_random_uuid()"))
    code = _KILLED
    if point == "merge":
        code = code.replace("await index.ready()", "follower._AT_ONCE = 1\n    await index.ready()")
    process = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, database_url, str(tmp_path), point],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    async with opened(database, tmp_path) as index:
        assert await found(database, index, "passeport", collection) == {f"n{n}" for n in range(6)}
    assert len(_files(tmp_path)) == len(index.snapshot.lexical)  # type: ignore[union-attr]


async def test_background_merges_leave_few_segments(
    database: Database, collection: int, tmp_path: Path
) -> None:
    index = Index(database, tmp_path)
    await index.follow()
    try:
        await index.ready()
        for n in range(70):
            await put(database, collection, document(f"n{n}", "passeport"))
            if n % 5 == 0:
                await found(database, index, "passeport", collection)
        assert len(await found(database, index, "passeport", collection)) == 70
        assert index.snapshot is not None
        assert len(index.snapshot.lexical) <= 12
    finally:
        await index.stop()


async def _vectors(database: Database, generation: int, dimensions: int) -> None:
    async with database.session() as session:
        rows = (await session.execute(text("select id from passage order by id"))).all()
        for row in rows:
            vector = np.zeros(dimensions, "<f4")
            vector[row[0] % dimensions] = 1
            await session.execute(
                text("insert into embedding values (:p, cast(:v as halfvec), :g)"),
                {"p": row[0], "v": literal(vector.tobytes()), "g": generation},
            )


async def _generation(database: Database, state: str, dimensions: int) -> int:
    async with database.session() as session:
        result = await session.execute(
            text(
                "insert into embedding_generation (model, dimensions, state)"
                " values ('m', :d, :state) returning id"
            ),
            {"d": dimensions, "state": state},
        )
        return int(result.scalar_one())


async def test_a_generation_serves_until_the_next_is_complete(
    database: Database, collection: int
) -> None:
    await put(database, collection, *(document(f"n{n}", "passeport") for n in range(9)))
    old = await _generation(database, "serving", 8)
    await _vectors(database, old, 8)
    new = await _generation(database, "filling", 4096)
    assert not await generations.take_over(database, new)
    async with opened(database, None) as index:
        scope = Scope(frozenset({collection}), TODAY)
        snapshot = await index.current(await last(database))
        query = np.eye(8, dtype=np.float32)[3]
        seen = [segment.seen(scope) for segment in snapshot.vectors(old)]
        ranked = dense.search(seen, query, 5)
        assert ranked[0][1] == pytest.approx(1.0) and ranked[0][0] % 8 == 3
        assert snapshot.vectors(new) == ()
        await _vectors(database, new, 4096)
        assert await generations.take_over(database, new)
        snapshot = await index.current(await last(database))
        await put(database, collection, document("more", "passeport"))
        snapshot = await index.current(await last(database))
        assert snapshot.vectors(old) == ()
        assert sum(segment.size for segment in snapshot.vectors(new)) == 9
    async with database.session() as session:
        assert [g.id for g in await generations.active(session)] == [new]
        left = await session.execute(text("select distinct generation_id from embedding"))
        assert left.scalars().all() == [new]


async def test_terms_of_an_earlier_analysis_are_computed_anew(
    database: Database, collection: int
) -> None:
    await put(database, collection, document("a", "passeport"), document("b", "permis"))
    async with database.session() as session:
        before = (await session.execute(text("select id, terms from passage order by 1"))).all()
        await session.execute(text("update passage set analysis = 0, terms = ''"))
    async with opened(database, None) as index:
        assert await found(database, index, "passeport", collection) == {"a"}
    async with database.session() as session:
        assert await reanalyse(session, 10) == 0
        after = (await session.execute(text("select id, terms from passage order by 1"))).all()
    assert after == before
