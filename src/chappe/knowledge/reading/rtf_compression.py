"""The compressed form that Outlook keeps of Rich Text ([MS-OXRTFCP] §2.2)."""

from __future__ import annotations

import struct

from chappe.knowledge.reading.model import ReadingError

_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def decompressed(data: bytes) -> bytes:
    """RTF as Outlook compresses it: LZ77 over a ring that starts prefilled.

    Raises:
        ReadingError: `broken`.
    """
    if len(data) < 16:
        raise ReadingError("broken", reason="rtf")
    size, kind = struct.unpack_from("<I4s", data, 4)
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu":
        raise ReadingError("broken", reason="rtf")
    ring = bytearray(_DICTIONARY.ljust(4096, b" "))
    write, out, at = len(_DICTIONARY), bytearray(), 16
    while at < len(data) and len(out) < size:
        flags = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data) or len(out) >= size:
                break
            if not flags >> bit & 1:
                chunk = data[at : at + 1]
                at += 1
            else:
                if at + 2 > len(data):
                    break
                token = data[at] << 8 | data[at + 1]
                at += 2
                offset, length = token >> 4, (token & 15) + 2
                if offset == write % 4096:
                    return bytes(out)
                copied = bytearray()
                for step in range(length):
                    # What is being copied may be what was just written.
                    copied.append(ring[(offset + step) % 4096])
                    ring[(write + step) % 4096] = copied[-1]
                chunk = bytes(copied)
            for step, byte in enumerate(chunk):
                ring[(write + step) % 4096] = byte
            write += len(chunk)
            out += chunk
    return bytes(out)
