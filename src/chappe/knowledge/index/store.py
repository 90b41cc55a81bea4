"""The index on disk: a folder for each segment, and one manifest that says which of them count.

Whatever goes wrong, the database still has everything: a folder that is missing, of another
version or damaged is told (:class:`IndexUnusableError`), and the index is made anew. Segments are
mapped, not read; each file's CRC-32 is checked when the index is opened.
"""

from __future__ import annotations

import base64
import fcntl
import json
import mmap
import os
import shutil
import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chappe.knowledge.index.dense import Vectors
from chappe.knowledge.index.lexical import Allocate, Array, Postings
from chappe.knowledge.index.rows import Mask, Rows
from chappe.knowledge.index.segments import P, Segment

FORMAT = 1
_MANIFEST = "manifest.json"


class IndexUnusableError(Exception):
    """What is on disk can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an index follows the database: the last event, and which history that is of."""

    identity: str
    seq: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The segments of one moment; ``dense`` by embedding generation."""

    position: Position
    lexical: tuple[Segment[Postings], ...] = ()
    dense: tuple[tuple[int, tuple[Segment[Vectors], ...]], ...] = ()

    def vectors(self, generation: int) -> tuple[Segment[Vectors], ...]:
        """The segments of one generation."""
        return dict(self.dense).get(generation, ())

    def with_vectors(self, generation: int, segments: tuple[Segment[Vectors], ...]) -> Snapshot:
        """The snapshot with other segments of one generation."""
        others = [item for item in self.dense if item[0] != generation]
        return replace(self, dense=(*others, *([(generation, segments)] if segments else [])))


class Store:
    """A folder that one process writes; others may read it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsaved: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.writable = True
        except OSError:
            self.writable = False

    def close(self) -> None:
        """Let another process write."""
        os.close(self._lock)

    @property
    def empty(self) -> bool:
        """Was nothing saved here yet."""
        return not (self._folder / _MANIFEST).exists()

    def new_folder(self) -> str:
        """A folder for a segment to come."""
        name = uuid.uuid4().hex
        (self._folder / name).mkdir(mode=0o700)
        self._unsaved.add(name)
        return name

    def allocate(self, folder: str) -> Allocate:
        """Makes arrays mapped from files of a segment's folder."""

        def make(name: str, length: int, dtype: npt.DTypeLike) -> Array:
            if not length:
                return np.empty(0, dtype)
            size = length * np.dtype(dtype).itemsize
            with open(self._folder / folder / f"{name}.bin", "w+b") as file:
                file.truncate(size)
                mapped = mmap.mmap(file.fileno(), size)
            return np.frombuffer(mapped, dtype)

        return make

    def save(self, snapshot: Snapshot) -> Snapshot:
        """Write what isn't on disk yet, then the manifest; gives the snapshot as it is on disk.

        Raises:
            OSError: the disk is full or can't be written.
        """
        entries: list[dict[str, Any]] = []
        lexical = tuple(self._saved(segment, None, entries) for segment in snapshot.lexical)
        dense = tuple(
            (generation, tuple(self._saved(segment, generation, entries) for segment in segments))
            for generation, segments in snapshot.dense
        )
        position = snapshot.position
        body = json.dumps(
            {
                "format": FORMAT,
                "identity": position.identity,
                "seq": position.seq,
                "token": position.token,
                "segments": entries,
            }
        )
        manifest = f"{zlib.crc32(body.encode()):08x}\n{body}\n"
        written = self._folder / f"{_MANIFEST}.new"
        with open(written, "w", encoding="utf-8") as file:
            file.write(manifest)
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, self._folder / _MANIFEST)
        _synchronise(self._folder)
        used = {entry["folder"] for entry in entries}
        self._unsaved -= used
        self._sweep(used)
        return Snapshot(position, lexical, dense)

    def _saved(
        self, segment: Segment[P], generation: int | None, entries: list[dict[str, Any]]
    ) -> Segment[P]:
        if segment.folder is None:
            folder = self.new_folder()
            allocate = self.allocate(folder)
            arrays = {}
            for name, values in _arrays(segment).items():
                arrays[name] = allocate(name, len(values), values.dtype)
                arrays[name][:] = values
            segment = replace(
                _segment(arrays, segment.rows.names, segment.payload),
                alive=segment.alive,
                folder=folder,
            )
        assert segment.folder is not None
        place = self._folder / segment.folder
        checksums_file = place / "checksums.json"
        if checksums_file.exists():
            files = json.loads(checksums_file.read_text())
        else:
            files = {}
            for name, values in _arrays(segment).items():
                files[name] = [values.dtype.str, len(values), zlib.crc32(values.data)]
                if len(values):
                    with open(place / f"{name}.bin", "rb") as file:
                        os.fsync(file.fileno())
            checksums_file.write_text(json.dumps(files))
            _synchronise(place)
        entries.append(
            {
                "folder": segment.folder,
                "generation": generation,
                "dimensions": getattr(segment.payload, "dimensions", None),
                "names": segment.rows.names,
                "files": files,
                "rows": len(segment.rows),
                "alive": None if segment.alive is None else _packed(segment.alive),
            }
        )
        return segment

    def open(self) -> Snapshot:
        """What was saved last.

        Raises:
            IndexUnusableError: nothing was, or it can't be used.
        """
        for attempt in (1, 2, 3):
            try:
                return self._open()
            except FileNotFoundError as error:
                # Whoever writes it may have replaced a segment since we read the manifest.
                if attempt == 3:
                    raise IndexUnusableError(f"missing: {Path(error.filename).name}") from None
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise IndexUnusableError(f"{type(error).__name__}: {error}") from None
        raise AssertionError

    def _open(self) -> Snapshot:
        checksum, _, body = (self._folder / _MANIFEST).read_text("utf-8").partition("\n")
        body = body.rstrip("\n")
        if f"{zlib.crc32(body.encode()):08x}" != checksum:
            raise IndexUnusableError("the manifest is damaged")
        manifest = json.loads(body)
        if manifest["format"] != FORMAT:
            raise IndexUnusableError(f"format {manifest['format']}, not {FORMAT}")
        snapshot = Snapshot(Position(manifest["identity"], manifest["seq"], manifest["token"]))
        if self.writable:
            # What a kill left half written.
            self._sweep({entry["folder"] for entry in manifest["segments"]})
        for entry in manifest["segments"]:
            arrays = {
                name: self._map(entry["folder"], name, *described)
                for name, described in entry["files"].items()
            }
            alive = None if entry["alive"] is None else _unpacked(entry["alive"], entry["rows"])
            rows = Rows({name: arrays[name] for name in Rows.COLUMNS}, entry["names"])
            if entry["generation"] is None:
                postings = Postings({name: arrays[name] for name in Postings.ARRAYS})
                found = Segment(rows, postings, alive, entry["folder"])
                snapshot = replace(snapshot, lexical=(*snapshot.lexical, found))
            else:
                vectors = Vectors(
                    {name: arrays[name] for name in Vectors.ARRAYS}, entry["dimensions"]
                )
                generation = entry["generation"]
                others = snapshot.vectors(generation)
                snapshot = snapshot.with_vectors(
                    generation, (*others, Segment(rows, vectors, alive, entry["folder"]))
                )
        return snapshot

    def _map(self, folder: str, name: str, dtype: str, length: int, checksum: int) -> Array:
        if not length:
            return np.empty(0, np.dtype(dtype))
        with open(self._folder / folder / f"{name}.bin", "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(mapped, np.dtype(dtype))
        if len(values) != length or zlib.crc32(mapped) != checksum:
            raise IndexUnusableError(f"{name}.bin of segment {folder} is damaged")
        return values

    def _sweep(self, used: set[str]) -> None:
        # Who maps a removed file keeps it until they let it go.
        for place in self._folder.iterdir():
            if place.is_dir() and place.name not in used | self._unsaved:
                shutil.rmtree(place, ignore_errors=True)


def _arrays(segment: Segment[P]) -> dict[str, Array]:
    return {**segment.rows.columns, **segment.payload.arrays}


def _segment(arrays: dict[str, Array], names: Iterable[str], like: P) -> Segment[P]:
    rows = Rows({name: arrays[name] for name in Rows.COLUMNS}, tuple(names))
    payload: Postings | Vectors
    if isinstance(like, Vectors):
        payload = Vectors({name: arrays[name] for name in Vectors.ARRAYS}, like.dimensions)
    else:
        payload = Postings({name: arrays[name] for name in Postings.ARRAYS})
    return Segment(rows, payload)  # type: ignore[arg-type]


def _packed(mask: Mask) -> str:
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode()


def _unpacked(text: str, length: int) -> Mask:
    bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=length).astype(np.bool_)


def _synchronise(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
