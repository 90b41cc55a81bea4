"""Compares dispatch rules on the workloads: `make bench-dispatch`.

For each workload and rule: p99 of the time to first token, and goodput, the requests a second that
met both objectives; medians over seeds, the same requests for every rule. Then fair shares under
overload, people's waiting beside batch work, and what a decision costs. The last line is JSON.
"""

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

from cost import decision_us, hash_us
from rules import OTHERS, OURS
from servers import Request
from simulate import Simulation
from workloads import SHARES, Workload, overload, suite, with_batch

# Time after the last arrival in which answers may still end, in simulated seconds.
_AFTER = 60.0


def quantile(values: Sequence[float], q: float) -> float:
    """The empirical quantile: the smallest value with a share `q` of them at or below it."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def play(workload: Workload, rule: str, seed: int) -> tuple[float, float]:
    """p99 time to first token (s) and goodput (requests a second) of one run."""
    requests = workload.requests(random.Random(seed))
    Simulation(workload, rule, requests, random.Random(seed + 1_000)).run(workload.seconds + _AFTER)
    measured = [request for request in requests if request.at >= workload.warmup]
    good = sum(r.ttft <= workload.ttft and r.itl <= workload.itl for r in measured)
    return (
        quantile([request.ttft for request in measured], 0.99),
        good / (workload.seconds - workload.warmup),
    )


def play_named(name: str, rule: str, seed: int, scale: float) -> tuple[float, float]:
    """:func:`play` of a workload of the suite, in a process of its own."""
    return play(next(w for w in suite(scale) if w.name == name), rule, seed)


def compare(
    workload: Workload, seeds: Sequence[int], scale: float, workers: Executor
) -> dict[str, tuple[float, float]]:
    """Medians over seeds of every rule."""
    started = {
        rule: [workers.submit(play_named, workload.name, rule, seed, scale) for seed in seeds]
        for rule in (OURS, *OTHERS)
    }
    found = {}
    for rule, futures in started.items():
        runs = [future.result() for future in futures]
        found[rule] = (
            statistics.median(run[0] for run in runs),
            statistics.median(run[1] for run in runs),
        )
    return found


def share_error(seed: int, scale: float) -> tuple[float, dict[str, float]]:
    """Under overload: the largest relative gap between an organisation's share of the tokens done
    and its weight, and the shares."""
    workload = overload(scale)
    requests = workload.requests(random.Random(seed))
    run = Simulation(workload, OURS, requests, random.Random(seed), SHARES)
    run.run(workload.seconds)
    done: Counter[str] = Counter()
    for request in requests:
        if request.done is not None and request.done >= workload.warmup:
            done[request.organisation] += request.prompt + request.output
    total, weights = sum(done.values()), sum(SHARES.values())
    shares = {name: done[name] / total for name in SHARES}
    return max(abs(shares[n] / (SHARES[n] / weights) - 1) for n in SHARES), shares


def people_p95(batch: bool, seed: int, scale: float) -> tuple[float, float]:
    """p95 time to first token of interactive requests (s), and batch tokens done a second."""
    workload = with_batch(batch, scale)
    requests = workload.requests(random.Random(seed))
    Simulation(workload, OURS, requests, random.Random(seed)).run(workload.seconds)
    seconds = workload.seconds - workload.warmup
    people = [r for r in requests if r.priority == "interactive" and r.at >= workload.warmup]
    # The last seconds' requests may not have begun yet.
    waited = [r.ttft for r in people if r.at < 0.95 * workload.seconds]
    tokens = _done_tokens([r for r in requests if r.priority == "batch"], workload.warmup)
    return quantile(waited, 0.95), tokens / seconds


def _done_tokens(requests: Sequence[Request], since: float) -> int:
    return sum(r.prompt + r.output for r in requests if r.done is not None and r.done >= since)


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="length of the workloads")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    began = time.perf_counter()
    result: dict[str, dict[str, float]] = {}
    print("| workload | rule | p99 TTFT, s | goodput, requests/s |\n|---|---|---|---|")
    for workload in suite(options.scale):
        if options.only not in workload.name:
            continue
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as workers:
            found = compare(workload, seeds, options.scale, workers)
        for rule, (p99, good) in found.items():
            name = f"**{rule}**" if rule == OURS else rule
            print(f"| {workload.name} | {name} | {p99:.3f} | {good:.2f} |", flush=True)
        ours = found.pop(OURS)
        result[workload.name] = {
            "p99_ttft_ratio": round(ours[0] / min(p99 for p99, _ in found.values()), 3),
            "goodput_ratio": round(ours[1] / max(good for _, good in found.values()), 3),
        }
    error, shares = max(share_error(seed, options.scale) for seed in seeds)
    pairs = [
        (people_p95(False, seed, options.scale), people_p95(True, seed, options.scale))
        for seed in seeds
    ]
    beside = statistics.median(with_[0] / without[0] for without, with_ in pairs)
    batch = statistics.median(with_[1] for _, with_ in pairs)
    small, large = decision_us(200), decision_us(2_000)
    print()
    print(f"Shares under overload (weights {SHARES}), worst seed: {shares}")
    print(f"People's p95 TTFT beside batch work, ratio: {beside:.3f}; batch: {batch:.0f} tokens/s")
    print(f"A decision at 200 endpoints: {small[0]:.1f} µs; with the whole life: {small[1]:.1f} µs")
    print(f"A decision at 2,000 endpoints: {large[0]:.1f} µs; whole life: {large[1]:.1f} µs")
    print(f"Prefix chain of 4 KiB: {hash_us():.1f} µs")
    print(f"{time.perf_counter() - began:.0f} s in all", file=sys.stderr)
    print(
        json.dumps(
            {
                "workloads": result,
                "worst_p99_ttft_ratio": max(r["p99_ttft_ratio"] for r in result.values()),
                "worst_goodput_ratio": min(r["goodput_ratio"] for r in result.values()),
                "fair_share_max_error": round(error, 4),
                "interactive_p95_ratio_with_batch": round(beside, 3),
                "decision_us_at_200": round(small[0], 1),
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
