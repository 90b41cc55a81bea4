"""Writes small OLE files ([MS-CFB]): enough for messages of Outlook."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_NONE = 0xFFFFFFFF

Tree = Mapping[str, "bytes | Tree"]


def write_ole(path: Path, tree: Tree) -> None:
    """A file with these streams (bytes) and storages (mappings)."""
    entries: list[list[object]] = [["Root Entry", 5, _NONE, _NONE, _END, 0]]
    small, big = bytearray(), bytearray()
    mini_table: list[int] = []
    big_chains: list[tuple[int, int]] = []

    def add(tree: Tree) -> int:
        """Add the entries of a storage, chained to the right; give the first one's number."""
        first = previous = _NONE
        for name, content in tree.items():
            number = len(entries)
            entry: list[object] = [name, 2, _NONE, _NONE, _END, 0]
            entries.append(entry)
            if isinstance(content, bytes):
                entry[5] = len(content)
                if content and len(content) < _CUTOFF:
                    start = len(small) // _MINI
                    count = -(-len(content) // _MINI)
                    small.extend(content.ljust(count * _MINI, b"\0"))
                    mini_table.extend([*range(start + 1, start + count), _END])
                    entry[4] = start
                elif content:
                    start = len(big) // _SECTOR
                    count = -(-len(content) // _SECTOR)
                    big.extend(content.ljust(count * _SECTOR, b"\0"))
                    big_chains.append((start, count))
                    entry[4] = start
            else:
                entry[1] = 1
                entry[3] = add(content)
            if previous == _NONE:
                first = number
            else:
                entries[previous][2] = number
            previous = number
        return first

    entries[0][3] = add(tree)
    small.extend(bytes(-len(small) % _SECTOR))
    big_count, small_count = len(big) // _SECTOR, len(small) // _SECTOR
    mini_count = -(-len(mini_table) * 4 // _SECTOR) or 1
    directory_count = -(-len(entries) * 128 // _SECTOR)
    table: list[int] = []
    for _, count in big_chains:
        table += [*range(len(table) + 1, len(table) + count), _END]
    starts = []
    for count in (small_count, mini_count, directory_count):
        starts.append(len(table))
        table += [*range(len(table) + 1, len(table) + count), _END] if count else []
    small_at, mini_at, directory_at = starts
    fat_count = 1
    while (len(table) + fat_count) * 4 > fat_count * _SECTOR:
        fat_count += 1
    fat_at = len(table)
    table += [_FAT] * fat_count
    table += [_FREE] * (fat_count * _SECTOR // 4 - len(table))
    entries[0][4], entries[0][5] = (small_at if small_count else _END), len(small)
    assert big_count == sum(count for _, count in big_chains) and fat_count <= 109

    header = struct.pack(
        "<8s16sHHHHH6x9I",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6, 0, fat_count,
        directory_at, 0, _CUTOFF, mini_at, mini_count, _END, 0,
    )  # fmt: skip
    fats = [fat_at + index for index in range(fat_count)]
    header += struct.pack("<109I", *fats, *[_FREE] * (109 - fat_count))
    directory = b"".join(map(_entry, entries))
    unused = _entry(["", 0, _NONE, _NONE, 0, 0])
    directory += unused * (-(-len(directory) // _SECTOR) * 4 - len(entries))
    minis = struct.pack(f"<{len(mini_table)}I", *mini_table).ljust(mini_count * _SECTOR, b"\xff")
    fat = struct.pack(f"<{len(table)}I", *table)
    path.write_bytes(header + bytes(big) + bytes(small) + minis + directory + fat)


def _entry(entry: list[object]) -> bytes:
    name, kind, right, child, start, size = entry
    raw = str(name).encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16sI16sIQ",
        raw, len(raw) + 2 if raw else 0, kind, 1, _NONE, right, child, bytes(16), 0, bytes(16),
        start, size,
    )  # fmt: skip
