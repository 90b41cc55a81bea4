"""The gateway: one way to every model, for clients of /v1 and for our own applications."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.core.streaming import Receive, Scope, Send
from chappe.gateway.accounts import Account, Accounts
from chappe.gateway.accounts.account import new_id
from chappe.gateway.accounts.retention import enforce
from chappe.gateway.batches import Batches
from chappe.gateway.catalogue import Catalogue, Endpoint, Model
from chappe.gateway.catalogue.encoding import Purpose, encoding
from chappe.gateway.catalogue.secrets import Cipher
from chappe.gateway.catalogue.source import CatalogueSource
from chappe.gateway.choices import Choices
from chappe.gateway.configured import configured_models
from chappe.gateway.dispatch.dispatcher import Dispatcher
from chappe.gateway.dispatch.job import Priority
from chappe.gateway.engines import EngineProcess, engine_command
from chappe.gateway.engines.detection import Examination, examine
from chappe.gateway.engines.probing import Prober
from chappe.gateway.exchange import Exchange
from chappe.gateway.http.audio import AudioRequest
from chappe.gateway.http.outbox import Outbox
from chappe.gateway.http.request import Operation, Request, read_request
from chappe.gateway.http.upstream import Pool
from chappe.gateway.metrics import GatewayMetrics
from chappe.gateway.quotas import Limit, Quotas, Work
from chappe.gateway.quotas.energy import energy_wh
from chappe.gateway.quotas.estimate import bound
from chappe.gateway.quotas.store import sweep_windows
from chappe.gateway.retries import seconds_of
from chappe.gateway.streams import ModelStream, error_message, unit_vectors
from chappe.gateway.terms import DEFAULT, Terms
from chappe.gateway.tracing import Tracing
from chappe.identity import Actor, KeyCache

log = logging.getLogger(__name__)

_DAY_SECONDS = 86_400.0

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""
Augment = Callable[[Actor, bytes], Awaitable[tuple[Actor, bytes]]]
"""Gives a request as it is to be sent, and the actor at the level of what was put in it."""


class Gateway:
    """Models, the servers behind them, limits and accounts, in one process."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self._settings = settings
        self.replica_id = uuid.uuid4()
        self.connections = Connections(database_url, settings.database_connections)
        self.outbox = Outbox()
        self.upstream = Pool(self.outbox)
        self.metrics = GatewayMetrics()
        self.tracing = Tracing(settings.otlp_endpoint)
        self.dispatcher = Dispatcher()
        self.keys = KeyCache(self.connections, keep_seconds=settings.known_keys_seconds)
        self.accounts = Accounts(
            self.connections,
            settings.data_dir,
            self.replica_id,
            max_bytes=settings.journal_max_bytes,
            synchronise_seconds=settings.journal_sync_seconds,
        )
        self.quotas = Quotas(
            self.connections,
            self.replica_id,
            self.dispatcher.load,
            self.dispatcher.observe_remote,
        )
        self.first_byte_timeout = settings.first_byte_timeout
        self.inter_token_timeout = settings.inter_token_timeout
        self.longest_wait = settings.longest_wait
        self.tell_endpoint = settings.tell_endpoint
        # What a request to /v1/responses is made of before it is sent; set by whoever knows
        # documents, which are on a floor above.
        self.augment: Augment | None = None
        self.cipher = Cipher.from_settings(settings)
        self._configured = configured_models(settings)
        self._source = CatalogueSource(
            self.connections,
            settings.data_dir,
            self.cipher,
            [item.model for item in self._configured],
            self._use,
        )
        self.choices = Choices(self.quotas, self.keys.refusals)
        self.route = self.choices.route
        self._heads: dict[tuple[str, bytes], bytes] = {}
        self._chats = 0
        self._no_chat = asyncio.Event()
        self._no_chat.set()
        self._started = False
        self._batches = Batches(self, settings)
        self.batches: Handler = self._batches
        self.engines = [
            EngineProcess(
                item.model.endpoints[-1],
                item.model.kind,
                engine_command(item.model, item.file),
                self._engine_changed,
            )
            for item in self._configured
            if item.embedded
        ]
        self._use([item.model for item in self._configured], [])
        self._prober = Prober(
            self.upstream,
            self.connections,
            settings.probe_interval,
            self.dispatcher.probe,
            self.dispatcher.observe_metrics,
        )

    # Life

    async def start(self, kinds: Sequence[str] = ("chat", "embedding")) -> None:
        """Start the engines of these kinds, and everything that follows the database."""
        self._started = True
        await self.connections.open()
        self.metrics.register()
        self.metrics.queues = self.queues
        self.metrics.quotas = self.quotas
        self.connections.listen("chappe_identity", self.keys.clear)
        self.keys.start()
        await self.quotas.start()
        await self.accounts.start()
        await self._source.start()
        for engine in self.engines:
            if engine.kind in kinds:
                engine.start()
        self._prober.start()
        self._batches.start()
        self._retention = asyncio.create_task(self._enforce_retention())

    async def stop(self) -> None:
        """End the engines, write what is left to write, and leave."""
        if not self._started:
            return
        self._retention.cancel()
        await asyncio.gather(self._retention, return_exceptions=True)
        await self._batches.stop()
        await self._prober.stop()
        await asyncio.gather(*(engine.stop() for engine in self.engines))
        await self.upstream.close()
        self.dispatcher.close()
        self.tracing.stop()
        await self._source.stop()
        await self.accounts.stop()
        await self.keys.stop()
        await self.quotas.stop()
        await self.connections.close()

    async def _enforce_retention(self) -> None:
        """Once a day, accounts that are too old go (the hourly sums stay), and ended windows."""
        while True:
            try:
                await enforce(self.connections, self._settings.accounts_retention_months)
                async with self.connections.transaction() as connection:
                    await sweep_windows(connection)
            except (ChappeError, psycopg.Error) as error:
                log.warning("retention_postponed", extra={"reason": type(error).__name__})
            await asyncio.sleep(_DAY_SECONDS)

    async def wait_ready(self, seconds: float) -> None:
        """Wait for the embedded engines, at most `seconds` in all."""
        started = [engine for engine in self.engines if engine.started]
        await asyncio.gather(*(engine.wait_ready(seconds) for engine in started))

    def _use(self, models: list[Model], limits: list[Limit], idle: Sequence[Endpoint] = ()) -> None:
        """A catalogue comes into force: nothing that runs is disturbed."""
        self.quotas.set_limits(limits)
        self.catalogue = Catalogue(models, idle)
        self.endpoints = {endpoint.id: endpoint for endpoint in self.catalogue.endpoints()}
        self._heads.clear()
        self.choices.use(self.catalogue)
        self._energy_limited = any(limit.measure == "energy_wh" for limit in limits)
        self.dispatcher.update(models)
        if hasattr(self, "_prober"):
            self._prober.watch(self.endpoints.values())

    def _engine_changed(self) -> None:
        self._heads.clear()
        self.dispatcher.update(self.catalogue.all())

    # What an exchange asks for

    def endpoint_head(self, endpoint: Endpoint, content_type: bytes) -> bytes:
        """The header lines of every request to an endpoint."""
        head = self._heads.get((endpoint.id, content_type))
        if head is None:
            head = b"content-type: %b\r\naccept: */*\r\n" % content_type
            if endpoint.api_key:
                head += b"authorization: Bearer %b\r\n" % endpoint.api_key.encode("latin-1")
            if len(self._heads) > 1000:  # each form has a boundary of its own
                self._heads.clear()
            self._heads[endpoint.id, content_type] = head
        return head

    @staticmethod
    async def pause(seconds: float) -> None:
        """A limit that slows down."""
        await asyncio.sleep(seconds)

    def bound(self, model: Model, request: Request | AudioRequest) -> Work:
        """The most that a request can cost, for the quota to reserve."""
        if isinstance(request, AudioRequest):
            return Work(0, 0, audio_seconds=request.seconds)
        read, written = bound(request.prompt, request.output_limit, request.answers, model)
        if self._energy_limited:
            return Work(read, written, energy_wh=energy_wh(model, read, written))
        return Work(read, written)

    def counter(
        self, model: Model, request: Request | AudioRequest
    ) -> Callable[[], Awaitable[int | None]] | None:
        """Counts a prompt's tokens with the engine's own tokenizer, where it has one to ask."""
        if isinstance(request, AudioRequest):
            return None
        return lambda: self._count(model, request)

    async def _count(self, model: Model, request: Request) -> int | None:
        for endpoint in model.endpoints:
            if endpoint.engine not in ("vllm", "llamacpp") or endpoint.base_url is None:
                continue
            text = request.prompt.decode(errors="replace")
            body = (
                {"content": text}
                if endpoint.engine == "llamacpp"
                else {"model": endpoint.upstream_names[model.name], "prompt": text}
            )
            with contextlib.suppress(Exception):
                head = self.endpoint_head(endpoint, b"application/json")
                address = endpoint.base_url.removesuffix("/v1") + "/tokenize"
                data = msgspec.json.encode(body)
                response = await self.upstream.send(b"POST", address, head, data, 2.0, 2.0)
                try:
                    answer = msgspec.json.decode(await response.read())
                finally:
                    response.release()
                return int(answer["count"] if "count" in answer else len(answer["tokens"]))
        return None

    @staticmethod
    def used(account: Account) -> Work:
        """What a request did cost."""
        read, written = account.tokens_in or 0, account.tokens_out or 0
        return Work(read, written, account.audio_seconds or 0.0, account.energy_wh or 0.0)

    def open_account(
        self,
        actor: Actor,
        request: Request | AudioRequest,
        model: Model,
        terms: Terms,
        priority: Priority,
    ) -> Account:
        """Open the account of a request that was admitted."""
        account = Account(
            id=new_id(),
            started_at=datetime.now(UTC),
            began=time.perf_counter(),
            actor=actor.kind,
            key_id=actor.key_id,
            person_id=actor.person_id,
            organisation_id=actor.organisation_id,
            operation=request.operation,
            model=model.name,
            requested_model=request.model,
            streamed=bool(request.stream),
            priority=priority,
            trace_id=terms.trace_id or None,
        )
        self.accounts.open(account)
        if model.kind == "chat":
            if not self._chats:
                self._no_chat.clear()
            self._chats += 1
        return account

    def settle(self, exchange: Exchange, account: Account) -> None:
        """Settle the account of a request that ended."""
        if exchange.model.kind == "chat":
            self._chats -= 1
            if not self._chats:
                self._no_chat.set()
        if account.audio_seconds is None and isinstance(exchange.request, AudioRequest):
            account.audio_seconds = exchange.request.seconds
        account.energy_wh = energy_wh(
            exchange.model, account.tokens_in or 0, account.tokens_out or 0
        )
        self.accounts.settle(account, exchange.outcome, exchange.error, exchange.status)
        self.metrics.settled(account)
        if exchange.span_id:
            self.tracing.export(exchange, account, exchange.outcome)

    # For operators

    def queues(self) -> list[dict[str, Any]]:
        """Queues and endpoints of this process, with the endpoints' names."""
        queues = self.dispatcher.queues()
        for queue in queues:
            for endpoint in queue["endpoints"]:
                known = self.endpoints.get(endpoint["id"])
                endpoint["name"] = known.name if known else endpoint["id"]
                endpoint["site"] = known.site if known else ""
                endpoint["probe"] = self._prober.last(endpoint["id"])
        return queues

    async def test_endpoint(self, endpoint: Endpoint) -> Examination:
        """Ask an endpoint now what it is, and which models it announces.

        Raises:
            UpstreamError: it isn't well; says why.
        """
        return await examine(self.upstream, endpoint)

    async def wait_no_chat(self, seconds: float) -> None:
        """Until nobody is being answered by a chat model, at most `seconds`.

        Background work calls it between its steps, so that a load doesn't slow the questions.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._no_chat.wait()

    # For our own applications

    @property
    def encoder(self) -> Model | None:
        """The embedding model that search uses."""
        if self._settings.encoder:
            return self.catalogue.get(self._settings.encoder)
        return self.catalogue.default("embedding")

    @asynccontextmanager
    async def exchange(
        self, actor: Actor, operation: Operation, body: bytes, terms: Terms = DEFAULT
    ) -> AsyncIterator[Exchange]:
        """Forward a request and give its answer; everything is given back in every case.

        Raises:
            ChappeError: `invalid_request`, `unknown_model`, `quota_exceeded`, `queue_full`,
                `queue_timeout`, `not_cleared`, `engine_unavailable`, `engine_timeout` or
                `engine_cut`.
        """
        exchange = Exchange(self, actor, read_request(operation, body), terms)
        try:
            await exchange.start()
            yield exchange
        finally:
            exchange.close()

    async def call(
        self, actor: Actor, operation: Operation, body: bytes, priority: Priority = "batch"
    ) -> tuple[int, bytes, str, float | None]:
        """One whole answer: status, body, the request's identifier, seconds to try again after.

        Raises:
            ChappeError: as :meth:`exchange`.
        """
        async with self.exchange(actor, operation, body, Terms(priority=priority)) as exchange:
            answer = exchange.body
            if exchange.streamed:
                pieces = []
                while piece := await exchange.piece():
                    pieces.append(piece)
                answer = b"".join(pieces)
            assert exchange.account is not None
            later = seconds_of(exchange.retry_after)
            return exchange.status, answer, exchange.account.id, later

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
        async with self.exchange(
            actor, "chat.completions", msgspec.json.encode(body), Terms(priority="interactive")
        ) as exchange:
            if not exchange.streamed:
                error = ChappeError("engine_refused", 502, reason=error_message(exchange.body))
                error.retry_after = seconds_of(exchange.retry_after)
                raise error
            yield ModelStream(exchange)

    async def embed(
        self,
        actor: Actor,
        texts: Sequence[str],
        priority: Priority = "interactive",
        *,
        model: str | None = None,
        purpose: Purpose | None = None,
    ) -> list[bytes]:
        """Unit vectors of `texts`, as little-endian float32 bytes.

        Args:
            model: an embedding model of the catalogue; none: the encoder.
            purpose: what the texts are for: the model's own prefix goes before each.

        Raises:
            ChappeError: as :meth:`exchange`; `engine_unavailable` also when there is no encoder.
        """
        if model is None:
            if self.encoder is None:
                raise ChappeError("engine_unavailable", 503, model="encoder")
            model = self.encoder.name
        prefix = encoding(model).prefix(purpose) if purpose else ""
        body = msgspec.json.encode(
            {
                "model": model,
                "input": [prefix + text for text in texts],
                "encoding_format": "base64",
            }
        )
        status, answer, _, later = await self.call(actor, "embeddings", body, priority)
        if status != 200:
            error = ChappeError("engine_refused", 502, reason=error_message(answer))
            error.retry_after = later
            raise error
        vectors = unit_vectors(answer)
        if len(vectors) != len(texts):
            raise ChappeError("engine_cut", 502, model=model)
        return vectors
