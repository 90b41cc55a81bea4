"""Server-sent events: cut a stream of bytes into events (WHATWG HTML, section 9.2)."""


class EventSplitter:
    """Gives whole events, each with its final blank line, however the bytes were cut.

    Args:
        limit: longest event, in bytes; a longer one raises ValueError.

    Attributes:
        buffer: the beginning of an event that isn't whole yet.
    """

    __slots__ = ("_limit", "buffer")

    def __init__(self, limit: int = 8_000_000) -> None:
        self.buffer = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; give the events that they complete."""
        if not self.buffer and data.endswith(b"\n\n") and b"\r" not in data:
            if data.find(b"\n\n") == len(data) - 2:
                return [data]
        else:
            data = self.buffer + data
        # A carriage return at the very end may be half of a line end: it waits for the next bytes.
        held = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(held).replace(b"\r\n", b"\n")
        *events, self.buffer = data.split(b"\n\n")
        self.buffer += held
        if len(self.buffer) > self._limit:
            raise ValueError("event too long")
        return [event + b"\n\n" for event in events if event.strip()]

    def rest(self) -> bytes:
        """What is left when the stream ends: empty, or an event that was cut."""
        return self.buffer.strip()


def event_data(event: bytes) -> bytes | None:
    """The data of an event, or None for a comment."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines) if lines else None
