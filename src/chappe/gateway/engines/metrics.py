"""Reading an engine's own metrics from its Prometheus text. Pure.

A page of vLLM's is about 100 kB, every few seconds, from each of hundreds of servers: names are
searched for in the bytes, and only the lines that begin with one are looked at.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from chappe.gateway.dispatch.job import EngineMetrics


@dataclass(frozen=True, slots=True)
class Names:
    """What an engine calls its readings; of several names for one, the first that is there counts.

    Attributes:
        running, waiting: requests in the batch, and in the queue.
        kv_usage: share of the KV memory in use.
        cache_tokens: its size in tokens.
        cache_blocks: a line that tells that size by its labels `num_gpu_blocks` and `block_size`.
    """

    running: tuple[bytes, ...] = ()
    waiting: tuple[bytes, ...] = ()
    kv_usage: tuple[bytes, ...] = ()
    cache_tokens: tuple[bytes, ...] = ()
    cache_blocks: bytes = b""


NAMES = {
    "vllm": Names(
        running=(b"vllm:num_requests_running",),
        waiting=(b"vllm:num_requests_waiting",),
        # The second was deprecated, hidden, then removed in 2025 (vLLM #18354, #29330).
        kv_usage=(b"vllm:kv_cache_usage_perc", b"vllm:gpu_cache_usage_perc"),
        cache_blocks=b"vllm:cache_config_info",
    ),
    "sglang": Names(
        running=(b"sglang:num_running_reqs",),
        waiting=(b"sglang:num_queue_reqs",),
        kv_usage=(b"sglang:token_usage",),
        cache_tokens=(b"sglang:max_total_num_tokens",),
    ),
    "llamacpp": Names(
        running=(b"llamacpp:requests_processing",),
        waiting=(b"llamacpp:requests_deferred",),
        # Gone from the servers built since the middle of 2025.
        kv_usage=(b"llamacpp:kv_cache_usage_ratio",),
    ),
    # Text Embeddings Inference tells no more than its queue.
    "tei": Names(waiting=(b"te_queue_size",)),
}
"""Names by engine type; of another engine nothing is read."""

_BLOCKS = re.compile(rb'[{,]num_gpu_blocks="(\d+)"')
_BLOCK_SIZE = re.compile(rb'[{,]block_size="(\d+)"')


def read_metrics(text: bytes, engine: str) -> EngineMetrics | None:
    """One reading of an engine of that type; None where its page tells neither batch nor queue.

    Counts of several series (one for each model or worker) are added, shares averaged.
    """
    names = NAMES.get(engine)
    if names is None:
        return None
    running, waiting = _values(text, names.running), _values(text, names.waiting)
    if not running and not waiting:
        return None
    usage = _values(text, names.kv_usage)
    cache = sum(_values(text, names.cache_tokens)) or _cache_by_blocks(text, names.cache_blocks)
    return EngineMetrics(
        running=int(sum(running)),
        waiting=int(sum(waiting)),
        kv_usage=min(1.0, sum(usage) / len(usage)) if usage else None,
        cache_tokens=int(cache) or None,
    )


def _lines(text: bytes, name: bytes) -> Iterator[bytes]:
    """What follows `name` on each line of its series: labels, if any, and the value."""
    at = 0
    while name and (at := text.find(name, at)) >= 0:
        start, at = at, at + len(name)
        begins_line = not start or text[start - 1] == 0x0A
        if begins_line and text[at : at + 1] in (b"{", b" "):
            end = text.find(b"\n", at)
            yield text[at : end if end >= 0 else len(text)]


def _values(text: bytes, names: tuple[bytes, ...]) -> list[float]:
    """The values under the first of the names that is there; not those that can't be."""
    for name in names:
        found = []
        for line in _lines(text, name):
            fields = line.rpartition(b"}")[2].split()
            try:
                value = float(fields[0]) if fields else -1.0
            except ValueError:
                continue
            if math.isfinite(value) and value >= 0:
                found.append(value)
        if found:
            return found
    return []


def _cache_by_blocks(text: bytes, name: bytes) -> int:
    tokens = 0
    for line in _lines(text, name):
        blocks, size = _BLOCKS.search(line), _BLOCK_SIZE.search(line)
        if blocks and size:
            tokens += int(blocks[1]) * int(size[1])
    return tokens
