"""The workloads: which servers, who asks what and when, what fails. All from one seed."""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from servers import BLOCK, FAST, SLOW, SMALL_MEMORY, Kind, Request


@dataclass(frozen=True, slots=True)
class Fault:
    """Server number `server` dies (`factor` 0) or slows down, from `at` until `until`."""

    server: int
    at: float
    until: float
    factor: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """A named situation.

    Attributes:
        kinds: the servers.
        requests: makes the requests of a seed, by time.
        seconds: length; the first `warmup` seconds aren't measured.
        replicas: how many gateways share the servers.
        every: seconds between two readings of a server's metrics, and between two notes of a
            gateway's load to the others; infinite where they don't know of each other.
        models: those aren't gateways but models, of one gateway, that every server serves.
        ttft, itl: the objectives, in seconds.
    """

    name: str
    kinds: tuple[Kind, ...]
    requests: Callable[[random.Random], list[Request]]
    seconds: float
    warmup: float
    replicas: int = 1
    ttft: float = 2.0
    itl: float = 0.06
    faults: tuple[Fault, ...] = field(default=())
    models: bool = False
    every: float = 0.5


def length(draw: random.Random, mean: float, sigma: float, most: int) -> int:
    """A log-normal length with this mean (before it is cut at `most`)."""
    return max(8, min(most, int(draw.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma))))


def gamma_times(draw: random.Random, rate: float, cv: float, seconds: float) -> Iterator[float]:
    """Arrivals with gamma intervals: `rate` a second, coefficient of variation `cv`."""
    shape = 1 / (cv * cv)
    now = 0.0
    while True:
        now += draw.gammavariate(shape, 1 / (rate * shape))
        if now >= seconds:
            return
        yield now


def burst_times(
    draw: random.Random, calm: float, burst: float, seconds: float, dwell: tuple[float, float]
) -> Iterator[float]:
    """A Poisson process modulated by two states (calm, burst) of exponential lengths `dwell`."""
    now, state = 0.0, 0
    change = draw.expovariate(1 / dwell[0])
    while True:
        step = draw.expovariate((calm, burst)[state])
        if now + step >= change:
            now = change
            state = 1 - state
            change = now + draw.expovariate(1 / dwell[state])
        else:
            now += step
            if now < seconds:
                yield now
        if now >= seconds:
            return


class Texts:
    """Prompts as chains of block ids."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._ids = itertools.count(1)

    def fresh(self, tokens: int, after: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The chain of a text of `tokens` in all that begins with `after` and goes on anew."""
        missing = tokens // BLOCK - len(after)
        return after + tuple(next(self._ids) * 7_919 % 2**32 for _ in range(missing))


def chat(
    times: Callable[[random.Random], Iterator[float]],
    prompt: tuple[float, float, int] = (900, 0.9, 12_000),
    output: tuple[float, float, int] = (220, 0.7, 2_000),
    streamed: float = 1.0,
    replicas: int = 1,
) -> Callable[[random.Random], list[Request]]:
    """Unrelated requests; (mean, sigma, most) of their lengths in tokens; the share streamed."""

    def make(draw: random.Random) -> list[Request]:
        texts = Texts(draw)
        found = []
        for at in times(draw):
            tokens = length(draw, *prompt)
            request = Request(at, tokens, length(draw, *output), texts.fresh(tokens))
            request.streamed = draw.random() < streamed
            request.replica = draw.randrange(replicas)
            found.append(request)
        return found

    return make


def shared_prompts(
    times: Callable[[random.Random], Iterator[float]],
    services: int,
    system: int,
    prompt: tuple[float, float, int] = (500, 0.9, 8_000),
    output: tuple[float, float, int] = (220, 0.7, 2_000),
    replicas: int = 1,
) -> Callable[[random.Random], list[Request]]:
    """Every request begins with one of `services` system prompts of `system` tokens (Zipf)."""

    def make(draw: random.Random) -> list[Request]:
        texts = Texts(draw)
        heads = [texts.fresh(system) for _ in range(services)]
        shares = [1 / (rank + 1) for rank in range(services)]
        found = []
        for at in times(draw):
            head = draw.choices(heads, shares)[0]
            tokens = system + length(draw, *prompt)
            request = Request(at, tokens, length(draw, *output), texts.fresh(tokens, head))
            request.replica = draw.randrange(replicas)
            found.append(request)
        return found

    return make


def conversations(
    rate: float,
    seconds: float,
    turns: float = 5,
    think: float = 12.0,
    system: int = 640,
    replicas: int = 1,
) -> Callable[[random.Random], list[Request]]:
    """Conversations that begin as a Poisson process; each turn repeats all that was said before."""

    def make(draw: random.Random) -> list[Request]:
        texts = Texts(draw)
        head = texts.fresh(system)
        found = []
        now = -2 * turns * think
        while now < seconds:
            now += draw.expovariate(rate)
            at, tokens, blocks = now, system, head
            replica = draw.randrange(replicas)
            while draw.random() < 1 - 1 / (turns + 1):
                tokens += length(draw, 350, 1.1, 6_000)
                blocks = texts.fresh(tokens, blocks)
                output = length(draw, 220, 0.7, 1_500)
                if 0 <= at < seconds:
                    found.append(Request(at, tokens, output, blocks, replica=replica))
                tokens += output
                at += output * 0.03 + draw.expovariate(1 / think)
        return sorted(found, key=lambda request: request.at)

    return make


def suite(scale: float = 1.0) -> list[Workload]:
    """The workloads that the benchmark compares the rules on; `scale` shortens them for a try."""

    def seconds(value: float) -> float:
        return value * scale

    def gamma(rate: float, cv: float, length: float) -> Callable[[random.Random], Iterator[float]]:
        return lambda draw: gamma_times(draw, rate, cv, length)

    def bursts(
        calm: float, burst: float, length: float
    ) -> Callable[[random.Random], Iterator[float]]:
        return lambda draw: burst_times(draw, calm, burst, length, (15, 5))

    w = 20 * scale
    return [
        Workload(
            "quiet, 4 servers", (FAST,) * 4, chat(gamma(8, 1.0, seconds(500))), seconds(500), w
        ),
        Workload(
            "chat, 4 servers", (FAST,) * 4, chat(gamma(22, 2.0, seconds(300))), seconds(300), w
        ),
        Workload(
            "mixed, 12 servers",
            (FAST,) * 4 + (SLOW,) * 8,
            chat(gamma(33, 1.5, seconds(200)), streamed=0.6),
            seconds(200),
            w,
            itl=0.09,
        ),
        Workload(
            "bursts, 16 servers",
            (FAST,) * 16,
            chat(bursts(50, 125, seconds(120))),
            seconds(120),
            w,
        ),
        Workload(
            "long prompts, 16 servers",
            (FAST,) * 16,
            shared_prompts(gamma(32, 1.5, seconds(200)), 40, 1_024, (3_000, 1.0, 24_000)),
            seconds(200),
            w,
            ttft=4.0,
        ),
        Workload(
            "system prompt, 32 servers",
            (FAST,) * 32,
            shared_prompts(gamma(230, 2.0, seconds(50)), 3, 2_048),
            seconds(50),
            w / 2,
        ),
        Workload(
            "conversations, 32 servers",
            (FAST,) * 24 + (SLOW,) * 8,
            conversations(22, seconds(60)),
            seconds(60),
            w / 2,
            itl=0.09,
        ),
        Workload(
            "little memory, 8 servers",
            (SMALL_MEMORY,) * 8,
            chat(gamma(20, 1.5, seconds(300)), (1_200, 1.0, 12_000), (400, 0.8, 4_000)),
            seconds(300),
            w,
        ),
        Workload(
            "failures, 16 servers",
            (FAST,) * 16,
            chat(gamma(70, 1.5, seconds(120))),
            seconds(120),
            w,
            faults=(
                Fault(0, seconds(30), seconds(60)),
                Fault(1, seconds(45), seconds(75), 5.0),
                Fault(2, seconds(70), seconds(90)),
                Fault(3, seconds(80), seconds(110), 3.0),
            ),
        ),
        Workload(
            "one prompt for all, 16 servers",
            (FAST,) * 16,
            shared_prompts(gamma(96, 1.5, seconds(90)), 1, 4_096, (300, 0.9, 4_000)),
            seconds(90),
            w,
        ),
        Workload(
            "heavy tails, 16 servers",
            (FAST,) * 16,
            chat(gamma(55, 1.5, seconds(150)), (900, 1.8, 60_000), (220, 1.4, 6_000)),
            seconds(150),
            w,
        ),
        Workload(
            "one slow of 32 servers",
            (FAST,) * 32,
            chat(gamma(140, 1.5, seconds(60))),
            seconds(60),
            w / 2,
            faults=(Fault(5, 0.0, math.inf, 4.0),),
        ),
        Workload(
            "8 servers, then 16",
            (FAST,) * 16,
            chat(gamma(50, 1.5, seconds(150))),
            seconds(150),
            w,
            faults=tuple(Fault(server, 0.0, seconds(60)) for server in range(8)),
        ),
        Workload(
            "two models on 8 servers",
            (FAST,) * 8,
            chat(gamma(40, 1.5, seconds(150)), replicas=2),
            seconds(150),
            w,
            replicas=2,
            models=True,
        ),
        Workload(
            "stale, 4 gateways, 16 servers",
            (FAST,) * 16,
            chat(gamma(70, 1.5, seconds(120)), replicas=4),
            seconds(120),
            w,
            replicas=4,
            every=5.0,
        ),
        Workload(
            "4 gateways, 64 servers",
            (FAST,) * 48 + (SLOW,) * 16,
            shared_prompts(gamma(290, 1.5, seconds(35)), 200, 1_024, replicas=4),
            seconds(35),
            w / 2,
            replicas=4,
            itl=0.09,
        ),
        Workload(
            "200 servers",
            (FAST,) * 120 + (SLOW,) * 80,
            shared_prompts(gamma(800, 1.5, seconds(16)), 400, 1_024, replicas=2),
            seconds(16),
            w / 4,
            replicas=2,
            itl=0.09,
        ),
        Workload(
            "2000 servers",
            (FAST,) * 1200 + (SLOW,) * 800,
            shared_prompts(gamma(7_500, 1.5, seconds(3)), 1_500, 1_024, replicas=2),
            seconds(3),
            w / 20,
            replicas=2,
            itl=0.09,
        ),
    ]


SHARES = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 6.0}


def overload(scale: float = 1.0) -> Workload:
    """Four organisations of unequal weights, whose requests have unlike lengths, ask for about
    twice what the servers can do, each for more than its share."""
    seconds = 120 * scale
    # (requests a second, mean prompt, mean output)
    asked = {"a": (12, 1_500, 150), "b": (14, 700, 300), "c": (18, 1_000, 200), "d": (40, 700, 250)}

    def make(draw: random.Random) -> list[Request]:
        texts = Texts(draw)
        found = []
        for organisation, (rate, prompt, output) in asked.items():
            for at in gamma_times(draw, rate, 1.5, seconds):
                tokens = length(draw, prompt, 0.8, 8_000)
                answer = length(draw, output, 0.7, 2_000)
                request = Request(at, tokens, answer, texts.fresh(tokens), organisation)
                found.append(request)
        return sorted(found, key=lambda request: request.at)

    return Workload("overload, 8 servers", (FAST,) * 8, make, seconds, 20 * scale)


def with_batch(batch: bool, scale: float = 1.0) -> Workload:
    """People on 8 servers at about half of what these can do, with or without an endless heap of
    batch work of another organisation."""
    seconds = 200 * scale

    def make(draw: random.Random) -> list[Request]:
        people = chat(lambda d: gamma_times(d, 25, 1.5, seconds))(draw)
        if not batch:
            return people
        texts = Texts(draw)
        found = []
        for at in gamma_times(draw, 40, 1.0, seconds):
            tokens = length(draw, 1_500, 0.8, 8_000)
            answer = length(draw, 300, 0.7, 2_000)
            found.append(Request(at, tokens, answer, texts.fresh(tokens), "batch", "batch"))
        return sorted(people + found, key=lambda request: request.at)

    return Workload("people and batch, 8 servers", (FAST,) * 8, make, seconds, 20 * scale)
