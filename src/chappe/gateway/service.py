"""The gateway: one way to every model, for clients of /v1 and for our own applications."""

import asyncio
import base64
import contextlib
import logging
import math
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import ModelSettings, Settings
from chappe.gateway.accounts import Account, Accounts, Outcome
from chappe.gateway.catalogue import Catalogue, Model
from chappe.gateway.engines import (
    EngineProcess,
    embedded_chat_model,
    embedded_encoder,
    engine_command,
)
from chappe.gateway.events import event_data
from chappe.gateway.exchange import KINDS, Exchange, Operation, Request
from chappe.gateway.upstream import Pool, UpstreamCutError, UpstreamError, UpstreamTimeoutError
from chappe.identity import Actor

log = logging.getLogger(__name__)


def _from_settings(settings: ModelSettings) -> Model:
    return Model(
        settings.name,
        settings.kind,
        settings.upstream_name or settings.name,
        base_url=settings.url.rstrip("/") if settings.url else None,
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        context=settings.context,
        prompt_chars=settings.prompt_chars,
        answer_tokens=settings.answer_tokens,
        weak=settings.weak,
        embedded=settings.path is not None,
        state="ready" if settings.url else "starting",
    )


class ModelStream:
    """Text of an answer as it is generated.

    Attributes:
        finish_reason: `stop`, `length`…, once the text has been read to its end.
        account: the request's account; holds the engine's token counts.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.account = exchange.account
        self.finish_reason: str | None = None

    async def text(self) -> AsyncIterator[str]:
        """Pieces of text."""
        async for event in self._exchange.events():
            payload = event_data(event)
            if payload is None or payload == b"[DONE]":
                continue
            chunk = msgspec.json.decode(payload)
            if "error" in chunk:
                raise ChappeError("engine_cut", 502, model=self.account.model)
            for choice in chunk.get("choices", [])[:1]:
                self.finish_reason = choice.get("finish_reason") or self.finish_reason
                if piece := (choice.get("delta") or {}).get("content"):
                    yield piece


class Gateway:
    """Models, their engines, and the accounts of what is asked of them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._pool = Pool()
        self._in_flight = 0
        self._chats = 0
        self._no_chat = asyncio.Event()
        self._no_chat.set()
        self.accounts = Accounts(database)
        self.engines: list[EngineProcess] = []
        models: list[Model] = []
        files: list[tuple[Model, Path | None]] = []
        for given in settings.models:
            model = _from_settings(given)
            models.append(model)
            if given.path is not None:
                files.append((model, given.path))
        if settings.embedded_chat and not any(model.kind == "chat" for model in models):
            found = embedded_chat_model()
            if found is not None:
                models.append(found[0])
                files.append(found)
        if not any(model.kind == "embedding" for model in models):
            encoder = embedded_encoder()
            if encoder is not None:
                models.append(encoder)
                files.append((encoder, None))
        self.catalogue = Catalogue(models)
        for model, file in files:
            self.engines.append(EngineProcess(model, engine_command(model, file)))

    async def start(self, kinds: Sequence[str] = ("chat", "embedding")) -> None:
        """Start the engines of these kinds and settle what a dead process left open."""
        settled = await self.accounts.start()
        if settled:
            log.warning("accounts_interrupted", extra={"count": settled})
        for engine in self.engines:
            if engine.model.kind in kinds:
                engine.start()

    async def stop(self) -> None:
        """End the engines and settle what is under way."""
        await asyncio.gather(*(engine.stop() for engine in self.engines))
        await self._pool.close()
        await self.accounts.stop()

    async def wait_ready(self, seconds: float) -> None:
        """Wait for the embedded engines, at most `seconds` in all."""
        started = [engine for engine in self.engines if engine.started]
        await asyncio.gather(*(engine.wait_ready(seconds) for engine in started))

    async def wait_no_chat(self, seconds: float) -> None:
        """Until nobody is being answered by a chat model, at most `seconds`.

        Background work calls it between its steps, so that a load doesn't slow the questions.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._no_chat.wait()

    def _chat_began(self) -> None:
        self._chats += 1
        self._no_chat.clear()

    def _chat_ended(self) -> None:
        self._chats -= 1
        if not self._chats:
            self._no_chat.set()

    @property
    def encoder(self) -> Model | None:
        """The embedding model of this installation."""
        if self._settings.encoder:
            return self.catalogue.find(self._settings.encoder, "embedding")
        return self.catalogue.default("embedding")

    @asynccontextmanager
    async def exchange(
        self, actor: Actor, operation: Operation, body: bytes
    ) -> AsyncIterator[Exchange]:
        """Forward a request and give its answer; the account is settled in every case.

        Raises:
            ChappeError: `invalid_request`, `unknown_model`, `too_busy`, `engine_unavailable`,
                `engine_timeout` or `engine_cut`.
        """
        request = Request(body)
        model = self.catalogue.find(request.model, KINDS[operation])
        if model.base_url is None:
            raise ChappeError("engine_unavailable", 503, model=model.name)
        if self._in_flight >= self._settings.max_concurrent_requests:
            raise ChappeError("too_busy", 429)
        self._in_flight += 1
        if operation == "chat.completions":
            self._chat_began()
        account = Account(model.name)
        outcome: Outcome = "cancelled"
        reason: str | None = None
        exchange: Exchange | None = None
        headers = {"content-type": "application/json", "accept": "*/*"}
        if model.api_key:
            headers["authorization"] = f"Bearer {model.api_key}"
        path = operation.replace(".", "/")
        try:
            await self.accounts.open(account, actor, operation, request.stream)
            async with self._pool.request(
                "POST",
                f"{model.base_url}/{path}",
                body=request.upstream_body(model.upstream_name),
                headers=headers,
                first_byte=self._settings.first_byte_timeout,
                silence=self._settings.inter_token_timeout,
            ) as response:
                exchange = Exchange(request, response, account)
                yield exchange
                outcome = exchange.outcome
        except UpstreamTimeoutError as error:
            outcome, reason = "timed_out", str(error)
            seconds = f"{error.seconds:g}"
            raise ChappeError("engine_timeout", 504, model=model.name, seconds=seconds) from None
        except UpstreamCutError as error:
            outcome, reason = "failed", str(error)
            raise ChappeError("engine_cut", 502, model=model.name) from None
        except UpstreamError as error:
            outcome, reason = "failed", str(error)
            raise ChappeError("engine_unavailable", 503, model=model.name) from None
        except ChappeError as error:
            outcome, reason = "failed", error.code
            raise
        finally:
            self._in_flight -= 1
            if operation == "chat.completions":
                self._chat_ended()
            await self.accounts.settle(account, outcome, reason)

    @asynccontextmanager
    async def chat(
        self,
        actor: Actor,
        model: str,
        messages: Sequence[dict[str, str]],
        **parameters: Any,
    ) -> AsyncIterator[ModelStream]:
        """Ask a chat model, and stream its text. Leaving the block stops the generation.

        Raises:
            ChappeError: as :meth:`exchange`, and `engine_refused`.
        """
        body = {"model": model, "messages": list(messages), "stream": True} | parameters
        async with self.exchange(actor, "chat.completions", msgspec.json.encode(body)) as exchange:
            if not exchange.streamed:
                reason = error_message(await exchange.whole())
                raise ChappeError("engine_refused", 502, reason=reason)
            yield ModelStream(exchange)

    async def embed(self, actor: Actor, texts: Sequence[str]) -> list[bytes]:
        """Unit vectors of `texts`, as little-endian float32 bytes.

        Raises:
            ChappeError: as :meth:`exchange`; `engine_unavailable` also when there is no encoder.
        """
        encoder = self.encoder
        if encoder is None:
            raise ChappeError("engine_unavailable", 503, model="encoder")
        body = msgspec.json.encode(
            {"model": encoder.name, "input": list(texts), "encoding_format": "base64"}
        )
        async with self.exchange(actor, "embeddings", body) as exchange:
            answer = await exchange.whole()
            if exchange.status != 200:
                raise ChappeError("engine_refused", 502, reason=error_message(answer))
        items = sorted(msgspec.json.decode(answer)["data"], key=lambda item: item["index"])
        if len(items) != len(texts):
            raise ChappeError("engine_cut", 502, model=encoder.name)
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
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:300].decode(errors="replace")
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return str(error)[:1000]
