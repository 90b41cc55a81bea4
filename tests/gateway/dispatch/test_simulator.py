"""The simulated server keeps to its formula, and the benchmark runs to its last line."""

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "dispatch"


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"dispatch_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


servers = _load("servers")


def play(server: Any, requests: list[Any]) -> None:
    """Send each request at its time, and run to the end."""
    coming = sorted(requests, key=lambda request: request.at)
    while True:
        event = server.next_event()
        if coming and (event is None or coming[0].at <= event):
            request = coming.pop(0)
            server.send(request, request.at)
        elif event is None:
            return
        else:
            server.run(event)


def test_a_request_alone_takes_what_the_formula_says() -> None:
    kind = servers.FAST
    request = servers.Request(1.0, 2_048, 101)
    play(servers.Server(kind), [request])
    reading = 2_048 / kind.chunk * (kind.base + kind.chunk / kind.prefill_rate)
    assert request.ttft == pytest.approx(reading + kind.latency)
    step = kind.base + kind.by_stream + kind.by_token * (2_048 + 101 / 2)
    assert request.itl == pytest.approx(step)


def test_what_was_read_before_is_not_read_again() -> None:
    server = servers.Server(servers.FAST)
    blocks = tuple(range(16))
    first = servers.Request(0.0, 2_048, 10, blocks)
    again = servers.Request(10.0, 2_048 + 128, 10, (*blocks, 99))
    play(server, [first, again])
    assert server.read_total == 2_048 + 128
    assert again.ttft < first.ttft / 4


def test_memory_holds_requests_back_and_all_end() -> None:
    draw = random.Random(4)
    server = servers.Server(servers.Kind(memory=6_000, batch=8))
    requests = [
        servers.Request(draw.uniform(0, 5), draw.randint(1, 5_000), draw.randint(1, 400))
        for _ in range(200)
    ]
    play(server, requests)
    assert all(request.done is not None for request in requests)
    assert (server.held, server.running, server.queued) == (0, 0, 0)
    # One after the other in the order of arrival: first tokens come in that order.
    firsts = [request.first for request in sorted(requests, key=lambda request: request.at)]
    assert firsts == sorted(firsts)


def test_reading_slows_writing_and_writing_slows_reading() -> None:
    kind = servers.FAST
    alone, beside = servers.Request(0.0, 8, 2_000), servers.Request(0.0, 8, 2_000)
    play(servers.Server(kind), [alone])
    late = servers.Request(5.0, 24_000, 2)
    play(servers.Server(kind), [beside, late])
    assert beside.itl > alone.itl
    assert late.ttft > 24_000 / kind.chunk * (kind.base + kind.chunk / kind.prefill_rate)


def test_the_benchmark_runs() -> None:
    result = subprocess.run(
        [sys.executable, FOLDER / "run.py", "--scale", "0.05", "--seeds", "1", "--only", "quiet"],
        capture_output=True,
        text=True,
        check=True,
    )
    last = json.loads(result.stdout.splitlines()[-1])
    assert set(last["workloads"]) == {"quiet, 4 servers"}
    assert set(last) == {
        "workloads",
        "worst_p99_ttft_ratio",
        "worst_goodput_ratio",
        "fair_share_max_error",
        "interactive_p95_ratio_with_batch",
        "decision_us_at_200",
    }
    assert result.stdout.count("| quiet, 4 servers |") == 13
