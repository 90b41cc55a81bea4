"""Reading an engine's own metrics from its Prometheus text. Pure.

Names as of vLLM 0.11 (and `gpu_cache_usage_perc`, which it retired), SGLang 0.5 and llama.cpp's
server; an engine that isn't known gives nothing.
"""

from chappe.gateway.dispatch.job import EngineMetrics

_RUNNING = (
    b"vllm:num_requests_running", b"sglang:num_running_reqs", b"llamacpp:requests_processing",
)  # fmt: skip
_WAITING = (
    b"vllm:num_requests_waiting", b"sglang:num_queue_reqs", b"llamacpp:requests_deferred",
)  # fmt: skip
_KV_USAGE = (
    b"vllm:kv_cache_usage_perc", b"vllm:gpu_cache_usage_perc", b"sglang:token_usage",
    b"llamacpp:kv_cache_usage_ratio",
)  # fmt: skip
_CACHE_TOKENS = (b"sglang:max_total_num_tokens",)
_WANTED = (*_RUNNING, *_WAITING, *_KV_USAGE, *_CACHE_TOKENS)


def read_metrics(text: bytes) -> EngineMetrics | None:
    """One reading; None where nothing known is in it.

    Counts of several series (one a model or a worker) are added, shares averaged.
    """
    found: dict[bytes, list[float]] = {}
    for name in _WANTED:
        # A page holds thousands of lines; only those that begin with a wanted name are looked at.
        at = 0
        while (at := text.find(name, at)) >= 0:
            start, end = at, text.find(b"\n", at)
            line = text[start : end if end >= 0 else len(text)]
            at += len(name)
            if start and text[start - 1 : start] != b"\n":
                continue
            if line[len(name) : len(name) + 1] not in (b"{", b" "):
                continue
            try:
                value = float(line.rsplit(b"}", 1)[-1].split()[-1 if b"}" not in line else 0])
            except (ValueError, IndexError):
                continue
            found.setdefault(name, []).append(value)
    running, waiting = _total(found, _RUNNING), _total(found, _WAITING)
    if running is None and waiting is None:
        return None
    usage = next((found[name] for name in _KV_USAGE if name in found), None)
    cache = _total(found, _CACHE_TOKENS)
    return EngineMetrics(
        running=int(running or 0),
        waiting=int(waiting or 0),
        kv_usage=min(1.0, max(0.0, sum(usage) / len(usage))) if usage else None,
        cache_tokens=int(cache) if cache else None,
    )


def _total(found: dict[bytes, list[float]], names: tuple[bytes, ...]) -> float | None:
    values = [value for name in names for value in found.get(name, ())]
    return sum(values) if values else None
