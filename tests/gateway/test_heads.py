"""A request whose head is known reads as the parser would have read it."""

import asyncio
import json
import random

import httptools
from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.http.heads import Head, learn
from gateway_tower import Server, Tower
from raw_client import BODY, answer, connect, request

HEADERS = [
    (b"Host", b"localhost"), (b"Authorization", b"Bearer chp_x"), (b"X-Note", b"content-length: 3"),
    (b"Content-Type", b"application/json"),
]  # fmt: skip


class Parsed:
    """What llhttp makes of a piece: whole requests, as headers and body."""

    def __init__(self, data: bytes) -> None:
        self.whole: list[tuple[dict[bytes, bytes], bytes]] = []
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.rest = False
        try:
            httptools.HttpRequestParser(self).feed_data(data)
        except httptools.HttpParserError:
            self.rest = True

    def on_message_begin(self) -> None:
        self.headers, self.body, self.rest = {}, b"", True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole.append((self.headers, self.body))
        self.rest = False


def written(headers: list[tuple[bytes, bytes]], body: bytes, blanks: bytes = b" ") -> bytes:
    lines = b"".join(name + b":" + blanks + value + b"\r\n" for name, value in headers)
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + lines + b"\r\n" + body


def learned(data: bytes) -> Head | None:
    ((headers, _),) = Parsed(data).whole
    return learn(data, "chat.completions", headers, True, True)


@given(
    st.permutations(HEADERS),
    st.integers(0, 4),
    st.sampled_from([b"", b" ", b"\t "]),
    st.binary(max_size=30),
    st.binary(max_size=300),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=4)), max_size=3),
    st.binary(max_size=3),
)
def test_what_it_takes_is_what_the_parser_reads(
    headers: list[tuple[bytes, bytes]], place: int, blanks: bytes, first: bytes, second: bytes,
    changes: list[tuple[int, int, bytes]], more: bytes,
) -> None:  # fmt: skip
    def with_length(body: bytes) -> bytes:
        length = (b"Content-Length", b"%d" % len(body))
        return written([*headers[:place], length, *headers[place:]], body, blanks)

    head = learned(with_length(first))
    assert head is not None
    assert head.body(with_length(second)) == second
    assert head.headers == {name.lower(): value for name, value in headers}
    changed = with_length(second) + more
    for start, size, replacement in changes:
        changed = changed[:start] + replacement + changed[start + size :]
    body = head.body(changed)
    if body is not None:
        parsed = Parsed(changed)
        assert not parsed.rest and len(parsed.whole) == 1
        found, read = parsed.whole[0]
        assert read == body
        assert {n: v for n, v in found.items() if n != b"content-length"} == head.headers


def test_what_is_not_taken() -> None:
    plain = written([*HEADERS, (b"Content-Length", b"2")], b"{}")
    head = learned(plain)
    assert head is not None
    assert head.body(plain) == b"{}"
    for other in (
        plain[:-1], plain + b"x", plain + plain, plain.replace(b"chp_x", b"chp_y"),
        plain.replace(b"Length: 2", b"Length: 3"), plain.replace(b"Length: 2", b"Length: +2"),
        plain.replace(b"Length: 2", b"Length: 2, 2"), plain[: len(plain) // 2], b"",
    ):  # fmt: skip
        assert head.body(other) is None
    for line in ((b"Transfer-Encoding", b"chunked"), (b"Expect", b"100-continue")):
        headers = {name.lower(): value for name, value in (*HEADERS, line)}
        data = written([*HEADERS, line, (b"Content-Length", b"2")], b"{}")
        headers[b"content-length"] = b"2"
        assert learn(data, "chat.completions", headers, True, True) is None


async def test_the_same_connection_again_and_again(gate: Tower) -> None:
    """However the bytes are cut, each request has its own body and its own answer."""
    server = Server()
    await gate.add_model(server)
    chance = random.Random(3)
    reader, writer = await connect(gate)
    sent = []
    for number in range(60):
        body = json.dumps(json.loads(BODY) | {"user": "u" * chance.randrange(200), "seed": number})
        extra = chance.choice(("", "", "", "x-note: a", "x-note: b"))
        data = request(gate.key, body.encode(), "1.1", *filter(None, [extra]))
        if chance.random() < 0.3:
            cut = chance.randrange(1, len(data))
            writer.write(data[:cut])
            await asyncio.sleep(0.005)
            data = data[cut:]
        writer.write(data)
        sent.append(number)
        status, _, _ = await answer(reader)
        assert status == 200
        if chance.random() < 0.1:
            writer.write(f"GET /healthz HTTP/1.1\r\nhost: {gate.url[7:]}\r\n\r\n".encode())
            assert (await answer(reader))[0] == 200
    assert [asked["seed"] for asked in server.requests] == sent
