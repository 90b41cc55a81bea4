"""What operators see: metrics with our own time apart, and traces in the field's conventions."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway_tower import Server, Tower, tower

MESSAGES: Any = [{"role": "user", "content": "x"}]


async def test_metrics_tell_our_own_time_apart_from_the_engines(
    database_url: str, tmp_path: Path
) -> None:
    async with tower(database_url, tmp_path) as gate:
        await gate.add_model(Server(pace=0.02))
        for _ in range(3):
            await gate.client().chat.completions.create(model="m", messages=MESSAGES)
        text = await asyncio.to_thread(
            lambda: urllib.request.urlopen(f"{gate.url}/metrics").read().decode()
        )
        samples = {
            (sample.name, sample.labels.get("model"), sample.labels.get("outcome")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if "le" not in sample.labels
        }
        assert samples["chappe_model_requests_total", "m", "completed"] == 3
        whole = samples["chappe_model_request_seconds_sum", "m", None]
        ours = samples["chappe_gateway_overhead_seconds_sum", "m", None]
        assert samples["chappe_gateway_overhead_seconds_count", "m", None] == 3
        assert 0 < ours < whole / 2
        assert ("chappe_endpoint_limit", "m", None) in samples
        assert ("chappe_accounts_waiting", None, None) in samples


async def test_a_request_is_a_span_that_continues_the_clients_trace(
    database_url: str, tmp_path: Path
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    received: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        received.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    collector = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = collector.sockets[0].getsockname()[1]
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    async with tower(
        database_url, tmp_path, otlp_endpoint=f"http://127.0.0.1:{port}/v1/traces"
    ) as gate:
        server = Server()
        await gate.add_model(server)
        client = gate.client(default_headers={"traceparent": f"00-{trace}-{parent}-01"})
        await client.chat.completions.create(model="m", messages=MESSAGES)
        # The exporter's own thread needs this loop's collector while it flushes.
        await asyncio.to_thread(gate.gateway.tracing._provider.force_flush, 5000)
    collector.close()
    request = ExportTraceServiceRequest.FromString(received[0])
    (span,) = request.resource_spans[0].scope_spans[0].spans
    values = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
    assert span.name == "chat m"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, parent)
    assert span.span_id.hex() in server.headers[0]
    assert values["gen_ai.operation.name"] == "chat"
    assert (values["gen_ai.usage.input_tokens"], values["gen_ai.usage.output_tokens"]) == (5, 12)
    assert "x" not in [v for v in values.values() if isinstance(v, str)]


async def test_a_speed_is_told_once_it_is_measured(gate: Tower) -> None:
    await gate.add_model(Server(pace=0.01))
    before = gate.gateway.queues()[0]
    endpoint = before["endpoints"][0]
    assert before["rate"] is None
    assert endpoint["inter_token_ms"] is None and endpoint["prefill_tokens_per_second"] is None

    messages: Any = [{"role": "user", "content": "bonjour"}]
    stream = await gate.client().chat.completions.create(model="m", messages=messages, stream=True)
    async for _ in stream:
        pass
    await gate.until(lambda: gate.gateway.queues()[0]["endpoints"][0]["inter_token_ms"] is not None)
    assert gate.gateway.queues()[0]["endpoints"][0]["prefill_tokens_per_second"] > 0


async def test_metrics_tell_what_limits_refuse_and_if_the_database_is_away(gate: Tower) -> None:
    await gate.add_model(Server())
    await gate.execute(
        "insert into quota_limit (subject_kind, measure, period, amount)"
        " values ('installation', 'requests', 'month', 1)"
    )
    await gate.until(lambda: gate.gateway.quotas._limits)
    await gate.client().chat.completions.create(model="m", messages=MESSAGES)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError):
            await gate.client().chat.completions.create(model="m", messages=MESSAGES)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in gate.gateway.metrics.collect()
        for sample in family.samples
    }
    assert samples["chappe_quota_refusals_total", "requests", "month"] == 2
    assert samples[("chappe_database_away",)] == 0
