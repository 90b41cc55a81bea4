"""What one decision costs, in microseconds of one core: choose, and the whole life of a request."""

import random
import statistics
import time

from chappe.gateway.dispatch import DispatchSettings, Endpoint, EngineMetrics, Job, Pool, chain


def decision_us(size: int, decisions: int = 4000, seed: int = 1) -> tuple[float, float]:
    """Median µs of `Pool.choose`, and mean µs of choose + begin + first_token + end.

    A pool of `size` endpoints, each with about eight requests under way, prompts of 4 KiB of which
    half begin with one of 40 shared prefixes.
    """
    draw = random.Random(seed)
    pool = Pool((Endpoint(f"e{i}") for i in range(size)), DispatchSettings(), draw)
    prefixes = [draw.randbytes(2048) for _ in range(40)]
    jobs = []
    for _ in range(500):
        start = draw.choice(prefixes) if draw.random() < 0.5 else draw.randbytes(2048)
        tokens = int(draw.lognormvariate(6.5, 0.8))
        jobs.append(Job("a", "normal", tokens, 200, chain(start + draw.randbytes(2048))))
    now, running = 0.0, []
    for i in range(8 * size):
        state = pool.choose(jobs[i % 500], now)
        assert state is not None
        running.append(pool.begin(state, jobs[i % 500], now))
        now += 0.1 / size
        if i > 2 * size:
            pool.first_token(running[i - 2 * size], now)
    for i in range(size):
        pool.observe_metrics(f"e{i}", EngineMetrics(8, 0, 0.5, 400_000), now)
    choices = []
    began = time.perf_counter()
    for i in range(decisions):
        job = jobs[i % 500]
        before = time.perf_counter()
        state = pool.choose(job, now)
        choices.append(time.perf_counter() - before)
        assert state is not None
        running.append(pool.begin(state, job, now))
        pool.first_token(running[-2 * size], now)
        pool.end(running[-8 * size], "completed", now, None, 200)
        now += 0.1 / size
    whole = (time.perf_counter() - began) / decisions
    return statistics.median(choices) * 1e6, whole * 1e6


def hash_us(rounds: int = 5000) -> float:
    """Median µs of the prefix chain of a 4 KiB prompt."""
    prompt = random.Random(1).randbytes(4096)
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        chain(prompt)
        times.append(time.perf_counter() - before)
    return statistics.median(times) * 1e6


if __name__ == "__main__":
    for count in (8, 200, 2000):
        print(count, *(round(value, 1) for value in decision_us(count)))
    print("chain", round(hash_us(), 2))
