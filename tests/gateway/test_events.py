"""Server-sent events are cut right however the bytes come."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.http.events import EventSplitter, event_data

EVENTS = [b'data: {"a": "\xc3\xa9"}\n\n', b": comment\n\n", b"event: x\ndata: 1\ndata: 2\n\n"]


@given(st.lists(st.integers(1, 40), max_size=20), st.booleans())
def test_however_the_stream_is_cut(sizes: list[int], carriage_returns: bool) -> None:
    stream = b"".join(EVENTS)
    if carriage_returns:
        stream = stream.replace(b"\n", b"\r\n")
    splitter = EventSplitter()
    found: list[bytes] = []
    for size in [*sizes, len(stream)]:
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == EVENTS
    assert splitter.rest() == b""


def test_data_of_an_event() -> None:
    assert event_data(b"event: x\ndata: 1\ndata: 2\n\n") == b"1\n2"
    assert event_data(b": comment\n\n") is None
