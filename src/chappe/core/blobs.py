"""Blobs (archives, originals of documents): a folder by default, S3 by address, same calls."""

from pathlib import Path

import obstore
from obstore.store import LocalStore, S3Store

from chappe.core.settings import Settings

Store = LocalStore | S3Store


def open_store(settings: Settings) -> Store:
    """The blob store that the settings name; a folder is made if it isn't there."""
    if settings.blob_url:
        return S3Store.from_url(settings.blob_url)
    folder = settings.data_dir / "blobs"
    folder.mkdir(parents=True, exist_ok=True)
    return LocalStore(folder)


async def check_store(store: Store) -> None:
    """Write, read back and delete one small blob.

    Raises:
        Exception: whatever the store says when it can't; for `chappe doctor` to show.
    """
    key = ".check"
    await obstore.put_async(store, key, b"chappe")
    read = await obstore.get_async(store, key)
    if bytes(await read.bytes_async()) != b"chappe":
        raise OSError("what was written isn't what was read")
    await obstore.delete_async(store, key)


def archive_folder(settings: Settings) -> Path:
    """Where fetched corpora are kept: they are read in place, so they lie on this machine."""
    folder = settings.data_dir / "corpora"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
