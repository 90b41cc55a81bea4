"""Heads of requests that come again: a client that keeps its connection sends the same, byte for
byte, but for the length of the body. Such a one needn't be parsed once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chappe.gateway.http.request import Operation

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_MOST_BYTES = 16_384
_MOST_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request that the parser has accepted, and what it made of it.

    Attributes:
        before, after: what stands around the number of `content-length`.
        operation, headers, keep_alive, chunked: as a call has them.
    """

    before: bytes
    after: bytes
    operation: Operation
    headers: dict[bytes, bytes]
    keep_alive: bool
    chunked: bool

    def body(self, data: bytes) -> bytes | None:
        """The body, where `data` is one whole request with this head; else None.

        `data` must begin where a request does.
        """
        before, after = self.before, self.after
        if not data.startswith(before):
            return None
        end = data.find(_END, len(before)) + len(_END)
        begin = end - len(after)
        length = data[len(before) : begin]
        if (
            length.isdigit()
            and len(length) <= _MOST_DIGITS
            and data.startswith(after, begin)
            and int(length) == len(data) - end
        ):
            return data[end:]
        return None


def learn(
    data: bytes, operation: Operation, headers: Mapping[bytes, bytes], keep_alive: bool,
    chunked: bool,
) -> Head | None:  # fmt: skip
    """The head of `data`, which was parsed as one whole request; None where it can't be told by its
    bytes alone how long the body is, or where the client waits to be asked for it."""
    length = headers.get(b"content-length", b"")
    end = data.find(_END) + len(_END)
    if not length.isdigit() or len(length) > _MOST_DIGITS or int(length) != len(data) - end:
        return None
    if end > _MOST_BYTES or b"transfer-encoding" in headers or b"expect" in headers:
        return None
    low = data[:end].lower()
    name = low.find(_LENGTH)
    if name < 0 or low.count(_LENGTH) != 1:
        return None
    begin = data.index(length, name + len(_LENGTH))
    if data[name + len(_LENGTH) : begin].strip(b" \t"):
        return None
    others = {name: value for name, value in headers.items() if name != b"content-length"}
    after = data[begin + len(length) : end]
    return Head(data[:begin], after, operation, others, keep_alive, chunked)
