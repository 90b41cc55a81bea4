"""Answers that are streamed, and the client that leaves before their end."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import aclosing
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_KEEP_ALIVE_SECONDS = 10.0


async def until_disconnect(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, and cancel it as soon as the client leaves.

    A client that leaves before the answer begins is only noticed by whoever listens for it.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
    if not working.cancelled() and (failure := working.exception()):
        raise failure


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def encode_event(name: str, data: Any) -> bytes:
    """One server-sent event with JSON data on one line."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class EventStream:
    """ASGI response of server-sent events.

    Args:
        events: (name, JSON-safe data) pairs; closed as soon as the client leaves.
    """

    def __init__(self, events: AsyncGenerator[tuple[str, Any], None]) -> None:
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await until_disconnect(receive, self._run(send))

    async def _run(self, send: Send) -> None:
        lock = asyncio.Lock()

        async def write(data: bytes, more: bool = True) -> None:
            async with lock:
                await send({"type": "http.response.body", "body": data, "more_body": more})

        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                ],
            }
        )
        beat = asyncio.create_task(self._keep_alive(write))
        try:
            async with aclosing(self._events) as events:
                async for name, data in events:
                    await write(encode_event(name, data))
        finally:
            beat.cancel()
        await write(b"", more=False)

    async def _keep_alive(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(_KEEP_ALIVE_SECONDS)
            await write(b": keep-alive\n\n")
