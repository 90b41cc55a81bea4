"""Waiting for an endpoint and giving it back: the policy's asyncio side.

Nobody polls: a request that waits is woken when a slot is given back, a first token lowers a
backlog, or an endpoint comes back. One slow timer runs while somebody waits, for what only time
changes (warm-up, ageing, deadlines).
"""

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic as _now
from typing import Any

from chappe.core.errors import ChappeError
from chappe.gateway.catalogue import Model
from chappe.gateway.dispatch.admission import RoomFullError, Ticket, WaitingRoom
from chappe.gateway.dispatch.capacity import tolerance
from chappe.gateway.dispatch.job import Endpoint, EngineMetrics, Job, Outcome
from chappe.gateway.dispatch.pool import Pool
from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.state import READ_PRIOR, WRITE_PRIOR, EndpointState, Running, share

_TICK_SECONDS = 0.2
_AGEING_SECONDS = 30.0
# Tokens of work a second, until something was measured; and the weight of each new measure.
_RATE_PRIOR = 1000.0
_RATE_SECONDS = 10.0


@dataclass(slots=True)
class _Waiting:
    job: Job
    exclude: frozenset[str]
    future: asyncio.Future[Running]


class _ModelQueue:
    """One model: its endpoints, and who waits for them."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.pool = Pool(_endpoints(model), _settings(model))
        self.room: WaitingRoom[_Waiting] = WaitingRoom(model.queue_limit, _AGEING_SECONDS)
        self.rate = _RATE_PRIOR
        self.done_work = 0.0
        self.measured_at = 0.0
        self.refused = 0
        # Models that share an endpoint with this one, and when it was last served.
        self.beside: list[_ModelQueue] = []
        self.served_at = 0.0

    def update(self, model: Model, now: float) -> None:
        self.pool.settings = _settings(model)
        self.pool.update(_endpoints(model), now)
        self.room.limit = model.queue_limit

    def note_work(self, work: int, now: float) -> None:
        """Measure the rate at which work is done, for estimates."""
        if not self.measured_at:
            self.measured_at = now
        self.done_work += work
        elapsed = now - self.measured_at
        if elapsed > 1.0:
            share = 1 - math.exp(-elapsed / _RATE_SECONDS)
            self.rate += share * (self.done_work / elapsed - self.rate)
            self.done_work, self.measured_at = 0.0, now


class Dispatcher:
    """Places requests on the endpoints of their model."""

    def __init__(self) -> None:
        self._queues: dict[str, _ModelQueue] = {}
        self._tick: asyncio.TimerHandle | None = None

    def update(self, models: Iterable[Model]) -> None:
        """The catalogue changed; what was learned of the endpoints that stay is kept."""
        now = _now()
        wanted = {model.name: model for model in models}
        for name in self._queues.keys() - wanted.keys():
            for ticket in list(self._queues[name].room):
                self._queues[name].room.remove(ticket)
                _refuse(ticket, ChappeError("engine_unavailable", 503, model=name))
            del self._queues[name]
        for name, model in wanted.items():
            queue = self._queues.get(name)
            if queue is None:
                self._queues[name] = queue = _ModelQueue(model)
            else:
                queue.update(model, now)
        self._share(now)
        for name, model in wanted.items():
            queue = self._queues[name]
            for endpoint in model.endpoints:
                if endpoint.drained or endpoint.base_url is None:
                    queue.pool.drain(endpoint.id)
                else:
                    queue.pool.resume(endpoint.id, now)
            self._pump(queue, now)

    def _share(self, now: float) -> None:
        """An endpoint of several models is one server to all of them."""
        serving: dict[str, list[_ModelQueue]] = {}
        for queue in self._queues.values():
            queue.beside = []
            for state in queue.pool:
                serving.setdefault(state.id, []).append(queue)
        for endpoint_id, queues in serving.items():
            share([queue.pool[endpoint_id] for queue in queues], now)
            for queue in queues:
                queue.beside += [q for q in queues if q is not queue and q not in queue.beside]

    def try_place(self, model: str, job: Job) -> Running | None:
        """An endpoint at once, when nobody waits and one has room."""
        queue = self._queues[model]
        if queue.room:
            return None
        now = _now()
        state = queue.pool.choose(job, now)
        if state is None:
            return None
        queue.served_at = now
        return queue.pool.begin(state, job, now)

    async def place(
        self, model: str, job: Job, weight: float = 1.0, exclude: frozenset[str] = frozenset()
    ) -> Running:
        """An endpoint, when the job's turn has come; give it back with :meth:`end`.

        Args:
            model: the catalogue's name.
            job: what is asked.
            weight: share of its organisation.
            exclude: endpoints that it was tried on already.

        Raises:
            ChappeError: `engine_unavailable` (503) when no endpoint could serve it even later,
                `queue_full` (429) or `queue_timeout` (503).
        """
        queue = self._queues[model]
        now = _now()
        if not queue.pool.reachable(job, exclude):
            raise ChappeError("engine_unavailable", 503, model=model)
        room = queue.room
        future: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        ticket = Ticket(
            job.organisation, job.priority, job.work, _Waiting(job, exclude, future), job.deadline
        )
        room.weights[job.organisation] = weight
        try:
            displaced = room.push(ticket, now)
        except RoomFullError as full:
            queue.refused += 1
            raise _full(model, full.position, full.work / queue.rate) from None
        if displaced is not None:
            queue.refused += 1
            seconds = (displaced.work + room.estimate(displaced, 1.0)) / queue.rate
            _refuse(displaced, _full(model, room.position(displaced), seconds))
        self._pump(queue, now)
        if not future.done():
            self._start_tick()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # Its turn came in the very moment in which its client left.
                self.end(model, future.result(), "cancelled")
            else:
                room.remove(ticket)
            raise

    def reachable(self, model: str, job: Job, exclude: frozenset[str]) -> bool:
        """Is there an endpoint besides `exclude` that could serve the job, now or later."""
        queue = self._queues.get(model)
        return queue is not None and queue.pool.reachable(job, exclude)

    def first_token(self, model: str, running: Running) -> None:
        """The first token came."""
        queue = self._queues.get(model)
        if queue is not None:
            now = _now()
            queue.pool.first_token(running, now)
            self._serve(queue, now)

    def end(
        self,
        model: str,
        running: Running,
        outcome: Outcome,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        job: Job | None = None,
    ) -> None:
        """The request left its endpoint, however; whoever was placed calls this once."""
        queue = self._queues.get(model)
        if queue is None:
            return
        now = _now()
        crowded = bool(queue.room)
        pool = queue.pool
        pool.tolerated = (
            tolerance(queue.room.waited(now), pool.settings.ttft_objective) if crowded else 1.0
        )
        pool.end(running, outcome, now, tokens_in, tokens_out)
        if job is not None:
            actual = (tokens_in or 0) + (tokens_out or 0)
            queue.note_work(actual or job.work, now)
            if actual and crowded:
                queue.room.settle(job.priority, job.organisation, job.work, actual)
        if crowded or queue.beside:
            self._serve(queue, now)

    def probe(self, endpoint_id: str, ok: bool) -> None:
        """An active probe's answer."""
        now = _now()
        queues = self._having(endpoint_id)
        if queues:
            # Its health is one, whichever of its models asks.
            queues[0].pool.probe(endpoint_id, ok, now)
        for queue in queues:
            self._pump(queue, now)

    def observe_metrics(self, endpoint_id: str, metrics: EngineMetrics) -> None:
        """A reading of an engine's own metrics."""
        now = _now()
        for queue in self._having(endpoint_id):
            queue.pool.observe_metrics(endpoint_id, metrics, now)
            self._pump(queue, now)

    def observe_remote(self, elsewhere: Mapping[str, tuple[int, int]]) -> None:
        """What the other replicas have in flight: requests and tokens to read, by endpoint."""
        now = _now()
        there: dict[str, tuple[int, int]] = {}
        for queue in self._queues.values():
            for state in queue.pool:
                requests, tokens = elsewhere.get(f"{queue.name} {state.id}", (0, 0))
                if requests:
                    before = there.get(state.id, (0, 0))
                    there[state.id] = (before[0] + requests, before[1] + tokens)
        for queue in self._queues.values():
            for state in queue.pool:
                requests, tokens = there.get(state.id, (0, 0))
                if requests or state.others:
                    queue.pool.observe_remote(state.id, requests, now, tokens)

    def load(self) -> dict[str, tuple[int, int]]:
        """Our own requests in flight and their tokens to read, to tell the other replicas."""
        return {
            f"{queue.name} {endpoint_id}": load
            for queue in self._queues.values()
            for endpoint_id, load in queue.pool.load().items()
        }

    def queues(self) -> list[dict[str, Any]]:
        """What an operator sees of each model: who waits, and where requests run.

        A speed is None until it was measured.
        """
        return [
            {
                "model": queue.name,
                "waiting": len(queue.room),
                "limit": queue.room.limit,
                "refused": queue.refused,
                "rate": None if queue.rate == _RATE_PRIOR else round(queue.rate, 1),
                "endpoints": [_view(state) for state in queue.pool],
            }
            for queue in self._queues.values()
        ]

    def _having(self, endpoint_id: str) -> list[_ModelQueue]:
        return [
            queue
            for queue in self._queues.values()
            if any(state.id == endpoint_id for state in queue.pool)
        ]

    def _serve(self, queue: _ModelQueue, now: float) -> None:
        """Something came free: serve those who wait for this model, and for those that share a
        server with it, the one first that was served longest ago."""
        if queue.beside:
            for each in sorted((queue, *queue.beside), key=lambda each: each.served_at):
                if each.room:
                    self._pump(each, now)
        elif queue.room:
            self._pump(queue, now)

    def _pump(self, queue: _ModelQueue, now: float) -> None:
        """Serve whoever can be served."""
        room, pool = queue.room, queue.pool
        chosen: EndpointState | None = None

        def fits(ticket: Ticket[_Waiting]) -> bool:
            nonlocal chosen
            waiting = ticket.payload
            chosen = pool.choose(waiting.job, now, waiting.exclude)
            return chosen is not None

        while room and pool.has_room(now) and (ticket := room.pop(now, fits)) is not None:
            assert chosen is not None
            queue.served_at = now
            future = ticket.payload.future
            if not future.done():
                future.set_result(pool.begin(chosen, ticket.payload.job, now))

    def _start_tick(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        now = _now()
        waiting = False
        for queue in self._queues.values():
            for ticket in queue.room.expire(now):
                queue.refused += 1
                error = ChappeError("queue_timeout", 503, model=queue.name)
                error.retry_after = max(1.0, queue.room.estimate(ticket, queue.rate))
                _refuse(ticket, error)
            self._pump(queue, now)
            if queue.room:
                waiting = True
                for ticket in [
                    t
                    for t in queue.room
                    if not queue.pool.reachable(t.payload.job, t.payload.exclude)
                ]:
                    queue.room.remove(ticket)
                    _refuse(ticket, ChappeError("engine_unavailable", 503, model=queue.name))
        if waiting:
            self._start_tick()

    def close(self) -> None:
        """Stop the timer."""
        if self._tick is not None:
            self._tick.cancel()


def _settings(model: Model) -> DispatchSettings:
    return DispatchSettings(
        ttft_objective=model.ttft_objective_ms / 1000, itl_objective=model.itl_objective_ms / 1000
    )


def _endpoints(model: Model) -> list[Endpoint]:
    return [
        Endpoint(
            endpoint.id,
            capacity=endpoint.capacity,
            clearance=endpoint.clearance,
            preference=_preference(endpoint.labels),
        )
        for endpoint in model.endpoints
    ]


def _preference(labels: Mapping[str, str]) -> int:
    value = labels.get("preference", "")
    return int(value) if value.isdigit() else 0


def _full(model: str, position: int, seconds: float) -> ChappeError:
    error = ChappeError(
        "queue_full", 429, model=model, position=position, seconds=max(1, math.ceil(seconds))
    )
    error.retry_after = max(1.0, seconds)
    return error


def _refuse(ticket: Ticket[_Waiting], error: ChappeError) -> None:
    if not ticket.payload.future.done():
        ticket.payload.future.set_exception(error)


def _view(state: EndpointState) -> dict[str, object]:
    reads = state.read.slope != READ_PRIOR[1]
    writes = state.write.step != WRITE_PRIOR[0]
    return {
        "id": state.id,
        "health": "drained" if state.health.drained else state.health.state,
        "in_flight": state.in_flight,
        "elsewhere": state.others,
        "limit": round(state.limit.value, 1),
        "prefill_tokens": state.prefill_tokens,
        "kv_usage": state.kv_usage,
        "prefill_tokens_per_second": round(1 / state.read.slope) if reads else None,
        "inter_token_ms": round(1000 * state.write.at(max(1, state.load)), 1) if writes else None,
    }
