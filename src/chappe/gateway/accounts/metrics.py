"""What is told of the accounts at `/metrics`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from chappe.gateway.accounts.service import Accounts


class AccountsMetrics(Collector):
    """The figures of one process's accounts."""

    def __init__(self, accounts: "Accounts") -> None:
        self._accounts = accounts

    def collect(self) -> Iterable[Metric]:
        """The families, for a scrape."""
        accounts = self._accounts
        waiting, age = accounts.lag()
        for name, text, value in (
            ("chappe_accounts_written", "Accounts written to the database", accounts.written),
            ("chappe_accounts_refused", "Requests refused: the journal is full", accounts.refused),
            ("chappe_accounts_set_aside", "Accounts that can't be stored", accounts.set_aside),
            ("chappe_accounts_interrupted", "Left open by dead processes", accounts.interrupted),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, text, level in (
            ("chappe_accounts_open", "Requests under way", accounts.under_way),
            ("chappe_accounts_waiting", "Settled and not yet written", waiting),
            ("chappe_accounts_lag_seconds", "How long some have been waiting", age),
            (
                "chappe_accounts_journal_bytes",
                "Disk that it takes",
                accounts.journal_bytes,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=level)
