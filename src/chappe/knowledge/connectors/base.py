"""What every connector gives, whatever it reads from."""

import datetime as dt
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from chappe.core.errors import ChappeError


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an item from the synchronisation before."""

    tag: str
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """One item of a listing.

    ``external_id`` is stable in its source: a path, a key, an address. ``tag`` changes when the
    content may have changed. ``size`` in bytes, where the listing says it. ``content``: a file
    that was fetched while listing. ``failure``: why it could not be. ``pending``: it is still
    being written; what is known of it stays. ``state`` is JSON-safe and comes back as
    :class:`Known`.
    """

    external_id: str
    name: str
    tag: str
    size: int | None = None
    url: str | None = None
    date: dt.date | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    content: Path | None = None
    failure: ChappeError | None = None
    pending: bool = False


class Connector(Protocol):
    """A place that files come from."""

    @property
    def complete(self) -> bool:
        """Did the last listing see all there is: what it didn't see is then gone."""
        ...

    def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """List what there is; what has to be fetched to be listed goes into ``folder``.

        Raises:
            ChappeError: the place can't be listed; nothing follows from that for what is known.
        """
        ...

    async def fetch(self, item: Found, folder: Path) -> Path:
        """Copy an item into a file in ``folder``.

        Raises:
            ChappeError: it can't be had; the others may.
        """
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be taken: bytes of one file, items of one listing."""

    file_bytes: int = 200_000_000
    items: int = 200_000


async def save(chunks: AsyncIterator[bytes], folder: Path) -> Path:
    """Write what comes into a new file in `folder`; none is left when it stops with an error."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    try:
        # A piece of a local file at a time: it doesn't hold the loop up.
        with open(descriptor, "wb") as file:  # noqa: ASYNC230
            async for chunk in chunks:
                file.write(chunk)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


async def bounded(chunks: AsyncIterator[bytes], name: str, most: int) -> AsyncIterator[bytes]:
    """What comes, up to so many bytes; raises `source_too_large` beyond."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise too_large(name, most)
        yield chunk


def too_large(name: str, limit: int) -> ChappeError:
    """An item is larger than may be taken."""
    return ChappeError("source_too_large", 413, name=name, limit=limit)


def unreachable(place: str, reason: object) -> ChappeError:
    """A place doesn't answer, or not as it should."""
    return ChappeError("source_unreachable", 502, place=place, reason=reason)
