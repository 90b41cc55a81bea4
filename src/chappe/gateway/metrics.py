"""What the gateway counts for Prometheus, cheaply: plain numbers, given form when they are read.

prometheus-client's own counters take a lock and a lookup for each increment, ten times a request;
here an increment is an addition, and the shape is made by a collector at the scrape.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from chappe.core import telemetry
from chappe.gateway.accounts import Account
from chappe.gateway.quotas import Quotas

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


_TOGETHER = 256
_TIMES = (
    ("model_time_to_first_token", attrgetter("ttft_ms")),
    ("model_request", attrgetter("duration_ms")),
    ("gateway_queue", attrgetter("queue_ms")),
    ("gateway_overhead", attrgetter("overhead_ms")),
)


class _Histogram:
    """Observations by label."""

    def __init__(self, name: str, text: str, labels: list[str], bounds: tuple[float, ...]) -> None:
        self.name = name
        self.text = text
        self.labels = labels
        self.bounds = bounds
        self.values: dict[tuple[str, ...], list[float]] = {}

    def observe(self, labels: tuple[str, ...], values: list[float]) -> None:
        """Count observations."""
        counts = self.values.get(labels)
        if counts is None:
            counts = self.values[labels] = [0.0] * (len(self.bounds) + 2)
        counts[-1] += sum(values)
        values.sort()
        below = 0
        for index, bound in enumerate(self.bounds):
            upto = bisect_right(values, bound, below)
            counts[index] += upto - below
            below = upto
        counts[-2] += len(values) - below

    def family(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, counts in self.values.items():
            total, buckets = 0.0, []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=False):
                total += count
                buckets.append((bound, total))
            family.add_metric(list(labels), buckets, sum_value=counts[-1])
        return family


class GatewayMetrics(Collector):
    """The gateway's figures of one process."""

    def __init__(self) -> None:
        self._settled: list[Account] = []
        self._requests: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._tokens: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._answers: defaultdict[tuple[str, int], float] = defaultdict(float)
        self._refusals: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._retries: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._energy: defaultdict[tuple[str], float] = defaultdict(float)
        self._histograms = {
            name: _Histogram(f"chappe_{name}_seconds", text, [label], bounds)
            for name, text, label, bounds in (
                ("model_time_to_first_token", "Time to first token", "model", _SECONDS),
                ("model_request", "Time to the end of the answer", "model", _SECONDS),
                ("gateway_queue", "Time waiting for an endpoint", "model", _SECONDS),
                ("gateway_overhead", "The gateway's own time", "model", _OVERHEAD),
            )
        }
        self.queues: Callable[[], list[dict[str, Any]]] = list
        self.quotas: Quotas | None = None

    def register(self) -> None:
        """Show these figures at `/metrics`; those of a gateway before it go."""
        telemetry.replace("gateway", self)

    def answered(self, operation: str, status: int) -> None:
        """An HTTP answer ended; status 499 for a client that left before it began."""
        self._answers[operation, status] += 1

    def refused(self, model: str, code: str) -> None:
        """A request for a known model wasn't admitted."""
        self._refusals[model, code] += 1

    def settled(self, account: Account) -> None:
        """A request ended. It is counted with others: when there are enough, or at a scrape."""
        self._settled.append(account)
        if len(self._settled) >= _TOGETHER:
            self._count()

    def _count(self) -> None:
        settled, self._settled = self._settled, []
        by_model: defaultdict[str, list[Account]] = defaultdict(list)
        for account in settled:
            by_model[account.model].append(account)
            self._requests[account.model, account.outcome] += 1
            if account.attempts > 1:
                self._retries[account.model, account.outcome] += account.attempts - 1
        for model, accounts in by_model.items():
            told = [account for account in accounts if account.tokens_origin == "engine"]
            self._tokens[model, "in"] += sum([account.tokens_in or 0 for account in told])
            self._tokens[model, "out"] += sum([account.tokens_out or 0 for account in told])
            if energy := sum([account.energy_wh or 0.0 for account in accounts]):
                self._energy[(model,)] += energy
            for name, field in _TIMES:
                times = [time / 1000 for time in map(field, accounts) if time is not None]
                self._histograms[name].observe((model,), times)

    def refusals(self) -> list[tuple[tuple[str, str], int]]:
        """How many requests weren't admitted, by model and code."""
        return [(key, int(count)) for key, count in self._refusals.items()]

    def collect(self) -> Iterable[Metric]:
        """The families, for a scrape."""
        self._count()
        for name, text, labels, values in (
            ("chappe_model_requests", "Requests to models", ["model", "outcome"], self._requests),
            ("chappe_model_tokens", "Tokens, by engines", ["model", "direction"], self._tokens),
            ("chappe_gateway_answers", "HTTP answers", ["operation", "status"], self._answers),
            ("chappe_gateway_refusals", "Not admitted", ["model", "code"], self._refusals),
            ("chappe_gateway_retries", "Further attempts", ["model", "outcome"], self._retries),
            ("chappe_model_energy_wh", "Energy, estimated", ["model"], self._energy),
        ):
            family = CounterMetricFamily(name, text, labels=labels)
            for key, value in values.items():
                family.add_metric([str(label) for label in key], value)
            yield family
        for histogram in self._histograms.values():
            yield histogram.family()
        yield from self._gauges()
        if self.quotas is not None:
            yield from _limits(self.quotas)

    def _gauges(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("chappe_gateway_waiting", "In the queue", labels=["model"])
        pairs = ["model", "endpoint"]
        flight = GaugeMetricFamily("chappe_endpoint_in_flight", "Requests there", labels=pairs)
        limit = GaugeMetricFamily("chappe_endpoint_limit", "Concurrency limit", labels=pairs)
        up = GaugeMetricFamily("chappe_endpoint_up", "1 when it takes requests", labels=pairs)
        for queue in self.queues():
            model = str(queue["model"])
            waiting.add_metric([model], float(str(queue["waiting"])))
            for endpoint in queue["endpoints"]:
                labels = [model, str(endpoint["name"])]
                flight.add_metric(labels, endpoint["in_flight"])
                limit.add_metric(labels, endpoint["limit"])
                up.add_metric(labels, float(endpoint["health"] in ("healthy", "trial")))
        yield from (waiting, flight, limit, up)


def _limits(quotas: Quotas) -> Iterable[Metric]:
    refused = CounterMetricFamily(
        "chappe_quota_refusals", "Refused by a limit", labels=["measure", "period"]
    )
    for (measure, period), count in quotas.refused.copy().items():
        refused.add_metric([measure, period or "at once"], count)
    yield refused
    yield GaugeMetricFamily(
        "chappe_database_away",
        "1 when limits run on held leases",
        value=float(quotas.database_away),
    )
