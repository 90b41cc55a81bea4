"""Calls from inside the process: what our own applications are told of a refusal."""

import asyncio
import json
from typing import Any

import pytest

from chappe.core.errors import ChappeError
from chappe.gateway.retries import seconds_of
from chappe.identity import SYSTEM
from gateway_tower import Server, Tower


class Limited(Server):
    """A server that has no room for half a minute."""

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        data = json.dumps({"error": {"message": "slow down"}}).encode()
        writer.write(
            b"HTTP/1.1 429 X\r\ncontent-type: application/json\r\nretry-after: 30\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(data), data)
        )


async def test_a_refusal_says_when_to_try_again(gate: Tower) -> None:
    await gate.add_model(Limited())
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
    status, answer, _, later = await gate.gateway.call(SYSTEM, "chat.completions", body)
    assert (status, later) == (429, 30.0) and b"slow down" in answer
    with pytest.raises(ChappeError) as refused:
        async with gate.gateway.chat(SYSTEM, "m", [{"role": "user", "content": "x"}]):
            pass
    assert refused.value.code == "engine_refused" and refused.value.retry_after == 30.0


async def test_an_answer_says_nothing_of_trying_again(gate: Tower) -> None:
    await gate.add_model(Server())
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
    status, _, _, later = await gate.gateway.call(SYSTEM, "chat.completions", body)
    assert (status, later) == (200, None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"", None),
        (b"12", 12.0),
        (b"soon", None),
        (b"-3", None),
        (b"Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        (b"Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: bytes, seconds: float | None) -> None:
    assert seconds_of(header, now=40.0) == seconds
