"""Just enough of the Protocol Buffers wire format to write a model file.

ONNX Runtime and SentencePiece read their models as protobuf messages; writing the few fields that
ours have takes less than the packages that would write any (encoding: protobuf.dev, "Encoding").
"""

import struct

_VARINT, _LENGTH, _FIXED32 = 0, 2, 5


def varint(value: int) -> bytes:
    """A non-negative integer in base 128, least significant group first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """A field that holds an integer or an enumeration."""
    return varint(number << 3 | _VARINT) + varint(value)


def real(number: int, value: float) -> bytes:
    """A field that holds a 32-bit float."""
    return varint(number << 3 | _FIXED32) + struct.pack("<f", value)


def message(number: int, value: bytes | str) -> bytes:
    """A field that holds bytes, a string (as UTF-8) or another message."""
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _LENGTH) + varint(len(content)) + content
