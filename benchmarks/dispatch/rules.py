"""The rules that are compared. Ours is the production pool; the others are written from their
formulae, and all see the same: their own requests exactly, the other gateways' and the engines'
metrics with the same delay, and the same probes.
"""

import math
import random
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from servers import Request, Server

from chappe.gateway.dispatch import (
    DispatchSettings,
    Endpoint,
    EngineMetrics,
    Job,
    Pool,
    Running,
    Ticket,
    WaitingRoom,
)
from chappe.gateway.dispatch.capacity import tolerance
from chappe.gateway.dispatch.prefix import PrefixIndex

HASHED = 32


def job_of(request: Request, hashed: int | None = HASHED) -> Job:
    """What a gateway knows of a request: not how long the answer will be.

    `hashed` blocks of its prompt are known: ours hashes 16 KiB, the others all of it.
    """
    return Job(
        request.organisation,
        request.priority,  # type: ignore[arg-type]
        request.prompt,
        250,
        request.blocks[:hashed],
        streamed=request.streamed,
    )


class Rule(Protocol):
    """A dispatch rule in one gateway; servers are numbers."""

    def push(self, request: Request, now: float) -> None: ...
    def pop(self, now: float) -> tuple[Request, int, Any] | None: ...
    def retry(self, request: Request, tried: set[int], now: float) -> None: ...
    def first(self, handle: Any, now: float) -> None: ...
    def ended(self, handle: Any, ok: bool, now: float, tokens: int) -> None: ...
    def metrics(self, server: int, seen: Server, now: float) -> None: ...
    def load(self) -> list[tuple[int, int, int]]: ...
    def remote(self, server: int, in_flight: int, prefill: int, now: float) -> None: ...
    def probe(self, server: int, ok: bool, now: float) -> None: ...


class Chappe:
    """The production modules: a waiting room before a pool."""

    def __init__(
        self, count: int, draw: random.Random, settings: DispatchSettings, weights: dict[str, float]
    ) -> None:
        self.pool = Pool((Endpoint(str(i)) for i in range(count)), settings, draw)
        self.room: WaitingRoom[tuple[Request, Job, frozenset[str]]] = WaitingRoom(
            1_000_000, 60.0, weights
        )

    def push(self, request: Request, now: float) -> None:
        self._push(request, frozenset(), now)

    def retry(self, request: Request, tried: set[int], now: float) -> None:
        self._push(request, frozenset(map(str, tried)), now)

    def _push(self, request: Request, tried: frozenset[str], now: float) -> None:
        job = job_of(request)
        self.room.push(Ticket(job.organisation, job.priority, job.work, (request, job, tried)), now)

    def pop(self, now: float) -> tuple[Request, int, Any] | None:
        if not self.room or not self.pool.has_room(now):
            return None
        chosen = None

        def fits(ticket: Ticket[tuple[Request, Job, frozenset[str]]]) -> bool:
            nonlocal chosen
            _, job, tried = ticket.payload
            chosen = self.pool.choose(job, now, tried)
            return chosen is not None

        ticket = self.room.pop(now, fits)
        if ticket is None or chosen is None:
            return None
        request, job, _ = ticket.payload
        running = self.pool.begin(chosen, job, now)
        return request, int(chosen.id), (running, job)

    def first(self, handle: tuple[Running, Job], now: float) -> None:
        if handle[1].streamed:
            self.pool.first_token(handle[0], now)

    def ended(self, handle: tuple[Running, Job], ok: bool, now: float, tokens: int) -> None:
        running, job = handle
        waited, objective = self.room.waited(now), self.pool.settings.ttft_objective
        self.pool.tolerated = tolerance(waited, objective)
        self.pool.end(running, "completed" if ok else "failed", now, job.prompt_tokens, tokens)
        self.room.settle(job.priority, job.organisation, job.work, job.prompt_tokens + tokens)

    def metrics(self, server: int, seen: Server, now: float) -> None:
        reading = EngineMetrics(seen.running, seen.queued, seen.kv_usage, seen.kind.memory)
        self.pool.observe_metrics(str(server), reading, now)

    def load(self) -> list[tuple[int, int, int]]:
        return [(int(name), *values) for name, values in self.pool.load().items()]

    def remote(self, server: int, in_flight: int, prefill: int, now: float) -> None:
        self.pool.observe_remote(str(server), in_flight, now, prefill)

    def probe(self, server: int, ok: bool, now: float) -> None:
        self.pool.probe(str(server), ok, now)


class Immediate:
    """What the other rules share: they send at once, wherever `choose` says."""

    def __init__(self, count: int, draw: random.Random) -> None:
        self.draw = draw
        self.count = count
        self.in_flight = [0] * count
        self.loads = [0] * count
        self._others = [0] * count
        self.running = [0] * count
        self.up = [True] * count
        self._queue: deque[tuple[Request, set[int]]] = deque()

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        """One of the servers that are up."""
        raise NotImplementedError

    def loads_of(self, servers: Sequence[int]) -> Sequence[int]:
        """Requests there, ours and the other gateways'."""
        return self.loads if len(servers) == self.count else [self.loads[s] for s in servers]

    def least(self, servers: Sequence[int], values: Sequence[float]) -> int:
        """The server with the smallest value, at random among equals."""
        lowest = min(values)
        return self.draw.choice([s for s, v in zip(servers, values, strict=True) if v == lowest])

    def sent(self, job: Job, server: int) -> None:
        """A job went to `server`."""

    def push(self, request: Request, now: float) -> None:
        self._queue.append((request, set()))

    def retry(self, request: Request, tried: set[int], now: float) -> None:
        self._queue.append((request, tried))

    def pop(self, now: float) -> tuple[Request, int, Any] | None:
        if not self._queue:
            return None
        request, tried = self._queue[0]
        servers: Sequence[int] = range(self.count)
        if tried or not all(self.up):
            servers = [s for s in servers if self.up[s] and s not in tried]
        if not servers:
            return None
        self._queue.popleft()
        job = job_of(request, None)
        server = self.choose(job, servers, now)
        self.in_flight[server] += 1
        self.loads[server] += 1
        self.sent(job, server)
        return request, server, server

    def first(self, handle: int, now: float) -> None:
        pass

    def ended(self, handle: int, ok: bool, now: float, tokens: int) -> None:
        self.in_flight[handle] -= 1
        self.loads[handle] -= 1

    def metrics(self, server: int, seen: Server, now: float) -> None:
        self.running[server] = seen.running

    def load(self) -> list[tuple[int, int, int]]:
        return [(s, n, 0) for s, n in enumerate(self.in_flight) if n]

    def remote(self, server: int, in_flight: int, prefill: int, now: float) -> None:
        self._others[server] = in_flight
        self.loads[server] = self.in_flight[server] + in_flight

    def probe(self, server: int, ok: bool, now: float) -> None:
        self.up[server] = ok


class RoundRobin(Immediate):
    """Each in turn."""

    def __init__(self, count: int, draw: random.Random) -> None:
        super().__init__(count, draw)
        self._next = draw.randrange(count)

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        self._next += 1
        return servers[self._next % len(servers)]


class LeastInFlight(Immediate):
    """Fewest requests under way."""

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        return self.least(servers, self.loads_of(servers))


class TwoChoices(Immediate):
    """The less loaded of two at random (Mitzenmacher 2001)."""

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        one, two = self.draw.choice(servers), self.draw.choice(servers)
        return one if self.loads[one] <= self.loads[two] else two


class Aristote(Immediate):
    """Smallest bucket of the 95th percentile of time to first token, over the last seconds.

    Bounds are those of vLLM's histogram. Its requeueing (when that time is over 0.1 s) isn't
    modelled: under these loads it would only add whole seconds.
    """

    # Seconds. The shortest is the kindest to these rules.
    WINDOW = 2.0
    BOUNDS = (
        0.001,
        0.005,
        0.01,
        0.02,
        0.04,
        0.06,
        0.08,
        0.1,
        0.25,
        0.5,
        0.75,
        1.0,
        2.5,
        5.0,
        7.5,
        10,
    )

    def __init__(self, count: int, draw: random.Random) -> None:
        super().__init__(count, draw)
        self._times: list[deque[tuple[float, float]]] = [deque() for _ in range(count)]
        self._bucket = [0] * count

    def first_token_at(self, server: int, seconds: float, now: float) -> None:
        """An engine's own measure, whoever asked."""
        self._times[server].append((now, seconds))

    def metrics(self, server: int, seen: Server, now: float) -> None:
        super().metrics(server, seen, now)
        p95 = self._p95(server, now)
        self._bucket[server] = sum(p95 > bound for bound in self.BOUNDS)

    def _p95(self, server: int, now: float) -> float:
        """Seconds; 0 where nothing was measured lately."""
        times = self._times[server]
        while times and times[0][0] < now - self.WINDOW:
            times.popleft()
        if not times:
            return 0.0
        ordered = sorted(seconds for _, seconds in times)
        return ordered[math.ceil(0.95 * len(ordered)) - 1]

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        return self.least(servers, [self._bucket[s] for s in servers])


class LeastRunning(Immediate):
    """Fewest running requests, by the engines' metrics: what a router that counts nothing does."""

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        return self.least(servers, [self.running[s] for s in servers])


class OpenGateLLM(Aristote):
    """Smallest 95th percentile of the times to first token that the gateways measured themselves,
    over the last seconds, known at once to all of them (a shared time series).

    A server without a measure is taken as the quickest, as Aristote does; in its own code it comes
    last, and then the first server that answers gets everything.
    """

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        return self.least(servers, [self._p95(s, now) for s in servers])


class Random(Immediate):
    """Any of them: OpenGateLLM's other strategy."""

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        return self.draw.choice(servers)


class _Prefixes(Immediate):
    """Rules that remember which server read which prefix, for ever and exactly."""

    def __init__(self, count: int, draw: random.Random) -> None:
        super().__init__(count, draw)
        self._index = PrefixIndex(10**9)

    def sent(self, job: Job, server: int) -> None:
        self._index.record(job.prefix, server, 0)

    def depth(self, job: Job, server: int) -> int:
        return self._index.depth(job.prefix, server, 0) if job.prefix else 0

    def known(self, job: Job) -> set[int]:
        """The servers that read at least its first block."""
        return set(self._index.holders(job.prefix[:1], self.count))

    def matches(self, job: Job, servers: Sequence[int]) -> list[float]:
        """Share of the prompt's blocks that each server read."""
        known = self.known(job)
        whole = max(1, len(job.prefix))
        if len(servers) < self.count:
            return [self.depth(job, s) / whole if s in known else 0.0 for s in servers]
        found = [0.0] * self.count
        for server in known:
            found[server] = self.depth(job, server) / whole
        return found


class ProductionStack(_Prefixes):
    """vLLM production-stack, load-aware: matched / prompt - beta (load - mean) / max(1, mean)."""

    BETA = 1.0

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        loads = self.loads_of(servers)
        mean = sum(loads) / len(loads)
        scale = max(1.0, mean) / self.BETA
        scores = [
            (load - mean) / scale - match
            for load, match in zip(loads, self.matches(job, servers), strict=True)
        ]
        return self.least(servers, scores)


class SGLang(_Prefixes):
    """SGLang, cache-aware: the longest match if it is over 0.3, the least loaded of several; else
    the least loaded; and that too where loads differ by over 64 and 1.5 times.

    Its earlier versions, without a match, took the server that had read least: worse.
    """

    ABSOLUTE = 64
    RELATIVE = 1.5

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        loads = self.loads_of(servers)
        most, fewest = max(loads), min(loads)
        if most - fewest > self.ABSOLUTE and most > self.RELATIVE * fewest:
            return self.least(servers, loads)
        matches = self.matches(job, servers)
        longest = max(matches)
        if longest <= 0.3:
            return self.least(servers, loads)
        holders = [i for i, match in enumerate(matches) if match == longest]
        return self.least([servers[i] for i in holders], [loads[i] for i in holders])


class TunedSGLang(SGLang):
    """The same with the thresholds that do best on most of these workloads."""

    ABSOLUTE = 8
    RELATIVE = 1.2


class LlmD(_Prefixes):
    """llm-d: 3 x prefix match + 2 x (1 - normalised queue) + 2 x (1 - KV use).

    It reads the engines' metrics twenty times a second; here it sees them without any delay.
    """

    PREFIX, QUEUE, KV = 3.0, 2.0, 2.0

    def __init__(self, count: int, draw: random.Random) -> None:
        super().__init__(count, draw)
        self.queued: Sequence[int] = ()
        self.kv: Sequence[float] = ()

    def choose(self, job: Job, servers: Sequence[int], now: float) -> int:
        queues = [self.queued[s] for s in servers]
        low, high = min(queues), max(queues)
        spread = max(1, high - low)
        scores = [
            self.QUEUE * (queue - low) / spread + self.KV * self.kv[s] - self.PREFIX * match
            for s, queue, match in zip(servers, queues, self.matches(job, servers), strict=True)
        ]
        return self.least(servers, scores)


class TunedLlmD(LlmD):
    """The same with less weight on prefixes: better on most of these workloads."""

    PREFIX = 1.0


OTHERS: dict[str, type[Immediate]] = {
    "round-robin": RoundRobin,
    "random (OpenGateLLM)": Random,
    "least running": LeastRunning,
    "p95 TTFT (OpenGateLLM)": OpenGateLLM,
    "least in-flight": LeastInFlight,
    "two choices": TwoChoices,
    "p95 TTFT (Aristote)": Aristote,
    "load-aware (production-stack)": ProductionStack,
    "cache-aware (SGLang)": SGLang,
    "cache-aware, tuned (SGLang)": TunedSGLang,
    "weights (llm-d)": LlmD,
    "weights, tuned (llm-d)": TunedLlmD,
}
OURS = "Chappe"
