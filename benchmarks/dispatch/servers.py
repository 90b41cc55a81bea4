"""A discrete-event model of an inference server with continuous batching.

Each step of the engine reads a chunk of the first unread prompt and writes one token of every
request that decodes: a step lasts

    base + by_stream x decoding + by_token x context + chunk / prefill_rate   (seconds)

the last term only while there is something to read. Between two events these rates are constant,
so the model advances from event to event and not step by step. A request enters the batch when
there is a place and KV memory for its prompt and its whole answer (real engines admit more and
sometimes evict; that isn't modelled), first come first. Prompts read before stay in the KV memory
that isn't in use, by blocks, least lately used out first, and needn't be read again.
"""

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass

BLOCK = 128
_LEAST = 16


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of server: tokens a second, seconds, requests, tokens."""

    prefill_rate: float = 12_000
    chunk: int = 512
    base: float = 0.012
    by_stream: float = 0.000_2
    by_token: float = 4e-8
    batch: int = 128
    memory: int = 400_000
    latency: float = 0.01


FAST = Kind()
SLOW = Kind(prefill_rate=3_500, base=0.025, by_stream=0.000_6, batch=48, memory=140_000)
SMALL_MEMORY = Kind(memory=70_000, batch=64)


@dataclass(slots=True, eq=False)
class Request:
    """One request, and what became of it. Times are in seconds from the beginning.

    Attributes:
        blocks: ids of its prompt's whole blocks; equal ids mean equal text up to there.
    """

    at: float
    prompt: int
    output: int
    blocks: tuple[int, ...] = ()
    organisation: str = "a"
    priority: str = "interactive"
    replica: int = 0
    streamed: bool = True
    first: float | None = None
    done: float | None = None
    failed: bool = False
    # On the server.
    sent: float = 0.0
    unread: float = 0.0
    target: float = 0.0
    held: int = 0

    @property
    def ttft(self) -> float:
        """Time to first token; infinite when none came."""
        return float("inf") if self.first is None else self.first - self.at

    @property
    def itl(self) -> float:
        """Mean time between tokens; infinite when it didn't end."""
        if self.done is None or self.first is None:
            return float("inf")
        return (self.done - self.first) / max(1, self.output - 1)


class Server:
    """One server.

    Attributes:
        slowness: factor on all its times (1 when it is well).
        up: does it answer.
        read_total: tokens of prompts read, without those found in its cache.
        version: grows when what it will do next changes.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.up = True
        self.slowness = 1.0
        self.version = 0
        self._now = 0.0
        self.read_total = 0.0
        self._reset()

    def _reset(self) -> None:
        self.waiting: deque[Request] = deque()
        self.reading: deque[Request] = deque()
        self.decoding: list[tuple[float, int, Request]] = []
        self._written = 0.0
        self._context = 0.0
        self.held = 0
        self._cache: OrderedDict[int, None] = OrderedDict()

    # What a gateway can see

    @property
    def running(self) -> int:
        """Requests that the engine says it runs: those that write, and the one being read."""
        return len(self.decoding) + bool(self.reading)

    @property
    def queued(self) -> int:
        """Requests that it says wait: to be read, or for a place or memory."""
        return len(self.waiting) + max(0, len(self.reading) - 1)

    @property
    def kv_usage(self) -> float:
        """Share of KV memory in use by requests."""
        return self.held / self.kind.memory

    # Events

    def send(self, request: Request, now: float) -> None:
        """A request arrives."""
        self._advance(now)
        request.sent = now
        self.waiting.append(request)
        self._admit()

    def cancel_all(self, now: float) -> list[Request]:
        """It dies: the requests that it had. Its cache is lost."""
        self._advance(now)
        lost = [*self.waiting, *self.reading, *(entry[2] for entry in self.decoding)]
        self._reset()
        self.version += 1
        return lost

    def slow(self, factor: float, now: float) -> None:
        """All its times are multiplied from now on."""
        self._advance(now)
        self.slowness = factor
        self.version += 1

    def next_event(self) -> float | None:
        """When a prompt will be read or an answer ended, if nothing else happens."""
        step, reads = self._step()
        soonest: float | None = None
        if self.reading:
            soonest = self.reading[0].unread / reads
        if self.decoding:
            ends = max(0.0, self.decoding[0][0] - self._written) * step
            soonest = ends if soonest is None else min(soonest, ends)
        return None if soonest is None else self._now + soonest

    def run(self, now: float) -> tuple[list[Request], list[Request]]:
        """Advance to `now`: the requests whose first token came, and those that ended."""
        self._advance(now)
        firsts, ends = [], []
        while self.reading and self.reading[0].unread <= 1e-6:
            request = self.reading.popleft()
            request.first = now + self.kind.latency
            firsts.append(request)
            self._keep(request)
            request.target = self._written + request.output - 1
            self._context += request.prompt + request.output / 2
            heapq.heappush(self.decoding, (request.target, id(request), request))
        while self.decoding and self.decoding[0][0] <= self._written + 1e-6:
            request = heapq.heappop(self.decoding)[2]
            request.done = now + self.kind.latency
            self._context -= request.prompt + request.output / 2
            self.held -= request.held
            ends.append(request)
        if firsts or ends:
            self._admit()
        self.version += 1
        return firsts, ends

    # Inside

    def _step(self) -> tuple[float, float]:
        """Seconds of a step, and tokens read in a second while there is something to read."""
        kind = self.kind
        step = kind.base + kind.by_stream * len(self.decoding) + kind.by_token * self._context
        if self.reading:
            step += kind.chunk / kind.prefill_rate
        step *= self.slowness
        return step, kind.chunk / step

    def _advance(self, now: float) -> None:
        elapsed = now - self._now
        self._now = now
        if elapsed <= 0 or not (self.reading or self.decoding):
            return
        step, reads = self._step()
        self._written += elapsed / step
        if self.reading:
            self.reading[0].unread -= elapsed * reads

    def _admit(self) -> None:
        kind = self.kind
        while self.waiting and len(self.reading) + len(self.decoding) < kind.batch:
            request = self.waiting[0]
            need = request.prompt + request.output
            if self.held + need > kind.memory and self.held:
                break
            self.waiting.popleft()
            self.held += need
            request.held = need
            request.unread = float(max(_LEAST, request.prompt - BLOCK * self._matched(request)))
            self.read_total += request.unread
            self.reading.append(request)
        self.version += 1

    def _matched(self, request: Request) -> int:
        count = 0
        cache = self._cache
        for block in request.blocks:
            if block not in cache:
                break
            cache.move_to_end(block)
            count += 1
        return count

    def _keep(self, request: Request) -> None:
        cache = self._cache
        for block in request.blocks:
            cache[block] = None
            cache.move_to_end(block)
        # The blocks of running requests are in use anyway: only what is beyond them is spare.
        room = max(0, self.kind.memory - self.held // 2) // BLOCK
        while len(cache) > room:
            cache.popitem(last=False)


class Stepped(Server):
    """The same server, step by step, as llama.cpp runs one.

    A step writes one token of every request that decodes, and fills what is left of `chunk` with
    tokens of prompts, several if they fit. Who arrives during a step waits for its end. A step
    lasts `base + by_stream x decoding + tokens read / prefill_rate`.
    """

    def _reset(self) -> None:
        super()._reset()
        self._ends: float | None = None
        self._reads: list[tuple[Request, float]] = []

    def next_event(self) -> float | None:
        """The end of the step under way."""
        return self._ends

    def send(self, request: Request, now: float) -> None:
        """A request arrives."""
        super().send(request, now)
        if self._ends is None:
            self._begin(now)

    def run(self, now: float) -> tuple[list[Request], list[Request]]:
        """End the step: the requests whose first token came, and those that ended."""
        self._now = now
        self._written += 1
        for request, tokens in self._reads:
            request.unread -= tokens
        firsts, ends = super().run(now)
        self._begin(now)
        return firsts, ends

    def _begin(self, now: float) -> None:
        kind = self.kind
        left = float(kind.chunk - len(self.decoding))
        self._reads = []
        for request in self.reading:
            tokens = min(left, request.unread)
            if tokens <= 0:
                break
            self._reads.append((request, tokens))
            left -= tokens
        busy = self._reads or self.decoding
        read = sum(tokens for _, tokens in self._reads)
        step = kind.base + kind.by_stream * len(self.decoding) + read / kind.prefill_rate
        self._ends = now + step * self.slowness if busy else None
        self.version += 1

    def _advance(self, now: float) -> None:
        self._now = now
