"""Batches made and awaited through the official client."""

import asyncio
import json
from typing import Any

import openai

OVER = ("completed", "failed", "cancelled", "expired")


def lines(count: int, start: int = 0, **changes: Any) -> bytes:
    return b"".join(
        json.dumps(
            {
                "custom_id": f"r{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": str(number)}]},
            }
            | changes
        ).encode()
        + b"\n"
        for number in range(start, start + count)
    )


async def submit(client: openai.AsyncOpenAI, content: bytes, **options: Any) -> Any:
    file = await client.files.create(file=("in.jsonl", content), purpose="batch")
    values: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return await client.batches.create(input_file_id=file.id, **(values | options))


async def finished(client: openai.AsyncOpenAI, name: str, seconds: float = 60) -> Any:
    for _ in range(int(seconds * 10)):
        batch = await client.batches.retrieve(name)
        if batch.status in OVER:
            return batch
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {batch.status}: {batch.request_counts}")


async def results(client: openai.AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    text = (await client.files.content(file_id)).text
    return [json.loads(line) for line in text.splitlines()]
