"""Structured logs without secrets or personal text, and the process's metrics."""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.registry import Collector

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")

REGISTRY = CollectorRegistry()
HTTP_REQUESTS = Counter(
    "chappe_http_requests", "HTTP requests", ["method", "route", "status"], registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "chappe_http_request_seconds", "Time to the end of the answer", ["route"], registry=REGISTRY
)
SEARCH_SECONDS = Histogram("chappe_search_seconds", "Time of a search", registry=REGISTRY)
SENTENCES = Counter(
    "chappe_answer_sentences", "Sentences of answers, by verdict", ["status"], registry=REGISTRY
)

_collectors: dict[str, Collector] = {}


def replace(name: str, collector: Collector) -> None:
    """Show a collector's figures; those of the one that had this name before go."""
    if (before := _collectors.get(name)) is not None:
        REGISTRY.unregister(before)
    _collectors[name] = collector
    REGISTRY.register(collector)


_LOG_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, request_id, and the `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if identifier := request_id.get():
            entry["request_id"] = identifier
        entry |= {key: value for key, value in vars(record).items() if key not in _LOG_FIELDS}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure_logging(level: str, style: str) -> None:
    """Send every log to standard error, as JSON lines or as text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if style == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These would write addresses, statements or job arguments at each step.
    for noisy in (
        "alembic",
        "procrastinate",
        "uvicorn.access",
        "sqlalchemy.engine",
        "psycopg.pool",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
