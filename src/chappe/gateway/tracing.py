"""Traces: one span for each request, with OpenTelemetry's GenAI conventions.

The W3C context goes through in any case (`traceparent` of the client, then ours to the endpoint).
Spans are exported only where an operator sets `otlp_endpoint` and the extra `telemetry` is
installed; content is never in them.
"""

import logging
import time
from typing import TYPE_CHECKING, Any

from chappe import __version__
from chappe.core.settings import SettingsError

if TYPE_CHECKING:
    from chappe.gateway.accounts import Account
    from chappe.gateway.exchange import Exchange

log = logging.getLogger(__name__)

_OPERATIONS = {
    "chat.completions": "chat",
    "responses": "chat",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "audio.transcriptions": "transcription",
}


class Tracing:
    """Exports the span of each settled request.

    Args:
        address: OTLP/HTTP address, such as `http://collector:4318/v1/traces`; None exports nothing.

    Raises:
        SettingsError: an address is set, but the extra isn't installed.
    """

    def __init__(self, address: str | None) -> None:
        self._tracer: Any = None
        if address is None:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        except ImportError:
            raise SettingsError(
                "otlp_endpoint: install the extra « telemetry » (pip install 'chappe[telemetry]')"
            ) from None

        class Given(RandomIdGenerator):
            """Gives the identifier that the endpoint was told before the span was made."""

            span = 0

            def generate_span_id(self) -> int:
                return self.span or super().generate_span_id()

        self._ids = Given()
        resource = Resource.create({"service.name": "chappe", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer = self._provider.get_tracer("chappe.gateway", __version__)

    @property
    def active(self) -> bool:
        """Are spans exported."""
        return self._tracer is not None

    def export(self, exchange: "Exchange", account: "Account", outcome: str) -> None:
        """Export the span of a request that ended now."""
        if self._tracer is None or not exchange.span_id:
            return
        from opentelemetry import trace

        end = time.time_ns()
        terms = exchange.terms
        parent = int(terms.parent_span, 16) if terms.parent_span else 0
        context = trace.set_span_in_context(
            trace.NonRecordingSpan(
                trace.SpanContext(
                    int(account.trace_id or "0", 16),
                    parent or int(exchange.span_id, 16),
                    is_remote=True,
                    trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
                )
            )
        )
        operation = _OPERATIONS.get(account.operation, account.operation)
        self._ids.span = int(exchange.span_id, 16)
        span = self._tracer.start_span(
            f"{operation} {account.model}",
            context=context,
            kind=trace.SpanKind.CLIENT,
            start_time=end - int((account.duration_ms or 0) * 1e6),
            attributes=_attributes(operation, account, outcome),
        )
        self._ids.span = 0
        if account.ttft_ms is not None:
            moment = end - int(((account.duration_ms or 0) - account.ttft_ms) * 1e6)
            span.add_event("gen_ai.first_token", timestamp=moment)
        if outcome not in ("completed", "continued"):
            span.set_status(trace.Status(trace.StatusCode.ERROR, outcome))
        span.end(end_time=end)

    def stop(self) -> None:
        """Send what is left."""
        if self._tracer is not None:
            self._provider.shutdown()


def _attributes(operation: str, account: "Account", outcome: str) -> dict[str, Any]:
    values = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "chappe",
        "gen_ai.request.model": account.requested_model,
        "gen_ai.response.model": account.model,
        "gen_ai.response.id": account.id,
        "gen_ai.usage.input_tokens": account.tokens_in,
        "gen_ai.usage.output_tokens": account.tokens_out,
        "gen_ai.usage.cache_read.input_tokens": account.tokens_cached,
        "server.address": account.endpoint,
        "error.type": account.error if outcome not in ("completed", "continued") else None,
        "chappe.outcome": outcome,
        "chappe.site": account.site,
        "chappe.queue_ms": account.queue_ms,
        "chappe.overhead_ms": account.overhead_ms,
        "chappe.attempts": account.attempts,
    }
    return {name: value for name, value in values.items() if value is not None}
