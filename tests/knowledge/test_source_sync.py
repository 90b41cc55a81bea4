"""Runs of sources on a real database: what they bring, keep, remove, refuse, and tell."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import support
from chappe.core.blobs import archive_folder
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.identity.access import SYSTEM
from chappe.knowledge.connectors.specs import FolderSpec, OfficialSpec, S3Spec, WebDavSpec, WebSpec
from chappe.knowledge.loads import read_load
from chappe.knowledge.originals import Originals
from chappe.knowledge.source_admin import SourceAdministration
from chappe.knowledge.source_schemas import NewSource, SourceView
from chappe.knowledge.source_sync import Run, Synchroniser
from knowledge.connectors.serving import Reply, site, webdav
from knowledge.sources.test_legi_xml import CODE, article, daily, place, version_id, whole
from knowledge.sources.test_vosdroits import SHEETS, archive
from samples.build import code as samples_code
from samples.build import legi_archive


async def _quiet(step: str, done: int, total: int | None) -> None:
    pass


class World:
    """A collection, and what runs its sources."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.settings = Settings(
            data_dir=folder / "data", source_networks=["127.0.0.0/8"], source_folders=[folder]
        )
        self.administration = SourceAdministration(self.settings, database)
        self.synchroniser = Synchroniser(self.settings, database, None, Originals(self.settings))

    async def add(self, spec: Any, **values: Any) -> SourceView:
        return await self.administration.add(SYSTEM, "c", NewSource(spec=spec, **values))

    async def run(self, source: SourceView, force: bool = False) -> tuple[int, Run]:
        return await self.synchroniser.run(
            source.id, requested_by="test", progress=_quiet, force=force
        )

    async def documents(self) -> dict[str, str]:
        async with self.database.session() as session:
            rows = await session.execute(text("select external_id, state from document"))
            return {row[0].partition("/")[2]: row[1] for row in rows if row[1] != "to_be_deleted"}

    async def versions(self, name: str) -> int:
        async with self.database.session() as session:
            found = await session.scalar(
                text("""
                    select count(*) from document_version v join document d on d.id = v.document_id
                    where d.external_id like '%/' || :name
                """),
                {"name": name},
            )
        return int(found or 0)


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    async with database.session() as session:
        await session.execute(
            text("insert into collection (slug, title, public) values ('c', 'C', true)")
        )
    return World(database, tmp_path)


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - 3600, time.time() - 3600 + len(content)))


async def test_a_folder_is_kept_in_line(world: World, tmp_path: Path) -> None:
    root = tmp_path / "share"
    for name in ("a.txt", "b.txt", "c.txt", "sub/d.txt"):
        put(root / name, f"Ceci est {name}.")
    source = await world.add(FolderSpec(path=str(root)))
    load_id, run = await world.run(source)
    assert (run.added, run.removed, run.complete) == (4, 0, True)
    assert set(await world.documents()) == {"a.txt", "b.txt", "c.txt", "sub/d.txt"}
    told = await read_load(world.database, SYSTEM, load_id)
    assert (told.origin, told.found, told.added, told.listed) == ("folder", 4, 4, True)

    put(root / "a.txt", "Ceci est a, changé.")
    (root / "b.txt").unlink()
    put(root / "e.txt", "Nouveau.")
    load_id, run = await world.run(source)
    assert (run.added, run.changed, run.unchanged, run.removed) == (1, 1, 2, 1)
    assert set(await world.documents()) == {"a.txt", "c.txt", "e.txt", "sub/d.txt"}
    assert await world.versions("a.txt") == 2
    told = await read_load(world.database, SYSTEM, load_id)
    assert (told.found, told.added, told.changed, told.unchanged, told.removed) == (4, 1, 1, 2, 1)

    # Touched, and the same: nothing is done again.
    os.utime(root / "c.txt")
    os.utime(root / "c.txt", (1, 1))
    _, run = await world.run(source)
    assert (run.changed, run.unchanged) == (0, 4)
    assert await world.versions("c.txt") == 1


async def test_most_is_not_removed_unless_asked(world: World, tmp_path: Path) -> None:
    root = tmp_path / "share"
    for number in range(6):
        put(root / f"{number}.txt", str(number))
    source = await world.add(FolderSpec(path=str(root)))
    await world.run(source)
    for number in range(4):
        (root / f"{number}.txt").unlink()
    load_id, run = await world.run(source)
    assert (run.removed, run.held) == (0, 4)
    assert len(await world.documents()) == 6
    assert (await read_load(world.database, SYSTEM, load_id)).detail["held"] == 4
    # It isn't mounted, or it is empty: nothing goes either.
    shutil.rmtree(root)
    with pytest.raises(ChappeError) as refused:
        await world.run(source)
    assert refused.value.code == "source_missing"
    root.mkdir()
    _, run = await world.run(source)
    assert (run.removed, run.held) == (0, 6)
    _, run = await world.run(source, force=True)
    assert (run.removed, run.held) == (6, 0)
    assert await world.documents() == {}


async def test_why_a_run_failed_is_told(world: World, tmp_path: Path) -> None:
    source = await world.add(FolderSpec(path=str(tmp_path / "absent")), every_seconds=3600)
    with pytest.raises(ChappeError):
        await world.run(source)
    view = await world.administration.read(SYSTEM, source.id)
    assert view.last is not None
    assert view.last.state == "failed"
    assert view.last.detail["reason"]["code"] == "errors.source_missing"
    # The next one is an hour away.
    assert view.next_run_at is not None and source.next_run_at is not None
    assert (view.next_run_at - source.next_run_at).total_seconds() > 3000


async def test_a_run_that_is_cut_goes_on(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "share"
    for number in range(10):
        put(root / f"{number}.txt", f"numéro {number}")
    source = await world.add(FolderSpec(path=str(root)))

    from chappe.knowledge import source_sync

    original, count = source_sync.receive, 0

    async def cut(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 5:
            raise asyncio.CancelledError
        return await original(*arguments)

    monkeypatch.setattr(source_sync, "receive", cut)
    with pytest.raises(asyncio.CancelledError):
        await world.run(source)
    monkeypatch.setattr(source_sync, "receive", original)
    async with world.database.session() as session:
        first = await session.scalar(text("select id from load where state = 'running'"))
    load_id, run = await world.run(source)
    assert load_id == first
    assert (run.added, run.unchanged) == (6, 4)
    assert len(await world.documents()) == 10


async def test_one_runner_at_a_time(world: World, tmp_path: Path) -> None:
    put(tmp_path / "share" / "a.txt", "a")
    source = await world.add(FolderSpec(path=str(tmp_path / "share")))
    results = await asyncio.gather(*(world.run(source) for _ in range(3)), return_exceptions=True)
    busy = [r for r in results if isinstance(r, ChappeError) and r.code == "source_busy"]
    done = [r for r in results if not isinstance(r, BaseException)]
    assert len(done) + len(busy) == 3 and done
    assert len(await world.documents()) == 1


async def test_webdav_with_its_sealed_secret(world: World, tmp_path: Path) -> None:
    share = tmp_path / "dav"
    put(share / "é.txt", "un")
    with webdav(share, {"chappe": "secret-é"}) as url:
        source = await world.add(WebDavSpec(url=url, user="chappe"), secret="secret-é")
        assert source.has_secret
        _, run = await world.run(source)
    assert run.added == 1
    async with world.database.session() as session:
        stored = await session.scalar(text("select secret from source"))
        told = await session.scalar(text("select string_agg(detail::text, ' ') from audit_entry"))
    assert b"secret-" not in bytes(stored)
    assert "secret-é" not in str(told)


async def test_a_site_and_what_fails_in_it(world: World) -> None:
    with site() as web:
        web.page("/", "/a", "/b")
        web.page("/a")
        web.pages["/b"] = Reply(status=500)
        source = await world.add(WebSpec(url=web.url, delay=0.1))
        load_id, run = await world.run(source)
        assert (run.added, run.refused, run.complete) == (2, 1, False)
        detail = (await read_load(world.database, SYSTEM, load_id)).detail
        assert detail["failures"][0]["item"].endswith("/b")
        assert detail["complete"] is False
        assert detail["failures"][0]["values"]["reason"]["values"] == {"status": 500}
        # What can't be seen now isn't gone.
        web.page("/b")
        await world.run(source)
        web.pages["/b"] = Reply(status=500)
        _, run = await world.run(source)
        assert run.removed == 0
        del web.pages["/b"]
        _, run = await world.run(source)
        assert run.removed == 1


async def test_official_archives_in_xml(world: World, tmp_path: Path) -> None:
    files = {f"{name}.xml": raw for name, raw in SHEETS.items()}
    path = archive(tmp_path / "vosdroits.zip", files)
    source = await world.add(OfficialSpec(format="vosdroits", location=str(path)))
    load_id, run = await world.run(source)
    assert (run.added, run.held) == (2, 0)
    told = await read_load(world.database, SYSTEM, load_id)
    assert (told.origin, told.state, told.added) == ("official", "done", 2)
    _, run = await world.run(source)
    assert (run.added, run.unchanged) == (0, 2)


async def test_all_versions_of_the_law_are_kept(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "legi"
    folder.mkdir()
    both = (10, 20)
    whole(
        folder,
        {
            place(version_id(10)): article(10, "L1", "2010-01-01", "2020-03-01", versions=both),
            place(version_id(20)): article(
                20, "L1", "2020-03-01", versions=both, body="<p>Deux mois.</p>"
            ),
            place(version_id(30)): article(30, "L2", "2010-01-01"),
        },
    )
    source = await world.add(OfficialSpec(format="legi", location=str(folder), codes=[CODE]))
    _, run = await world.run(source)
    assert run.added == 3
    three = (10, 20, 25)
    daily(
        folder,
        "20260702-210000",
        {
            place(version_id(20)): article(
                20, "L1", "2020-03-01", "2026-09-01", versions=three, body="<p>Deux mois.</p>"
            ),
            place(version_id(25)): article(
                25, "L1", "2026-09-01", versions=three, body="<p>Trois mois.</p>"
            ),
        },
        deleted=[place(version_id(30))],
    )
    _, run = await world.run(source)
    assert (run.added, run.changed, run.unchanged, run.removed) == (1, 1, 1, 1)
    async with world.database.session() as session:
        rows = await session.execute(
            text("""
                select d.external_id, v.source_version, v.valid_from::text, v.valid_to::text,
                       (select bool_and(p.valid_to is not distinct from v.valid_to)
                        from passage p where p.version_id = v.id)
                from document d join document_version v on v.document_id = d.id
                where v.superseded_at is null order by v.valid_from
            """)
        )
        assert [tuple(row) for row in rows] == [
            (version_id(10), version_id(10), "2010-01-01", "2020-03-01", True),
            (version_id(10), version_id(20), "2020-03-01", "2026-09-01", True),
            (version_id(10), version_id(25), "2026-09-01", None, True),
        ]


async def test_a_corpus_of_the_catalogue_without_a_registry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a closed network the archive that is there is read, and the report says why."""
    monkeypatch.setenv("PATH", "/nowhere")
    source = await world.add(OfficialSpec(name="code-crpa"))
    with pytest.raises(ChappeError) as refused:
        await world.run(source)
    assert refused.value.code == "npm_missing"
    support.place_corpora(world.settings.data_dir.parent)
    load_id, run = await world.run(source)
    assert run.added > 0
    detail = (await read_load(world.database, SYSTEM, load_id)).detail
    assert detail["kept"]["code"] == "errors.npm_missing"
    # A newer archive: the version that was in force before stays, and ends where the new begins.
    code = json.loads(samples_code(support.CRPA))
    newer = _first_article(code)
    newer |= {"id": "LEGIARTI000099999999", "texteHtml": "<p>Nouveau.</p>"}
    newer["dateDebut"] = 1_767_225_600_000  # 2026-01-01
    folder = archive_folder(world.settings)
    legi_archive(folder / "socialgouv-legi-data.tgz", support.CRPA, json.dumps(code).encode())
    _, run = await world.run(source)
    assert (run.added, run.changed, run.removed) == (1, 0, 0)
    async with world.database.session() as session:
        rows = await session.execute(
            text("""
                select v.source_version, v.valid_to::text from document_version v
                join document d on d.id = v.document_id
                where d.external_id = :cid and v.superseded_at is null order by v.valid_from
            """),
            {"cid": newer["cid"]},
        )
        found = [tuple(row) for row in rows]
    assert found[-1] == ("LEGIARTI000099999999", None)
    assert len(found) == 2 and found[0][1] == "2026-01-01"


def _first_article(node: dict[str, Any]) -> dict[str, Any]:
    while node["type"] != "article":
        node = next(child for child in node["children"] if child["type"] != "section"
                    or child.get("children"))  # fmt: skip
    data: dict[str, Any] = node["data"]
    return data


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (lambda outside: FolderSpec(path=str(outside)), "source_folder"),
        (lambda outside: FolderSpec(path="/etc"), "source_folder"),
        (
            lambda outside: OfficialSpec(format="vosdroits", location="/etc/passwd"),
            "source_folder",
        ),
        (lambda outside: OfficialSpec(format="legi", location="https://a.fr/"), "source_codes"),
        (lambda outside: OfficialSpec(), "source_official"),
        (lambda outside: OfficialSpec(name="code-inconnu"), "unknown_source"),
        (lambda outside: S3Spec(bucket="documents"), ""),
    ],
)
async def test_what_may_be_added_by_who_has_not_the_machine(
    world: World, tmp_path: Path, spec: Callable[[Path], Any], code: str
) -> None:
    from chappe.identity.access import Actor

    operator = Actor("key", frozenset({"operate", "search"}))
    link = tmp_path / "link"
    link.symlink_to("/etc")
    new = NewSource(spec=spec(link))
    if not code:
        assert (await world.administration.add(operator, "c", new)).id
        return
    with pytest.raises(ChappeError) as refused:
        await world.administration.add(operator, "c", new)
    assert refused.value.code == code
