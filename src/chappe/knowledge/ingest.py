"""Filling a collection from files of this machine: walked as they lie, never listed in memory."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.knowledge import loads
from chappe.knowledge.intake import BULK, Incoming, receive
from chappe.knowledge.originals import Originals

_AT_ONCE = 4
_MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and what it is known by: the folder that was named, and its path inside it."""

    path: Path
    external_id: str
    name: str


@dataclass(slots=True)
class Taken:
    """How many files were taken in, and which were not (the first hundred), with why."""

    files: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, name: str, reason: str) -> None:
        """One that can't be taken in."""
        self.refused += 1
        if len(self.reasons) < _MOST_NAMES:
            self.reasons.append(f"{name}: {reason}")


def walk(paths: Sequence[Path]) -> Iterator[Found]:
    """The files that are named, and those in the folders that are named.

    Hidden files and folders are left aside, and links are not followed. The order is that of the
    names, so that a walk that is begun again comes to the same files.
    """
    for given in paths:
        if not given.is_dir():
            yield Found(given, given.name, given.name)
            continue
        root = given.resolve()
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = Path(folder, name)
                if name.startswith(".") or path.is_symlink() or not path.is_file():
                    continue
                inside = path.relative_to(root).as_posix()
                yield Found(path, f"{root.name}/{inside}", inside)


async def ingest(
    database: Database,
    originals: Originals,
    collection_id: int,
    load_id: int,
    found: Iterator[Found],
    most_bytes: int,
    progress: Callable[[int], Awaitable[None]],
) -> Taken:
    """Take the files in, several at once; then the load is listed.

    Args:
        most_bytes: of one file; a larger one is refused.

    Raises:
        ChappeError: as :func:`receive`; what was taken in is kept.
    """
    taken = Taken()
    turn = asyncio.Lock()

    async def take() -> None:
        while True:
            async with turn:
                item = await asyncio.to_thread(next, found, None)
            if item is None:
                return
            try:
                size = (await asyncio.to_thread(item.path.stat)).st_size
                if size > most_bytes:
                    taken.refuse(item.external_id, f"> {most_bytes} bytes")
                    continue
                incoming = Incoming(
                    collection_id,
                    item.external_id,
                    item.name,
                    item.path,
                    load_id=load_id,
                    urgency=BULK,
                )
                await receive(database, originals, incoming)
            except OSError as error:
                taken.refuse(item.external_id, error.strerror or type(error).__name__)
                continue
            except ChappeError as error:
                if error.code != "external_id_kept":
                    raise
                taken.refuse(item.external_id, error.title("en"))
                continue
            taken.files += 1
            await progress(taken.files)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(take())
    async with database.session() as session:
        if taken.refused:
            detail = {"refused": taken.refused, "reasons": taken.reasons}
            await loads.tell(session, load_id, detail)
        await loads.listed(session, load_id)
    return taken
