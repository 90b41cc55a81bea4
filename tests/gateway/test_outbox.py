"""What is written together at the end of a turn arrives whole, in order, at whom it is for."""

import asyncio
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.gateway.http.outbox import BatchedTransport, Outbox

WRITES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.binary(min_size=1, max_size=40)), max_size=12),
    max_size=8,
)


class Peer:
    """One connection: what is written at one end, and what has come at the other."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.expected = b""

    async def open(self) -> "Peer":
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        inner, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        self.transport = BatchedTransport(inner, self.outbox)
        self.reader, self._writer = await asyncio.open_connection(sock=theirs)
        return self

    def write(self, data: bytes) -> None:
        self.expected += data
        self.transport.write(data)

    async def received(self) -> bytes:
        self.transport.close()
        return await asyncio.wait_for(self.reader.read(), 5)


@settings(max_examples=60)
@given(WRITES, st.lists(st.integers(0, 5), min_size=8, max_size=8))
def test_all_of_it_in_order(turns: list[list[tuple[int, bytes]]], heard: list[int]) -> None:
    async def run() -> None:
        outbox = Outbox()
        peers = [await Peer(outbox).open() for _ in range(4)]
        for turn, messages in zip(turns, heard, strict=False):
            outbox.heard += messages
            for peer, data in turn:
                peers[peer].write(data)
            await asyncio.sleep(0)
        for peer in peers:
            assert await peer.received() == peer.expected

    asyncio.run(run())


async def test_together_and_alone() -> None:
    outbox = Outbox()
    first, second = await Peer(outbox).open(), await Peer(outbox).open()
    outbox.heard = 2
    first.write(b"one")
    second.write(b"two")
    first.write(b" more")
    # Nothing has gone out: all that was heard in this turn is worked at first.
    assert outbox.heard == 2
    assert await asyncio.wait_for(first.reader.readexactly(8), 5) == b"one more"
    assert await asyncio.wait_for(second.reader.readexactly(3), 5) == b"two"
    assert outbox.heard == 0
    # What is alone goes at once: before anything else of the loop has run.
    outbox.heard = 1
    done: list[int] = []
    asyncio.get_running_loop().call_soon(done.append, 1)
    first.write(b"alone")
    assert not done and outbox.heard == 0
    assert await first.received() == b"alone"
    assert await second.received() == b""


async def test_in_a_long_turn_the_first_do_not_wait_for_the_last() -> None:
    outbox = Outbox()
    peer = await Peer(outbox).open()
    outbox.heard = 500
    for number in range(500):
        peer.write(b"%03d" % number)
    assert len(outbox.waiting) == 500 % 128
    assert await peer.received() == peer.expected


async def test_what_never_gets_an_answer_holds_nothing_up() -> None:
    outbox = Outbox()
    peer = await Peer(outbox).open()
    outbox.heard = 50
    peer.write(b"one")
    assert await asyncio.wait_for(peer.reader.readexactly(3), 5) == b"one"
    assert outbox.heard == 0
    assert await peer.received() == b""


async def test_a_connection_that_is_gone_keeps_nothing_from_the_others() -> None:
    outbox = Outbox()
    gone, other = await Peer(outbox).open(), await Peer(outbox).open()
    outbox.heard = 2
    gone.write(b"lost")
    other.write(b"kept")
    gone.transport.abort()
    assert await asyncio.wait_for(other.reader.readexactly(4), 5) == b"kept"
    assert await asyncio.wait_for(gone.reader.read(), 5) == b""
    assert await other.received() == b""
