import os
import time
from pathlib import Path

import pytest

from chappe.core.errors import ChappeError
from chappe.knowledge.connectors.base import Bounds
from chappe.knowledge.connectors.folder import FolderConnector
from knowledge.connectors.listing import listed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def put(path: Path, text: str, age: float = 3600.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    written = time.time() - age
    os.utime(path, (written, written))
    return path


def connector(root: Path, **bounds: int) -> FolderConnector:
    return FolderConnector(root, bounds=Bounds(**bounds))


async def test_files_are_listed_by_their_path_and_copied(root: Path, tmp_path: Path) -> None:
    put(root / "note.txt", "Bonjour.")
    put(root / "2026" / "mars" / "été.md", "# Été")
    put(root / ".git" / "config", "hidden")
    put(root / "~$note.docx", "a lock of a word processor")
    put(root / "rapport.pdf.part", "half of it")
    reader = connector(root)
    found = await listed(reader, tmp_path)
    assert reader.complete
    assert sorted(found) == ["2026/mars/été.md", "note.txt"]
    assert found["2026/mars/été.md"].name == "été.md"
    copy = await reader.fetch(found["note.txt"], tmp_path)
    assert copy.read_text() == "Bonjour."
    assert copy.parent == tmp_path


async def test_the_tag_follows_the_content_and_not_the_listing(root: Path, tmp_path: Path) -> None:
    file = put(root / "a.txt", "un")
    before = (await listed(connector(root), tmp_path))["a.txt"].tag
    assert (await listed(connector(root), tmp_path))["a.txt"].tag == before
    put(file, "deux")
    assert (await listed(connector(root), tmp_path))["a.txt"].tag != before


async def test_what_is_being_written_waits(root: Path, tmp_path: Path) -> None:
    put(root / "fresh.txt", "half", age=1)
    # Renamed into place: it was written before.
    put(tmp_path / "elsewhere.txt", "whole").rename(root / "moved.txt")
    reader = connector(root)
    found = await listed(reader, tmp_path)
    assert found["fresh.txt"].pending
    assert not found["moved.txt"].pending
    put(root / "moved.txt", "whole and more")
    with pytest.raises(ChappeError) as refused:
        await reader.fetch(found["moved.txt"], tmp_path)
    assert refused.value.code == "source_changing"
    assert os.listdir(tmp_path) == ["root"]


async def test_links_are_followed_inside_only(root: Path, tmp_path: Path) -> None:
    put(tmp_path / "secret.txt", "outside")
    put(root / "real" / "a.txt", "inside")
    (root / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (root / "outside").symlink_to(tmp_path)
    (root / "alias.txt").symlink_to(root / "real" / "a.txt")
    (root / "real" / "loop").symlink_to(root)
    (root / "broken.txt").symlink_to(root / "gone.txt")
    os.mkfifo(root / "pipe.txt")
    reader = connector(root)
    found = await listed(reader, tmp_path)
    assert sorted(found) == ["alias.txt", "real/a.txt"]
    # A file that turns into a link after it was listed.
    (root / "real" / "a.txt").unlink()
    (root / "real" / "a.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ChappeError) as refused:
        await reader.fetch(found["real/a.txt"], tmp_path)
    assert refused.value.code == "source_missing"


async def test_a_folder_that_is_gone_is_no_empty_folder(root: Path, tmp_path: Path) -> None:
    reader = connector(root / "unmounted")
    with pytest.raises(ChappeError) as refused:
        await listed(reader, tmp_path)
    assert refused.value.code == "source_missing"
    assert not reader.complete


async def test_bounds(root: Path, tmp_path: Path) -> None:
    for number in range(5):
        put(root / f"{number}.txt", "x" * 100)
    few = connector(root, items=3)
    assert len(await listed(few, tmp_path)) == 3
    assert not few.complete
    small = connector(root, file_bytes=50)
    found = await listed(small, tmp_path)
    with pytest.raises(ChappeError) as refused:
        await small.fetch(found["0.txt"], tmp_path)
    assert refused.value.code == "source_too_large"


async def test_a_name_that_is_no_utf_8(root: Path, tmp_path: Path) -> None:
    name = os.fsencode(root) + b"/caf\xe9.txt"
    put(Path(os.fsdecode(name)), "latin")
    reader = connector(root)
    found = await listed(reader, tmp_path)
    assert list(found) == ["caf\\xe9.txt"]
    assert (await reader.fetch(found["caf\\xe9.txt"], tmp_path)).read_text() == "latin"
