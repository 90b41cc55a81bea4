"""A folder of this machine, or one that it mounts."""

import asyncio
import datetime as dt
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from pathlib import Path

from chappe.core.errors import ChappeError
from chappe.knowledge.connectors.base import Bounds, Found, Known, too_large

# Files that programs make while they write others.
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".filepart")
_LISTED_AT_ONCE = 500
_MOST_DEPTH = 50


class FolderConnector:
    """The files of a folder and of those inside it.

    Hidden files and those that a program is writing are left out; links are followed where they
    stay inside the folder. A file is taken once it hasn't been written to for ``settle`` seconds,
    and only if it doesn't change while it is copied; one that was renamed into place is taken at
    once.
    """

    def __init__(self, root: Path, *, bounds: Bounds, settle: float = 10.0) -> None:
        self._root = root
        self._bounds = bounds
        self._settle = settle
        self.complete = False

    async def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """List the folder; raises `source_missing` where it isn't there or can't be read."""
        self.complete = False
        walk = self._walk()
        count = 0
        while batch := await asyncio.to_thread(self._take, walk):
            for found in batch:
                count += 1
                if count > self._bounds.items:
                    return
                yield found
        self.complete = True

    def _take(self, walk: Iterator[Found]) -> list[Found]:
        try:
            return list(islice(walk, _LISTED_AT_ONCE))
        except OSError as error:
            place = error.filename or self._root
            raise ChappeError("source_missing", 404, place=place) from error

    def _walk(self) -> Iterator[Found]:
        root = Path(os.path.realpath(self._root))
        seen: set[tuple[int, int]] = set()
        stack = [(root, "", 0)]
        while stack:
            folder, prefix, depth = stack.pop()
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in seen or depth > _MOST_DEPTH:
                continue
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
            for entry in ordered:
                if entry.name.startswith((".", "~$")):
                    continue
                path = Path(entry.path)
                if entry.is_symlink() and not _inside(path, root):
                    continue
                try:
                    about = entry.stat()
                except FileNotFoundError:
                    continue  # it went, or it is a link to nothing
                name = prefix + _text(entry.name)
                if stat.S_ISDIR(about.st_mode):
                    stack.append((path, name + "/", depth + 1))
                elif stat.S_ISREG(about.st_mode) and not name.lower().endswith(_UNFINISHED):
                    yield self._found(path, name, about)

    def _found(self, path: Path, name: str, about: os.stat_result) -> Found:
        return Found(
            external_id=name,
            name=name.rpartition("/")[2],
            tag=_tag(about),
            size=about.st_size,
            date=dt.datetime.fromtimestamp(about.st_mtime, dt.UTC).date(),
            state={"path": os.fsencode(path).hex()},
            pending=0 <= time.time() - about.st_mtime < self._settle,
        )

    async def fetch(self, item: Found, folder: Path) -> Path:
        """Copy a file; raises `source_changing` when it is being written, `source_too_large`."""
        return await asyncio.to_thread(self._copy, item, folder)

    def _copy(self, item: Found, folder: Path) -> Path:
        source = os.fsdecode(bytes.fromhex(item.state["path"]))
        try:
            with open(source, "rb") as opened:
                # The file that is open, wherever its name may lead by now.
                actual = Path(os.path.realpath(f"/proc/self/fd/{opened.fileno()}"))
                if not actual.is_relative_to(os.path.realpath(self._root)):
                    raise ChappeError("source_missing", 404, place=item.external_id)
                if item.size is not None and item.size > self._bounds.file_bytes:
                    raise too_large(item.external_id, self._bounds.file_bytes)
                descriptor, name = tempfile.mkstemp(dir=folder)
                with open(descriptor, "wb") as copy:
                    left = (item.size or 0) + 1
                    while left and (data := opened.read(min(left, 1 << 20))):
                        copy.write(data)
                        left -= len(data)
                if _tag(os.fstat(opened.fileno())) != item.tag:
                    Path(name).unlink()
                    raise ChappeError("source_changing", 409, name=item.external_id)
        except OSError as error:
            raise ChappeError("source_missing", 404, place=item.external_id) from error
        return Path(name)

    async def close(self) -> None:
        """Nothing is open."""


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)


def _tag(about: os.stat_result) -> str:
    return f"{about.st_size}-{about.st_mtime_ns}"


def _text(name: str) -> str:
    """A name as the database can hold it; a byte that isn't UTF-8 is written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
