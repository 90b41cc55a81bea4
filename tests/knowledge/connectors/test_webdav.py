import os
from pathlib import Path

import pytest

from chappe.core.errors import ChappeError
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds
from chappe.knowledge.connectors.webdav import WebDavConnector
from knowledge.connectors.listing import listed
from knowledge.connectors.serving import Reply, site, webdav

LOOPBACK = Reach(["127.0.0.0/8"])


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    (folder / "Réunions 2026").mkdir(parents=True)
    (folder / "a.txt").write_text("un")
    (folder / "Réunions 2026" / "compte rendu #1.txt").write_text("deux")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.txt").write_text("hidden")
    return folder


def connector(url: str, **values: str | None) -> WebDavConnector:
    return WebDavConnector(url, reach=LOOPBACK, bounds=Bounds(), **values)


async def test_a_tree_with_a_password(share: Path, tmp_path: Path) -> None:
    with webdav(share, {"chappe": "mot de passe é"}) as url:
        reader = connector(url, user="chappe", secret="mot de passe é")
        found = await listed(reader, tmp_path)
        assert reader.complete
        assert sorted(found) == ["Réunions 2026/compte rendu #1.txt", "a.txt"]
        name = "Réunions 2026/compte rendu #1.txt"
        assert (await reader.fetch(found[name], tmp_path)).read_text() == "deux"

        again = await listed(reader, tmp_path)
        assert {n: i.tag for n, i in again.items()} == {n: i.tag for n, i in found.items()}
        (share / "a.txt").write_text("un et plus")
        os.utime(share / "a.txt", (1, 1))
        assert (await listed(reader, tmp_path))["a.txt"].tag != found["a.txt"].tag

        # A part of it.
        below = connector(url + "/R%C3%A9unions%202026", user="chappe", secret="mot de passe é")
        assert list(await listed(below, tmp_path)) == ["compte rendu #1.txt"]

        for wrong in (connector(url), connector(url, user="chappe", secret="autre")):
            with pytest.raises(ChappeError) as refused:
                await listed(wrong, tmp_path)
            assert refused.value.code == "source_denied"
            assert not wrong.complete
        for each in (reader, below):
            await each.close()


async def test_a_folder_that_is_not_there(share: Path, tmp_path: Path) -> None:
    with webdav(share) as url:
        reader = connector(url + "/absent")
        with pytest.raises(ChappeError) as refused:
            await listed(reader, tmp_path)
        assert refused.value.code == "source_missing"
        small = WebDavConnector(url, reach=LOOPBACK, bounds=Bounds(file_bytes=1))
        found = await listed(small, tmp_path)
        with pytest.raises(ChappeError) as refused:
            await small.fetch(found["a.txt"], tmp_path)
        assert refused.value.code == "source_too_large"


async def test_the_password_goes_to_no_other_place(tmp_path: Path) -> None:
    with site() as elsewhere, site() as here:
        elsewhere.pages["/a.txt"] = Reply(b"un", kind="text/plain")
        here.pages["/dav/a.txt"] = Reply(status=302, headers={"location": f"{elsewhere.url}/a.txt"})
        reader = connector(here.url + "/dav", secret="jeton")
        from chappe.knowledge.connectors.base import Found

        item = Found("a.txt", "a.txt", "1", url=f"{here.url}/dav/a.txt")
        assert (await reader.fetch(item, tmp_path)).read_bytes() == b"un"
        assert here.requests[0][1]["authorization"] == "Bearer jeton"
        assert "authorization" not in elsewhere.requests[0][1]
        await reader.close()
