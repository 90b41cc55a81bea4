"""Reading engines' metrics pages: current and retired names, several series, and damaged pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.dispatch.job import EngineMetrics
from chappe.gateway.engines.metrics import NAMES, read_metrics

VLLM = b"""\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 24.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 72.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 72.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:cache_config_info{block_size="16",engine="0",num_cpu_blocks="9",num_gpu_blocks="573"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 0.0
"""


def test_vllm() -> None:
    assert read_metrics(VLLM, "vllm") == EngineMetrics(24, 72, 0.25, 573 * 16)


def test_vllm_with_several_engines_adds_counts_and_averages_shares() -> None:
    page = VLLM + VLLM.replace(b'engine="0"', b'engine="1"').replace(b" 0.25", b" 0.75")
    assert read_metrics(page, "vllm") == EngineMetrics(48, 144, 0.5, 2 * 573 * 16)


def test_vllm_retired_name_counts_only_where_the_new_one_is_missing() -> None:
    old = VLLM.replace(b"kv_cache_usage_perc", b"gpu_cache_usage_perc").replace(b"0.25", b"0.5")
    reading = read_metrics(old, "vllm")
    assert reading is not None and reading.kv_usage == 0.5
    both = read_metrics(old + VLLM, "vllm")
    assert both is not None and both.kv_usage == 0.25


def test_sglang() -> None:
    page = b"""\
sglang:num_running_reqs{engine_type="unified",model_name="m",tp_rank="0"} 3.0
sglang:num_queue_reqs{engine_type="unified",model_name="m",tp_rank="0"} 1.0
sglang:token_usage{engine_type="unified",model_name="m",tp_rank="0"} 0.28
sglang:max_total_num_tokens{engine_type="unified",model_name="m",tp_rank="0"} 432100.0
"""
    assert read_metrics(page, "sglang") == EngineMetrics(3, 1, 0.28, 432_100)


@pytest.mark.parametrize("ratio", [b"", b"llamacpp:kv_cache_usage_ratio 0.5\n"])
def test_llamacpp_old_and_new(ratio: bytes) -> None:
    page = b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 5\n" + ratio
    assert read_metrics(page, "llamacpp") == EngineMetrics(2, 5, 0.5 if ratio else None)


def test_tei() -> None:
    page = b'te_queue_size 7\nte_request_count{method="batch"} 12\n'
    assert read_metrics(page, "tei") == EngineMetrics(0, 7)


@pytest.mark.parametrize(
    "line",
    [
        b'vllm:num_requests_running{model_name="a}b c"} 3',
        b"vllm:num_requests_running 3 1764000000000",
        b'vllm:num_requests_running{a="b"} 3 1764000000000',
        b"vllm:num_requests_running 3\r",
        b"vllm:num_requests_running 3e0",
    ],
)
def test_forms_that_the_format_allows(line: bytes) -> None:
    for page in (line, line + b"\n", b"x 1\n" + line + b"\ny 2\n"):
        assert read_metrics(page, "vllm") == EngineMetrics(3, 0)


@pytest.mark.parametrize(
    "value", [b"NaN", b"+Inf", b"-1", b"", b"many", b"{", b"}", b'{model_name="cut']
)
def test_values_that_cannot_be_are_no_reading(value: bytes) -> None:
    assert read_metrics(b"vllm:num_requests_running " + value + b"\n", "vllm") is None


@given(st.sampled_from([*NAMES, "openai", "ollama"]), st.binary(max_size=300), st.integers(0, 900))
def test_no_page_breaks_it(engine: str, junk: bytes, at: int) -> None:
    reading = read_metrics(VLLM[:at] + junk + VLLM[at:], engine)
    if reading is not None:
        assert reading.running >= 0 and reading.waiting >= 0
        assert reading.kv_usage is None or 0 <= reading.kv_usage <= 1
