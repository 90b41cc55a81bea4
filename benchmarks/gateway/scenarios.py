"""What is measured. Each function measures one peer once and adds its figures.

Times are in milliseconds, memory in MiB unless the name says otherwise; processor time is the
gateway's own, its database's apart.
"""

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from measure import Tree, processor_seconds
from peers import Peer, settle
from tools import Tools

CONNECTIONS = 64
# Streams begin at a pace with no common measure with the events', so that these are spread evenly.
STREAMS_PER_SECOND = 617
MANY_STREAMS_PER_SECOND = 391
MANY_STREAMS = 1000
WARM_UP = 20_000
GROWTH_REQUESTS = 200_000
GROWTH_SECONDS = 90.0


@dataclass
class Figures:
    """Every figure of every peer, one value for each round.

    Attributes:
        values: by figure, then by peer.
        failed: requests refused or broken, in all scenarios, by peer.
    """

    values: defaultdict[str, defaultdict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, peer: Peer, **figures: float) -> None:
        """Keep one round's figures."""
        for name, value in figures.items():
            self.values[name][peer.name].append(value)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the load, and what it cost.

    Attributes:
        load: what `load.c` printed.
        gateway_seconds: processor time of the gateway, s; None for `direct`.
        upstream_share: processor time of the mock upstream, of one core.
        growth_kib: highest resident memory during the run, less what it was before.
    """

    load: dict[str, Any]
    gateway_seconds: float | None
    database_seconds: float
    upstream_share: float
    growth_kib: int


def ask(tools: Tools, figures: Figures, peer: Peer, **options: float) -> dict[str, Any]:
    """Run the load against a peer, and keep count of what fails."""
    load = tools.load(peer.port, peer.key, **options)
    figures.failed[peer.name] += load["errors"]
    return load


def run_load(
    tools: Tools, figures: Figures, peer: Peer, *, watch: bool = False, **options: float
) -> Run:
    """As `ask`, with what it cost; `watch` the peer's memory meanwhile, four times a second."""
    before = peer.tree if peer.running else None
    at_rest = before.gateway_kib if before and watch else 0
    upstream = processor_seconds(tools.upstream.pid)
    began = time.monotonic()
    highest = at_rest
    ended = threading.Event()

    def follow() -> None:
        nonlocal highest
        while before and not ended.wait(0.25):
            highest = max(highest, before.gateway_kib)

    watcher = threading.Thread(target=follow)
    if watch:
        watcher.start()
    load = ask(tools, figures, peer, **options)
    ended.set()
    if watch:
        watcher.join()
    share = (processor_seconds(tools.upstream.pid) - upstream) / (time.monotonic() - began)
    if before is None:
        return Run(load, None, 0.0, share, 0)
    after: Tree = peer.tree
    return Run(
        load,
        after.gateway_seconds - before.gateway_seconds,
        after.database_seconds - before.database_seconds,
        share,
        highest - at_rest,
    )


def rest(figures: Figures, peer: Peer) -> None:
    """Memory of a gateway that has been started and asked once."""
    if peer.running:
        figures.add(peer, rss_mb=peer.tree.gateway_kib / 1024)


def throughput(tools: Tools, figures: Figures, peer: Peer, seconds: float) -> None:
    """64 connections, 1 kB requests, answers not streamed."""
    ask(tools, figures, peer, connections=CONNECTIONS, seconds=0.5)
    run = run_load(tools, figures, peer, connections=CONNECTIONS, seconds=seconds)
    requests = run.load["requests"]
    figures.add(
        peer,
        requests_per_s=requests / run.load["seconds"],
        upstream_share=run.upstream_share,
        load_share=run.load["processor_s"] / run.load["seconds"],
    )
    if run.gateway_seconds:
        figures.add(
            peer,
            requests_per_cpu_s=requests / run.gateway_seconds,
            gateway_share=run.gateway_seconds / run.load["seconds"],
        )
        if run.database_seconds and requests:
            figures.add(peer, database_us_per_request=run.database_seconds / requests * 1e6)
    settle(peer)


def latency(tools: Tools, figures: Figures, peer: Peer, seconds: float) -> None:
    """One connection; then 200 requests a second; then the first token of streamed answers."""
    one = ask(tools, figures, peer, seconds=seconds)["latency_us"]
    steady = ask(tools, figures, peer, seconds=seconds, connections=CONNECTIONS, per_second=200)
    settle(peer)
    streamed = ask(tools, figures, peer, seconds=seconds / 2, tokens=2)["ttft_us"]
    figures.add(
        peer,
        p50_ms=one["p50"] / 1000,
        p99_ms=one["p99"] / 1000,
        p99_ms_at_200=steady["latency_us"]["p99"] / 1000,
        ttft_ms=streamed["p50"] / 1000,
    )


def streams(tools: Tools, figures: Figures, peer: Peer, seconds: float) -> None:
    """64 streams of 100 events a second."""
    run = run_load(
        tools,
        figures,
        peer,
        connections=CONNECTIONS,
        requests=CONNECTIONS,
        per_second=STREAMS_PER_SECOND,
        tokens=int(seconds * 100),
        pace=100,
        seconds=seconds,
        grace=1.5,
    )
    delay = run.load["delay_us"]
    if delay:
        figures.add(peer, delay_p50_ms=delay["p50"] / 1000, delay_p99_ms=delay["p99"] / 1000)
    if run.gateway_seconds:
        figures.add(peer, events_per_cpu_s=run.load["events"] / run.gateway_seconds)
    settle(peer)


def many_streams(tools: Tools, figures: Figures, peer: Peer, seconds: float) -> None:
    """1,000 streams of 10 events a second, all open at once; a starved one misses events."""
    begun = MANY_STREAMS / MANY_STREAMS_PER_SECOND
    run = run_load(
        tools,
        figures,
        peer,
        watch=True,
        connections=MANY_STREAMS,
        requests=MANY_STREAMS,
        per_second=MANY_STREAMS_PER_SECOND,
        tokens=int((seconds + begun) * 10),
        pace=10,
        seconds=begun + seconds,
        grace=begun + 1.5,
    )
    figures.add(
        peer,
        streams_starved=run.load["short_streams"],
        many_widest_gap_ms=run.load["widest_gap_us"] / 1000,
    )
    if delay := run.load["delay_us"]:
        figures.add(
            peer, many_delay_p50_ms=delay["p50"] / 1000, many_delay_p99_ms=delay["p99"] / 1000
        )
    if peer.running:
        figures.add(peer, kb_per_stream=run.growth_kib * 1024 / 1000 / MANY_STREAMS)
    settle(peer)


def slow_reader(tools: Tools, figures: Figures, peer: Peer, seconds: float) -> None:
    """One client reads 1 kB a second of a stream that comes as fast as it is taken.

    `slow_reader_held_mb` is what the upstream got rid of and the client hasn't read: the gateway's
    buffers and the kernel's. `left_open` is 1 when the upstream still generates a second after
    the client has left.
    """
    before = tools.upstream_stats()
    run = run_load(
        tools,
        figures,
        peer,
        watch=True,
        requests=1,
        tokens=1_000_000,
        read_rate=1000,
        seconds=seconds,
        grace=0,
    )
    held = tools.upstream_stats()["bytes_sent"] - before["bytes_sent"] - run.load["bytes"]
    time.sleep(1)
    left = tools.upstream_stats()["streams_open"] - before["streams_open"]
    figures.add(peer, slow_reader_held_mb=held / 2**20, left_open=left)
    if peer.running:
        figures.add(peer, slow_reader_growth_mb=run.growth_kib / 1024)
    settle(peer)


def growth(tools: Tools, figures: Figures, peer: Peer, requests: int = GROWTH_REQUESTS) -> None:
    """Memory after 200,000 requests, less memory after the first 20,000."""
    warm = min(WARM_UP, requests // 10)
    limits = {"connections": CONNECTIONS, "seconds": GROWTH_SECONDS}
    ask(tools, figures, peer, requests=warm, **limits)
    settle(peer)
    before = peer.tree.gateway_kib
    done = ask(tools, figures, peer, requests=requests - warm, **limits)["requests"] + warm
    settle(peer)
    grown = (peer.tree.gateway_kib - before) / 1024
    figures.add(peer, growth_requests=done)
    if done >= GROWTH_REQUESTS:
        figures.add(peer, growth_mb_200k=grown)
    else:
        figures.add(peer, growth_mb=grown)
