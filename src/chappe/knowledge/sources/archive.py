"""Archives (``.tgz``, ``.zip``), read from end to end without unpacking them to disk."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from chappe.knowledge.document import SourceDocument

_BLOCK = 1024 * 1024


class SourceFormatError(ValueError):
    """What was read is not in the expected format; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One document of a source, before it is parsed.

    ``content_hash`` (hexadecimal SHA-256) changes when the document's content, or the way it is
    read, changes: an item whose hash is already known need not be parsed.
    ``parse`` raises :class:`SourceFormatError` naming the document when it is malformed.
    ``version``: of a document that keeps its versions, which of them this is (an article of law is
    one document, whose versions were in force one after the other); None where the newest
    replaces the others.
    """

    external_id: str
    content_hash: str
    parse: Callable[[], SourceDocument]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may hold: bytes of one member, bytes in all once inflated, members."""

    member_bytes: int = 128 * 1024 * 1024
    total_bytes: int = 2 * 1024 * 1024 * 1024
    members: int = 100_000


DEFAULT_LIMITS = ArchiveLimits()
Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which members are asked for."""

    prefix: str
    wanted: Wanted | None

    def takes(self, name: str) -> bool:
        return name.startswith(self.prefix) and (self.wanted is None or self.wanted(name))


class _Inflated(io.BufferedIOBase):
    """The inflated bytes of an archive, refused beyond a limit."""

    def __init__(self, raw: gzip.GzipFile, path: Path, limit: int) -> None:
        super().__init__()
        self._raw = raw
        self._path = path
        self._left = limit

    def read(self, size: int | None = -1) -> bytes:
        data = self._raw.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise SourceFormatError(f"{self._path.name} : contenu inattendu, trop volumineux")
        return data


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
    ) as error:
        raise SourceFormatError(
            f"{path.name} est incomplète ou abîmée ({error}) : "
            "supprimez ce fichier et relancez le chargement"
        ) from error


def members(
    path: Path,
    prefix: str = "",
    *,
    wanted: Wanted | None = None,
    limits: ArchiveLimits = DEFAULT_LIMITS,
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of the files whose name starts with ``prefix``, in order.

    ``wanted`` may leave some of them out by their name. One file at a time is in memory. Raises
    ``FileNotFoundError`` when there is no archive, and :class:`SourceFormatError` when it is
    damaged, when it is over ``limits``, or when a member that was asked for is a link, a device,
    or has a name that leaves its folder.
    """
    yield from _walk(path, _Choice(prefix, wanted), limits, with_content=True)


def names(
    path: Path,
    prefix: str = "",
    *,
    wanted: Wanted | None = None,
    limits: ArchiveLimits = DEFAULT_LIMITS,
) -> Iterator[str]:
    """Yield the names that :func:`members` would yield, without reading the contents."""
    for name, _ in _walk(path, _Choice(prefix, wanted), limits, with_content=False):
        yield name


def _walk(
    path: Path, choice: _Choice, limits: ArchiveLimits, *, with_content: bool
) -> Iterator[tuple[str, bytes]]:
    walk = _walk_zip if zipfile.is_zipfile(path) else _walk_tar
    yield from walk(path, choice, limits, with_content=with_content)


def _walk_zip(
    path: Path, choice: _Choice, limits: ArchiveLimits, *, with_content: bool
) -> Iterator[tuple[str, bytes]]:
    with _damage_reported(path), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if len(infos) > limits.members:
            raise SourceFormatError(f"{path.name} : trop de fichiers (> {limits.members})")
        left = limits.total_bytes
        for info in infos:
            if info.is_dir() or not choice.takes(info.filename):
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(path, info.filename, info.file_size, kind in (0, stat.S_IFREG), limits)
            left -= info.file_size
            if left < 0:
                raise SourceFormatError(f"{path.name} : contenu inattendu, trop volumineux")
            # zipfile reads no more than the size that was declared, and checks it and the CRC.
            yield info.filename, archive.read(info) if with_content else b""


def _walk_tar(
    path: Path, choice: _Choice, limits: ArchiveLimits, *, with_content: bool
) -> Iterator[tuple[str, bytes]]:
    with gzip.open(path, "rb") as raw:
        inflated = _Inflated(raw, path, limits.total_bytes)
        with _damage_reported(path):
            archive = tarfile.open(  # noqa: SIM115
                mode="r|", fileobj=inflated, bufsize=_BLOCK
            )
        with archive:
            count = 0
            while True:
                with _damage_reported(path):
                    member = archive.next()
                if member is None:
                    break
                # What was passed stays listed otherwise: gigabytes, for millions of members.
                archive.members.clear()  # type: ignore[attr-defined]
                count += 1
                if count > limits.members:
                    raise SourceFormatError(f"{path.name} : trop de fichiers (> {limits.members})")
                if member.isdir() or not choice.takes(member.name):
                    continue
                _check(path, member.name, member.size, member.isreg(), limits)
                content = b""
                if with_content:
                    with _damage_reported(path):
                        content = _read(archive, member)
                yield member.name, content
            with _damage_reported(path):
                _check_end(path, archive)


def _check(path: Path, name: str, size: int, regular: bool, limits: ArchiveLimits) -> None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise SourceFormatError(f"{path.name} : nom de fichier refusé {name!r}")
    if not regular:
        raise SourceFormatError(f"{path.name} : {name!r} n'est pas un fichier ordinaire")
    if size > limits.member_bytes:
        raise SourceFormatError(
            f"{path.name} : {name!r} est trop volumineux "
            f"({size} octets, limite {limits.member_bytes})"
        )


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream: IO[bytes] | None = archive.extractfile(member)
    content = b"" if stream is None else stream.read()
    if len(content) != member.size:
        raise EOFError(f"{member.name} s'arrête avant sa fin")
    return content


def _check_end(path: Path, archive: tarfile.TarFile) -> None:
    """Read to the end: it verifies gzip's checksum, and finds a header too damaged to be read."""
    stream = archive.fileobj
    assert stream is not None
    while data := stream.read(_BLOCK):
        if data.strip(b"\0"):
            raise SourceFormatError(
                f"{path.name} est abîmée : supprimez ce fichier et relancez le chargement"
            )
