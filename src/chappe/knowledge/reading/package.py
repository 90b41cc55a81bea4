"""Compressed packages (Office Open XML, OpenDocument, EPUB, ZIP), opened with care."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote

from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.markup import Element, parse_xml
from chappe.knowledge.reading.model import Member, ReadingError

_CHUNK = 1024 * 1024
# Below this a high ratio harms nobody: an empty style sheet packs a thousand times.
_HARMLESS_BYTES = 8 * 1024 * 1024
# A part of an office file is held in memory while it is parsed, as a tree about five times as big.
_TREE_BYTES = 64 * 1024 * 1024

# Files saved as « strict » are the same under other names.
_STRICT = b"http://purl.oclc.org/ooxml/"
_NAMESPACES = tuple(
    (_STRICT + part, b"http://schemas.openxmlformats.org/" + usual)
    for part, usual in (
        (b"wordprocessingml/main", b"wordprocessingml/2006/main"),
        (b"drawingml/main", b"drawingml/2006/main"),
        (b"presentationml/main", b"presentationml/2006/main"),
        (b"officeDocument/math", b"officeDocument/2006/math"),
    )
)

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp", ".webp")

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)
"""What `zipfile` raises for damaged or strange archives."""


class Package:
    """The parts of a ZIP file, each read within what may come out of the whole."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open a package and check its directory.

        Raises:
            ReadingError: `broken`, `bomb` (overlapping or absurdly compressed members, too much in
                all), `too_many_members`.
        """
        self._limits = limits
        # Bytes that may still come out.
        self.left = limits.unpacked_bytes
        try:
            self._archive = zipfile.ZipFile(path)
        except BROKEN_ZIP as error:
            raise ReadingError("broken", reason=type(error).__name__) from None
        self.infos = self._archive.infolist()
        if len(self.infos) > limits.members:
            raise ReadingError("too_many_members", limit=limits.members)
        self._refuse_overlaps()
        self._names = {info.filename: info for info in self.infos}

    def _refuse_overlaps(self) -> None:
        """Members that share their compressed bytes: a bomb without any high ratio."""
        position = 0
        for info in sorted(self.infos, key=lambda info: info.header_offset):
            if info.header_offset < position:
                raise ReadingError("bomb")
            position = info.header_offset + 30 + len(info.orig_filename) + info.compress_size

    def names(self) -> list[str]:
        """The names of the parts, as the archive lists them."""
        return list(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @contextmanager
    def open(self, part: str | zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """A part as a stream that counts what comes out.

        Raises:
            ReadingError: `broken`, `encrypted`, `bomb`; also while it is read.
        """
        info = part if isinstance(part, zipfile.ZipInfo) else self._names.get(part)
        if info is None:
            raise ReadingError("broken", reason=str(part))
        if info.flag_bits & 1:
            raise ReadingError("encrypted")
        try:
            with self._archive.open(info) as file:
                yield cast(IO[bytes], _Counted(self, info, file))
        except RuntimeError as error:
            raise ReadingError("encrypted") from error
        except BROKEN_ZIP as error:
            raise ReadingError("broken", reason=type(error).__name__) from None

    def bytes(self, name: str) -> bytes:
        """A whole part.

        Raises:
            ReadingError: as :meth:`open`, and `too_large` beyond what is parsed as one tree.
        """
        with self.open(name) as file:
            data = file.read(_TREE_BYTES + 1)
        if len(data) > _TREE_BYTES:
            raise ReadingError("too_large", limit=_TREE_BYTES // 1024**2)
        return data

    def xml(self, name: str) -> Element:
        """A part parsed as XML. Raises :class:`ReadingError` as `bytes` and `parse_xml` do."""
        data = self.bytes(name)
        if _STRICT in data[:8192]:
            for strict, usual in _NAMESPACES:
                data = data.replace(strict, usual)
        return parse_xml(data)

    def xml_or_none(self, name: str) -> Element | None:
        """An optional part: ``None`` where the package hasn't any."""
        return self.xml(name) if name in self else None

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """The relations of an Office Open XML part: id → (type's last word, part's name).

        Targets outside the package are left out: nothing is fetched.
        """
        folder, name = posixpath.split(part)
        root = self.xml_or_none(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, tuple[str, str]] = {}
        for relation in () if root is None else root:
            if relation.get("TargetMode") == "External":
                continue
            target = unquote(relation.get("Target") or "")
            joined = posixpath.normpath(posixpath.join("/" + folder, target)).lstrip("/")
            kind = (relation.get("Type") or "").rpartition("/")[2]
            found[relation.get("Id") or ""] = (kind, joined)
        return found

    def copy(self, info: zipfile.ZipInfo, target: Path) -> None:
        """Unpack one member into a new file. Raises :class:`ReadingError` as :meth:`open`."""
        with self.open(info) as source, target.open("xb") as out:
            while chunk := source.read(_CHUNK):
                out.write(chunk)

    def images(self, prefix: str, folder: Path) -> list[Member]:
        """The images of a file that is nothing but images (pages scanned into a word processor)."""
        members: list[Member] = []
        for info in self.infos:
            if info.filename.startswith(prefix) and info.filename.lower().endswith(_IMAGES):
                target = folder / f"image-{len(members):05d}"
                self.copy(info, target)
                members.append(Member(posixpath.basename(info.filename), target))
        return members

    def spend(self, info: zipfile.ZipInfo, done: int, more: int) -> None:
        """Account for bytes that came out. Raises :class:`ReadingError` (`bomb`)."""
        self.left -= more
        packed = max(info.compress_size, 1)
        absurd = done > _HARMLESS_BYTES and done / packed > self._limits.unpacked_ratio
        if absurd or self.left < 0:
            raise ReadingError("bomb")


class _Counted:
    """A member's stream, bounded by its package."""

    def __init__(self, package: Package, info: zipfile.ZipInfo, file: IO[bytes]) -> None:
        self._package, self._info, self._file = package, info, file
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            size = _TREE_BYTES + 1
        data = self._file.read(size)
        self._done += len(data)
        self._package.spend(self._info, self._done, len(data))
        return data
