"""The bytes of files, in the blob store; opened when the first of them is needed."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings

if TYPE_CHECKING:
    from chappe.core.blobs import Store

_CHUNK_BYTES = 1 << 18


class Blobs:
    """Blobs by key, written and read in chunks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: Store | None = None

    @property
    def _store(self) -> "Store":
        if self._opened is None:
            from chappe.core.blobs import open_store

            self._opened = open_store(self._settings)
        return self._opened

    async def put(self, key: str, chunks: AsyncIterator[bytes], most: int | None = None) -> int:
        """Write a blob; gives its size. Nothing of it is seen before it is whole.

        Raises:
            ChappeError: `body_too_large` (413), more than `most` bytes.
        """
        import obstore

        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in chunks:
                size += len(chunk)
                if most is not None and size > most:
                    raise ChappeError("body_too_large", 413, limit=most)
                yield chunk

        await obstore.put_async(self._store, key, counted())
        return size

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The chunks of a blob.

        Raises:
            FileNotFoundError: there is none.
        """
        import obstore

        result = await obstore.get_async(self._store, key)
        async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        """Delete a blob, and what an unfinished upload left of it; none is fine."""
        import obstore
        from obstore.store import LocalStore

        with contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            # A folder's store puts a file together beside its final name.
            path = Path(self._store.prefix) / key
            for left in path.parent.glob(f"{path.name}#*"):
                left.unlink(missing_ok=True)
