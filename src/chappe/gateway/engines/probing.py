"""Asking endpoints how they are: alive, how loaded, and which models they announce."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import Endpoint
from chappe.gateway.dispatch.job import EngineMetrics
from chappe.gateway.engines.metrics import NAMES, read_metrics
from chappe.gateway.http.upstream import Pool, UpstreamError, header_lines

log = logging.getLogger(__name__)

_SECONDS = 5.0
_MOST_AT_ONCE = 32
_MODELS_EVERY_SECONDS = 60.0
_WITH_METRICS = frozenset(NAMES)

_PROPOSE = """
    insert into model_proposal (endpoint_id, upstream_name, detail)
    select %(endpoint)s, name, detail from jsonb_to_recordset(%(found)s::jsonb)
        as found(name text, detail jsonb)
    where not exists (select from deployment d
        where d.endpoint_id = %(endpoint)s and d.upstream_name = name)
    on conflict (endpoint_id, upstream_name) do update set last_seen = now(),
        detail = excluded.detail
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
            async with self._places:
                await self._probe(watched)
            await asyncio.sleep(self._interval * (0.9 + 0.2 * random.random()))  # noqa: S311

    async def _probe(self, watched: _Watched) -> None:
        endpoint, began = watched.endpoint, time.monotonic()
        if endpoint.base_url is None:
            return
        try:
            seen = await self.ask(endpoint, "/v1/models" if self._due(watched, began) else None)
        except UpstreamError as error:
            watched.last = Probe(began, False, str(error)[:200], time.monotonic() - began)
            self._on_probe(endpoint.id, False)
            return
        watched.last = Probe(began, True, "", time.monotonic() - began)
        self._on_probe(endpoint.id, True)
        if seen is not None:
            watched.models_at = began
            await self._propose(endpoint, announced(seen))
        if endpoint.engine in _WITH_METRICS:
            await self._read_metrics(endpoint)

    @staticmethod
    def _due(watched: _Watched, now: float) -> bool:
        stored = not watched.endpoint.id.startswith("configured:")
        return stored and now - watched.models_at >= _MODELS_EVERY_SECONDS

    async def ask(self, endpoint: Endpoint, path: str | None = None) -> bytes | None:
        """One probe. Without a path, `/health` where the engine has it, else `/v1/models`.

        Raises:
            UpstreamError: it isn't well; says why.
        """
        assert endpoint.base_url is not None
        root = endpoint.base_url.removesuffix("/v1")
        healthy = endpoint.engine in ("vllm", "sglang", "llamacpp", "tei")
        asked = path or ("/health" if healthy else "/v1/models")
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        address = endpoint.base_url + "/models" if asked == "/v1/models" else root + asked
        response = await self._upstream.send(
            b"GET", address, header_lines(headers), b"", _SECONDS, _SECONDS
        )
        try:
            body = await response.read(4_000_000)
        finally:
            response.release()
        # Any answer below 500 shows a server that lives; a wrong secret is told as such.
        if response.status in (401, 403):
            raise UpstreamError(f"status {response.status}: its secret isn't accepted")
        if response.status >= 500:
            raise UpstreamError(f"status {response.status}")
        return body if path and response.status == 200 else None

    async def _read_metrics(self, endpoint: Endpoint) -> None:
        assert endpoint.base_url is not None
        headers = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        address = endpoint.base_url.removesuffix("/v1") + "/metrics"
        try:
            response = await self._upstream.send(
                b"GET", address, header_lines(headers), b"", _SECONDS, _SECONDS
            )
            try:
                text = await response.read(16_000_000)
            finally:
                response.release()
        except UpstreamError:
            return  # it is well all the same; its readings grow stale, and dispatch counts that
        if response.status == 200 and (metrics := read_metrics(text, endpoint.engine)) is not None:
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
        except ChappeError:
            log.info("proposals_postponed", extra={"endpoint": endpoint.name})


def announced(body: bytes) -> list[dict[str, Any]]:
    """Models of an answer to `/v1/models`: name and what else is told; nothing if it isn't one."""
    try:
        data = msgspec.json.decode(body).get("data", [])
        return [
            {"name": item["id"], "detail": {k: v for k, v in item.items() if k in _DETAILS}}
            for item in data[:500]
            if isinstance(item.get("id"), str) and 0 < len(item["id"]) <= 200
        ]
    except (msgspec.DecodeError, AttributeError, KeyError, TypeError, UnicodeDecodeError):
        return []


_DETAILS = frozenset(("owned_by", "max_model_len", "created", "root", "meta"))
