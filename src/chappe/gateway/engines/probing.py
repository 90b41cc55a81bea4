"""Asking endpoints how they are: alive, how loaded, and which models they announce."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.core.json import UNREADABLE
from chappe.gateway.catalogue import Endpoint
from chappe.gateway.dispatch.job import EngineMetrics
from chappe.gateway.engines.metrics import NAMES, read_metrics
from chappe.gateway.http.upstream import Pool, UpstreamError, header_lines

log = logging.getLogger(__name__)

_SECONDS = 5.0
# Servers that don't answer hold a place for as long as the time-out.
_MOST_AT_ONCE = 128
_MODELS_EVERY_SECONDS = 60.0
_MOST_BYTES = 16_000_000
_WITH_HEALTH = frozenset(("vllm", "sglang", "llamacpp", "tei"))

_PROPOSE = """
    insert into model_proposal (endpoint_id, upstream_name, detail)
    select %(endpoint)s, name, detail from jsonb_to_recordset(%(found)s::jsonb)
        as found(name text, detail jsonb)
    where not exists (select from deployment d
        where d.endpoint_id = %(endpoint)s and d.upstream_name = name)
    on conflict (endpoint_id, upstream_name) do update set last_seen = now(),
        detail = excluded.detail,
        -- What was taken once and is no longer served is worth proposing again.
        state = case model_proposal.state when 'accepted' then 'proposed'
            else model_proposal.state end
"""


@dataclass(slots=True)
class Probe:
    """What the last probe of an endpoint saw."""

    at: float
    well: bool
    detail: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class _Watched:
    endpoint: Endpoint
    task: asyncio.Task[None] | None = None
    last: Probe | None = None
    models_at: float = field(default=-_MODELS_EVERY_SECONDS)


class Prober:
    """Probes every endpoint at an interval, some at once, none in step with another.

    Args:
        upstream: connections to endpoints.
        connections: where proposals are written.
        interval: seconds between two probes of an endpoint.
        on_probe: is told whether an endpoint is well.
        on_metrics: is told what an endpoint's engine says of itself.
    """

    def __init__(
        self,
        upstream: Pool,
        connections: Connections,
        interval: float,
        on_probe: Callable[[str, bool], None],
        on_metrics: Callable[[str, EngineMetrics], None],
    ) -> None:
        self._upstream = upstream
        self._connections = connections
        self._interval = interval
        self._on_probe = on_probe
        self._on_metrics = on_metrics
        self._watched: dict[str, _Watched] = {}
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._started = False

    def start(self) -> None:
        """Begin."""
        self._started = True
        self.watch([watched.endpoint for watched in self._watched.values()])

    async def stop(self) -> None:
        """End."""
        tasks = [w.task for w in self._watched.values() if w.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, endpoints: Iterable[Endpoint]) -> None:
        """These are the endpoints now."""
        wanted = {endpoint.id: endpoint for endpoint in endpoints}
        for gone in self._watched.keys() - wanted.keys():
            task = self._watched.pop(gone).task
            if task is not None:
                task.cancel()
        for identifier, endpoint in wanted.items():
            watched = self._watched.setdefault(identifier, _Watched(endpoint))
            watched.endpoint = endpoint
            if self._started and watched.task is None:
                watched.task = asyncio.create_task(self._probe_for_ever(watched))

    def last(self, endpoint_id: str) -> dict[str, Any] | None:
        """What an operator sees of the last probe."""
        watched = self._watched.get(endpoint_id)
        if watched is None or watched.last is None:
            return None
        last = watched.last
        return {
            "well": last.well,
            "detail": last.detail,
            "ms": round(last.seconds * 1000, 1),
            "age_seconds": round(time.monotonic() - last.at, 1),
        }

    async def _probe_for_ever(self, watched: _Watched) -> None:
        await asyncio.sleep(random.random() * min(1.0, self._interval))  # noqa: S311
        while True:
            found: list[dict[str, Any]] = []
            try:
                async with self._places:
                    found = await self._probe(watched)
            except Exception:
                # Whatever one server answers, it is asked again.
                log.exception("probe_failed", extra={"endpoint": watched.endpoint.name})
            if found:
                await self._propose(watched.endpoint, found)
            await asyncio.sleep(self._interval * (0.9 + 0.2 * random.random()))  # noqa: S311

    async def _probe(self, watched: _Watched) -> list[dict[str, Any]]:
        """One probe; gives the models that are announced, when it was time to ask for them."""
        endpoint, began = watched.endpoint, time.monotonic()
        if endpoint.base_url is None:
            return []
        try:
            seen = await ask(self._upstream, endpoint, models=self._due(watched, began))
        except UpstreamError as error:
            watched.last = Probe(began, False, str(error)[:200], time.monotonic() - began)
            self._on_probe(endpoint.id, False)
            return []
        watched.last = Probe(began, True, "", time.monotonic() - began)
        self._on_probe(endpoint.id, True)
        if endpoint.engine in NAMES:
            await self._read_metrics(endpoint)
        if seen is None:
            return []
        watched.models_at = began
        return announced(seen)

    @staticmethod
    def _due(watched: _Watched, now: float) -> bool:
        stored = not watched.endpoint.id.startswith("configured:")
        return stored and now - watched.models_at >= _MODELS_EVERY_SECONDS

    async def _read_metrics(self, endpoint: Endpoint) -> None:
        try:
            status, text = await _get(self._upstream, endpoint, "/metrics")
        except UpstreamError:
            return  # it is well all the same; its readings grow stale, and dispatch counts that
        if status == 200 and (metrics := read_metrics(text, endpoint.engine)) is not None:
            self._on_metrics(endpoint.id, metrics)

    async def _propose(self, endpoint: Endpoint, found: list[dict[str, Any]]) -> None:
        served = set(endpoint.upstream_names.values())
        new = [item for item in found if item["name"] not in served]
        if not new:
            return
        try:
            async with self._connections.transaction() as connection:
                await connection.execute(
                    _PROPOSE, {"endpoint": endpoint.id, "found": msgspec.json.encode(new).decode()}
                )
        except (ChappeError, psycopg.Error) as error:
            # The database is away, or the endpoint was removed meanwhile.
            log.info(
                "proposals_postponed",
                extra={"endpoint": endpoint.name, "reason": type(error).__name__},
            )


async def ask(upstream: Pool, endpoint: Endpoint, *, models: bool = False) -> bytes | None:
    """Ask an endpoint whether it is well: `/health` where its engine has that, else `/models`.

    Args:
        models: ask `/models` also, and give its answer (None where there isn't one).

    Raises:
        UpstreamError: it isn't well; says why.
    """
    healthy = endpoint.engine in _WITH_HEALTH
    if healthy:
        _refuse_unwell((await _get(upstream, endpoint, "/health"))[0])
    if not healthy or models:
        status, body = await _get(upstream, endpoint, "/v1/models")
        _refuse_unwell(status)
        if models and status == 200:
            return body
    return None


async def _get(upstream: Pool, endpoint: Endpoint, path: str) -> tuple[int, bytes]:
    """Status and body; paths under `/v1` are those of the endpoint's address."""
    assert endpoint.base_url is not None
    root = endpoint.base_url if path.startswith("/v1/") else root_of(endpoint.base_url)
    return await get(upstream, root + path.removeprefix("/v1"), endpoint.api_key)


async def get(upstream: Pool, address: str, api_key: str | None) -> tuple[int, bytes]:
    """Status and body of one GET; redirects aren't followed.

    Raises:
        UpstreamError: no answer.
    """
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    response = await upstream.send(b"GET", address, header_lines(headers), b"", _SECONDS, _SECONDS)
    try:
        return response.status, await response.read(_MOST_BYTES)
    finally:
        response.release()


def root_of(base_url: str) -> str:
    """Where a server has what isn't under `/v1`."""
    return base_url.rstrip("/").removesuffix("/v1")


def _refuse_unwell(status: int) -> None:
    """Any other answer below 500 shows a server that lives: `/health` needn't be there."""
    if status in (401, 403):
        raise UpstreamError(f"status {status}: its secret isn't accepted")
    if 300 <= status < 400:
        raise UpstreamError(f"status {status}: its address leads elsewhere")
    if status >= 500:
        raise UpstreamError(f"status {status}")


def announced(body: bytes) -> list[dict[str, Any]]:
    """Models of an answer to `/v1/models`, each once: `name`, and in `detail` what else is told.

    Nothing where it isn't such an answer; what a server says is bounded before it is kept.
    """
    try:
        data = msgspec.json.decode(body)["data"][:_MOST_MODELS]
    except (*UNREADABLE, KeyError, TypeError):
        return []
    found: dict[str, dict[str, Any]] = {}
    for item in data if isinstance(data, list) else ():
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name and _short(name):
            meta = item.get("meta")  # llama.cpp
            told = item | meta if isinstance(meta, dict) else item
            detail = {key: told[key] for key in _DETAILS if key in told and _short(told[key])}
            found.setdefault(name, {"name": name, "detail": detail})
    return list(found.values())


def _short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 200 and value.isprintable()
    return isinstance(value, int) and abs(value) < 2**63


_MOST_MODELS = 500
_DETAILS = ("owned_by", "max_model_len", "created", "root", "n_ctx_train", "n_params", "size")
