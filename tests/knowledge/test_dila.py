"""DILA's archives from an address: fetched once, older ones deleted, and only when they changed."""

import os
from pathlib import Path

import pytest

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.knowledge import dila
from chappe.knowledge.sources.legi_xml import archives
from knowledge.connectors.serving import Reply, site
from knowledge.sources.test_legi_xml import article, daily, place, version_id, whole


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, source_networks=["127.0.0.0/8"])


async def test_legi_archives_that_a_page_lists(tmp_path: Path) -> None:
    published, fetched = tmp_path / "published", tmp_path / "fetched"
    published.mkdir()
    whole(published, {place(version_id(1)): article(1, "L1", "2010-01-01")}, "20250701-140000")
    whole(published, {place(version_id(2)): article(2, "L2", "2010-01-01")})
    daily(published, "20260630-210000", {})
    daily(published, "20260702-210000", {})
    with site() as web:

        def publish() -> None:
            names = sorted(os.listdir(published))
            web.page("/LEGI/", *names, "notice.pdf", "../JORF/")
            for name in names:
                web.pages[f"/LEGI/{name}"] = Reply((published / name).read_bytes())

        publish()
        folder = await dila.legi_folder(settings(tmp_path), web.url + "/LEGI/", fetched)
        assert sorted(os.listdir(folder)) == [
            "Freemium_legi_global_20260701-140000.tar.gz",
            "LEGI_20260702-210000.tar.gz",
        ]
        assert len(archives(folder)) == 2
        web.requests.clear()
        daily(published, "20260703-210000", {})
        publish()
        await dila.legi_folder(settings(tmp_path), web.url + "/LEGI/", fetched)
        assert web.paths() == ["/LEGI/", "/LEGI/LEGI_20260703-210000.tar.gz"]
        # A new whole base takes the place of all.
        whole(published, {place(version_id(3)): article(3, "L3", "2010-01-01")}, "20270101-000000")
        publish()
        await dila.legi_folder(settings(tmp_path), web.url + "/LEGI/", fetched)
        assert os.listdir(fetched) == ["Freemium_legi_global_20270101-000000.tar.gz"]

        web.page("/empty/", "notice.pdf")
        with pytest.raises(ChappeError) as refused:
            await dila.legi_folder(settings(tmp_path), web.url + "/empty/", fetched)
        assert refused.value.code == "source_unreachable"
        assert len(os.listdir(fetched)) == 1


async def test_an_archive_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    with site() as web:

        def answer(headers: dict[str, str]) -> Reply:
            if headers.get("if-none-match") == '"1"':
                return Reply(status=304)
            return Reply(b"archive", headers={"etag": '"1"'})

        web.pages["/vosdroits.zip"] = answer
        address = web.url + "/vosdroits.zip"
        first = await dila.archive(settings(tmp_path), address, tmp_path / "a")
        again = await dila.archive(settings(tmp_path), address, tmp_path / "a")
        assert first == again and first.read_bytes() == b"archive"
        assert [h.get("if-none-match") for _, h in web.requests] == [None, '"1"']
        web.pages["/vosdroits.zip"] = Reply(status=404)
        with pytest.raises(ChappeError) as refused:
            await dila.archive(settings(tmp_path), address, tmp_path / "a")
        assert refused.value.code == "source_missing"
        assert first.read_bytes() == b"archive"


async def test_what_lies_on_the_machine(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"x")
    here = str(tmp_path / "a.zip")
    assert await dila.archive(settings(tmp_path), here, tmp_path / "b") == tmp_path / "a.zip"
    assert await dila.legi_folder(settings(tmp_path), str(tmp_path), tmp_path / "b") == tmp_path
    for wrong in (dila.archive, dila.legi_folder):
        with pytest.raises(ChappeError) as refused:
            await wrong(settings(tmp_path), str(tmp_path / "absent"), tmp_path / "b")
        assert refused.value.code == "source_missing"
