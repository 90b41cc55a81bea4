"""The blob store on a folder."""

from pathlib import Path

import pytest

from chappe.core.blobs import archive_folder, check_store, open_store
from chappe.core.settings import Settings


async def test_a_folder_is_made_and_works(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    await check_store(open_store(settings))
    assert (tmp_path / "data" / "blobs").is_dir()
    assert not any((tmp_path / "data" / "blobs").iterdir())
    assert archive_folder(settings).is_dir()


async def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    store = open_store(settings)
    (tmp_path / "data" / "blobs").rmdir()
    (tmp_path / "data" / "blobs").write_text("in the way")
    with pytest.raises(Exception):  # noqa: B017 - each store has its own
        await check_store(store)
