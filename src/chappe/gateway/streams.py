"""Answers of models in the form that our own applications use."""

import base64
import math
import struct
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from chappe.gateway.http.envelope import refusal
from chappe.gateway.http.events import EventSplitter, event_data

if TYPE_CHECKING:
    from chappe.gateway.exchange import Exchange


class ModelStream:
    """Text of an answer as it is generated.

    Attributes:
        finish_reason: `stop`, `length`…, once the text has been read to its end.
        account: the request's account; holds the engine's token counts.
    """

    def __init__(self, exchange: "Exchange") -> None:
        assert exchange.account is not None
        self._exchange = exchange
        self.account = exchange.account
        self.finish_reason: str | None = None

    async def text(self) -> AsyncIterator[str]:
        """Pieces of text.

        Raises:
            ChappeError: as the exchange.
        """
        splitter = EventSplitter()
        while data := await self._exchange.piece():
            for event in splitter.feed(data):
                payload = event_data(event)
                if payload is None or payload == b"[DONE]":
                    continue
                chunk = msgspec.json.decode(payload)
                for choice in chunk.get("choices", [])[:1]:
                    self.finish_reason = choice.get("finish_reason") or self.finish_reason
                    if piece := (choice.get("delta") or {}).get("content"):
                        yield piece


def unit_vectors(answer: bytes) -> list[bytes]:
    """The vectors of an embeddings answer, in order, of unit length, as float32 bytes."""
    items = sorted(msgspec.json.decode(answer)["data"], key=lambda item: item["index"])
    return [_unit(item["embedding"]) for item in items]


def _unit(embedding: str | list[float]) -> bytes:
    if isinstance(embedding, str):
        data = base64.b64decode(embedding)
        values: Sequence[float] = struct.unpack(f"<{len(data) // 4}f", data)
    else:
        values = embedding  # an endpoint that doesn't know base64 answers with numbers
    norm = math.sqrt(math.fsum(value * value for value in values)) or 1.0
    return struct.pack(f"<{len(values)}f", *(value / norm for value in values))


def error_message(body: bytes) -> str:
    """The sentence inside an endpoint's error answer, whatever its shape."""
    return str(refusal(502, body)["error"]["message"])
