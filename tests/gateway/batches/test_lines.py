"""Lines of input and result files."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.core.errors import ChappeError
from chappe.core.i18n import LANGUAGES, translate
from chappe.gateway.batches import lines
from chappe.gateway.batches.lines import (
    Checker,
    LineTooLongError,
    UsageSum,
    one_line,
    read_line,
    result_line,
    split,
)

CHAT = "/v1/chat/completions"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@given(st.lists(st.sampled_from([b"", b"a", b"bc\r", b" ", b"d e", b"x" * 40])), st.integers(1, 9))
async def test_lines_are_the_same_in_any_pieces(written: list[bytes], size: int) -> None:
    found = [item async for item in split(pieces(b"\n".join(written), size), 100)]
    expected = [(n, line.strip()) for n, line in enumerate(written, 1) if line.strip()]
    assert found == expected


@given(st.integers(1, 60), st.integers(1, 30))
async def test_a_line_that_is_too_long_is_named(length: int, size: int) -> None:
    body = b"ok\n" + b"x" * length + b"\nok\n"
    try:
        found = [number async for number, _ in split(pieces(body, size), 30)]
    except LineTooLongError as error:
        assert error.number == 2 and length > 30
    else:
        assert found == [1, 2, 3] and length <= 30


def line(**changes: object) -> bytes:
    values: dict[str, object] = {
        "custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": "m", "messages": []},
    }  # fmt: skip
    return json.dumps(values | changes).encode()


def check(*texts: bytes) -> Checker:
    missing = ChappeError("unknown_model", 404, model="absent")
    checker = Checker(CHAT, lambda model: missing if model == "absent" else None)
    for number, text in enumerate(texts, 1):
        checker.add(number, text)
    return checker


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ([b"{"], "invalid_json_line"),
        ([b"[]"], "invalid_request"),
        ([b'{"custom_id": "a"}'], "invalid_request"),
        ([line(custom_id=3)], "invalid_request"),
        ([line(custom_id="")], "invalid_custom_id"),
        ([line(custom_id="a\x00b")], "invalid_custom_id"),
        ([line(custom_id="a" * 513)], "invalid_custom_id"),
        ([line(), line()], "duplicate_custom_id"),
        ([line(method="GET")], "invalid_method"),
        ([line(url="/v1/images")], "invalid_url"),
        ([line(url="/v1/embeddings")], "mismatched_url"),
        ([line(body="text")], "invalid_request"),
        ([line(body={"messages": []})], "invalid_request"),
        ([line(body={"model": "m", "stream": True})], "stream_not_allowed"),
        ([line(body={"model": "absent"})], "model_not_found"),
        ([line(), line(custom_id="b", body={"model": "other"})], "mismatched_model"),
    ],
)
def test_a_wrong_line_is_told(texts: list[bytes], code: str) -> None:
    checker = check(*texts)
    (fault,) = checker.faults
    assert (fault.code, fault.line) == (code, len(texts))
    for language in LANGUAGES:
        assert translate(f"batch.{code}", language, **(fault.values or {}))


def test_good_lines_and_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 3)
    texts = [line(custom_id=str(number)) for number in range(4)]
    checker = check(*texts[:3])
    assert not checker.faults and (checker.model, checker.total) == ("m", 3)
    checker.add(4, texts[3])
    assert [fault.code for fault in checker.faults] == ["too_many_lines"] and checker.full


def test_errors_are_told_up_to_a_hundred() -> None:
    checker = check(*[b"{"] * 100)
    assert checker.full and len(checker.faults) == 100


def test_a_body_is_kept_byte_for_byte() -> None:
    body = b'{"model": "m", "temperature": 1.10, "x": 1, "x": 2, "big": 12345678901234567890.5}'
    text = line().replace(b'{"model": "m", "messages": []}', body)
    assert bytes(read_line(text).body) == body


def test_result_lines_have_the_documented_form() -> None:
    answer = one_line(b'{\n  "a": 1.50,\n  "b": "\\u0000"\n}')
    good = result_line("batch_x", 7, "c", 200, answer, "r", "batch_expired")
    assert good.count(b"\n") == 1 and b'"a":1.50' in good
    assert json.loads(good) == {
        "id": "batch_req_x_7",
        "custom_id": "c",
        "response": {"status_code": 200, "request_id": "r", "body": {"a": 1.5, "b": "\x00"}},
        "error": None,
    }
    late = json.loads(result_line("batch_x", 8, "d", None, None, None, "batch_expired"))
    assert late["response"] is None and late["error"]["code"] == "batch_expired"


@given(st.binary(max_size=50))
def test_any_answer_fits_on_a_line(answer: bytes) -> None:
    text = result_line("b", 1, "c", 200, one_line(answer), None, "batch_expired")
    assert text.count(b"\n") == 1
    json.loads(text.decode(errors="replace"))


def test_usage_adds_up() -> None:
    usage = UsageSum()
    usage.add(
        b'{"usage": {"prompt_tokens": 5, "completion_tokens": 2,'
        b' "prompt_tokens_details": {"cached_tokens": 3}}}'
    )
    usage.add(
        b'{"usage": {"input_tokens": 7, "output_tokens": 1,'
        b' "output_tokens_details": {"reasoning_tokens": 1}}}'
    )
    for nothing in (b"{}", b'"text"', b'{"usage": null}', b'{"usage": {"prompt_tokens": "x"}}'):
        usage.add(nothing)
    assert usage.view() == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 15,
    }


# Python 3.13 reads 9,999 levels, 3.11 not a thousand.
@pytest.mark.parametrize("depth", [20_000, 200_000])
def test_a_line_nested_too_deep_is_a_fault_of_that_line(depth: int) -> None:
    checker = Checker(CHAT, lambda model: None)
    nested = "[" * depth + "]" * depth
    line = f'{{"custom_id": "a", "method": "POST", "url": "{CHAT}", "body": {nested}}}'
    checker.add(1, line.encode())
    assert [(fault.code, fault.line) for fault in checker.faults] == [("invalid_json_line", 1)]
