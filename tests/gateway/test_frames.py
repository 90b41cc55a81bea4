"""A stream reads the same whether its events are decoded or recognised by their frame."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chappe.gateway.accounts import Account
from chappe.gateway.http.reading import ChatReader
from chappe.gateway.http.request import read_request
from chappe.gateway.http.upstream import UpstreamCutError

TEXT = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", '","content":"x', "\n\n", 'data: {"content":"', "\x00", "é", "𝄞", "", " "]
)


def new_reader() -> tuple[ChatReader, Account]:
    account = Account(
        actor="key", operation="chat.completions", model="m", requested_model="m", streamed=True,
        priority="normal",
    )  # fmt: skip
    request = read_request("chat.completions", b'{"model":"m","stream":true,"messages":[]}')
    return ChatReader(request, account, 1_000_000), account


def event(choice: dict[str, Any], separators: tuple[str, str], ascii_only: bool) -> bytes:
    chunk = {"id": "c", "created": 1, "choices": [{"index": 0, **choice}], "model": "m"}
    text = json.dumps(chunk, separators=separators, ensure_ascii=ascii_only)
    return b"data: " + text.encode() + b"\n\n"


def delta(content: str | None, **others: object) -> dict[str, Any]:
    return {"delta": {"content": content, **others}, "finish_reason": None}


EVENT = st.one_of(
    st.builds(delta, TEXT),
    st.builds(delta, TEXT),
    st.builds(delta, TEXT, role=st.just("assistant")),
    st.builds(delta, st.none()),
    st.builds(lambda text: delta(None, reasoning_content=text), TEXT),
    st.builds(lambda text: {"delta": {"content": text}, "finish_reason": "stop"}, TEXT),
)


@given(
    st.lists(EVENT, max_size=30),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.booleans(),
    st.lists(st.integers(1, 300), max_size=30),
)
@example([delta("a"), delta('b","content":"c'), delta("\\"), delta("d")], (",", ":"), True, [])
def test_counts_and_text(
    choices: list[dict[str, Any]], separators: tuple[str, str], ascii_only: bool, cuts: list[int]
) -> None:
    events = [event(choice, separators, ascii_only) for choice in choices]
    reader, account = new_reader()
    stream, shown = b"".join(events), []
    for size in cuts:
        shown.append(reader.feed(stream[:size]))
        stream = stream[size:]
    # What is left comes an event at a time, as it mostly does.
    rest = stream.split(b"\n\n")
    for piece in rest[:-1]:
        shown.append(reader.feed(piece + b"\n\n"))
    assert b"".join(shown) == b"".join(events)
    deltas = [choice["delta"] for choice in choices]
    reasoned = [d for d in deltas if d.get("reasoning_content")]
    written = [d["content"] for d in deltas if d["content"]]
    assert reader.tokens == (account.tokens_out or 0) == len(written) + len(reasoned)
    assert reader.complete == any(choice["finish_reason"] for choice in choices)
    if reasoned:
        assert reader.text is None
    else:
        assert reader.written() == "".join(written)


@pytest.mark.parametrize(
    "spoiled", [b'a"b', b"a\\q", b"\\u12", b"\\ud800", b"\\udc00x", b"\x01", b'"', b'x"},{"y":"z']
)
def test_what_only_looks_like_the_frame_is_decoded(spoiled: bytes) -> None:
    reader, account = new_reader()
    plain = event(delta("word"), (",", ":"), True)
    assert reader.feed(plain) == reader.feed(plain) == plain
    with pytest.raises(UpstreamCutError):
        reader.feed(plain.replace(b"word", spoiled))
    assert (reader.tokens, account.tokens_out) == (2, 2)


def test_an_engine_whose_every_event_differs() -> None:
    reader, account = new_reader()
    for number in range(100):
        one = event(delta(f"{number} ") | {"logprobs": {"n": number}}, (",", ":"), True)
        assert reader.feed(one) == one
    assert (reader.tokens, account.tokens_out) == (100, 100)
    assert reader.written() == "".join(f"{number} " for number in range(100))


def test_text_that_is_not_unicode_is_passed_on_and_not_gone_on_from() -> None:
    reader, _ = new_reader()
    plain = event(delta("word"), (",", ":"), True)
    spoiled = plain.replace(b"word", b"\xff")
    assert [reader.feed(each) for each in (plain, plain, spoiled)] == [plain, plain, spoiled]
    with pytest.raises(UpstreamCutError):
        reader.written()
