"""Our gateway beside nginx, vLLM's router and LiteLLM, in one run. `make bench-gateway`."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure
import peers as gateways
import scenarios
from peers import Peer, Unavailable
from report import last_line, print_table
from scenarios import Figures
from tools import LOAD_CORE, Tools, prefer


def start_peers(arguments: argparse.Namespace, folder: Path, upstream: int) -> list[Peer]:
    """Start every peer that can be had; say why for the others."""

    def ours(folder: Path, upstream: int) -> Peer:
        return gateways.chappe(folder, upstream, arguments.source)

    makers: dict[str, Callable[[Path, int], Peer]] = {
        "direct": gateways.direct,
        "nginx": gateways.nginx,
        "vllm-router": gateways.vllm_router,
        "chappe": ours,
        # Last: it may go on working after its clients have left.
        "litellm": gateways.litellm,
    }
    started: list[Peer] = []
    for name, make in makers.items():
        if name not in arguments.peers:
            continue
        try:
            peer = make(folder, upstream)
            peer.start()
            started.append(peer)
        except Unavailable as error:
            print(f"without {name}: {error}", file=sys.stderr, flush=True)
    return started


def measure_all(
    tools: Tools, figures: Figures, peers: list[Peer], rounds: int, seconds: float, growth: int
) -> None:
    """Every scenario; the rounds of the first three are interleaved over the peers."""
    for peer in peers:
        scenarios.rest(figures, peer)
    for scenario in (scenarios.throughput, scenarios.latency, scenarios.streams):
        for number in range(rounds):
            for peer in peers:
                _tell(f"{scenario.__name__} {number + 1}/{rounds}: {peer.name}")
                scenario(tools, figures, peer, seconds)
    for scenario in (scenarios.many_streams, scenarios.slow_reader):
        for peer in peers:
            _tell(f"{scenario.__name__}: {peer.name}")
            scenario(tools, figures, peer, 3 * seconds)
    for peer in peers:
        if peer.name == "chappe":
            _tell("growth: chappe")
            scenarios.growth(tools, figures, peer, growth)


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Run all and print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--growth", type=int, default=scenarios.GROWTH_REQUESTS, help="requests")
    parser.add_argument(
        "--peers",
        type=lambda text: text.split(","),
        default=["direct", "nginx", "vllm-router", "chappe", "litellm"],
    )
    parser.add_argument("--source", type=Path, default=gateways.ROOT, help="a checkout of ours")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    prefer()
    figures = Figures()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chappe-bench-") as scratch:
        folder = Path(scratch)
        tools = Tools(folder)
        peers: list[Peer] = []
        try:
            peers = start_peers(arguments, folder, tools.port)
            busy = measure.machine_busy_seconds() - measure.processor_seconds(os.getpid())
            since = time.monotonic()
            measure_all(
                tools, figures, peers, arguments.rounds, arguments.seconds, arguments.growth
            )
            busy = measure.machine_busy_seconds() - measure.processor_seconds(os.getpid()) - busy
            foreign = max(0.0, busy / (time.monotonic() - since) / (os.cpu_count() or 1))
        finally:
            for peer in peers:
                peer.stop()
            tools.stop()
    print_table(figures, [peer.name for peer in peers], foreign)
    print(f"{time.monotonic() - began:.0f} s in all\n")
    missing = set(arguments.peers) - {peer.name for peer in peers}
    if missing:
        print(f"not measured: {', '.join(sorted(missing))}\n")
    print(last_line(figures, foreign))
    sys.exit("chappe" in missing)


if __name__ == "__main__":
    main()
