"""The files that documents were read from, in the blob store: as they came, byte for byte."""

import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import obstore

from chappe.core.blobs import Store, open_store
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings

_CHUNK_BYTES = 1 << 20


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 of a file in hexadecimal, and its size in bytes."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


class Originals:
    """Originals by key: `originals/COLLECTION/DOCUMENT/SHA-256`.

    A key is one document's, so that nothing of it is left when it is removed, and nothing of
    another's goes with it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Store | None = None

    @property
    def _store(self) -> Store:
        if self._opened is None:
            self._opened = open_store(self._settings)
        return self._opened

    @staticmethod
    def key(collection_id: int, document_id: uuid.UUID, digest: str) -> str:
        """Where an original is kept."""
        return f"originals/{collection_id}/{document_id}/{digest}"

    async def put(self, key: str, path: Path) -> None:
        """Keep a file. Nothing of it is seen before it is whole.

        Raises:
            ChappeError: `originals_unreachable` (503).
        """
        with _told():
            await obstore.put_async(self._store, key, path)

    async def chunks(self, key: str) -> AsyncIterator[bytes]:
        """An original's bytes, a piece at a time.

        Raises:
            ChappeError: `original_missing` (404), `originals_unreachable` (503).
        """
        with _told():
            result = await obstore.get_async(self._store, key)
            async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    async def fetch(self, key: str, target: Path) -> None:
        """Copy an original into a file of ours.

        Raises:
            ChappeError: as :meth:`chunks`.
        """
        async with await anyio.open_file(target, "wb") as file:
            async for chunk in self.chunks(key):
                await file.write(chunk)

    async def remove(self, keys: list[str]) -> None:
        """Remove originals; one that isn't there is fine.

        Raises:
            ChappeError: `originals_unreachable` (503).
        """
        for key in keys:
            with _told(), contextlib.suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)

    async def remove_collection(self, collection_id: int) -> None:
        """Remove all that a collection keeps, and what an interrupted upload left there.

        Raises:
            ChappeError: `originals_unreachable` (503).
        """
        with _told():
            async for batch in obstore.list(self._store, f"originals/{collection_id}"):
                await obstore.delete_async(self._store, [item["path"] for item in batch])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ChappeError:
        raise
    except FileNotFoundError as error:
        raise ChappeError("original_missing", 404) from error
    except Exception as error:
        if "No space left" in str(error):
            raise ChappeError("disk_full", 503, folder="") from error
        reason = type(error).__name__
        raise ChappeError("originals_unreachable", 503, reason=reason) from error
