"""What a quota costs a request: reserving, settling and telling, in processor time of this process.

    python benchmarks/gateway/quotas_cost.py

A PostgreSQL server of our own runs beside it; four limits cover each request (requests by minute,
tokens by day of the organisation, tokens by month of the key, requests at once).
"""

import asyncio
import json
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

from chappe.core.connections import Connections
from chappe.core.database import migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.gateway.quotas import Limit, Quotas, Work
from chappe.identity import Actor

_SECONDS = 6
_BURST = 500
_LIMITS = (
    ("installation", "requests", "minute", 1e9),
    ("organisation", "tokens", "day", 1e13),
    ("key", "tokens", "month", 1e13),
    ("installation", "concurrency", None, 1e5),
)


async def measure(url: str) -> dict[str, float]:
    """Microseconds by request, and questions to the database by thousand requests."""
    actor = Actor("key", frozenset({"models"}), key_id=uuid.uuid4(), organisation_id=uuid.uuid4())
    owners = {"organisation": actor.organisation_id, "key": actor.key_id}
    limits = []
    with psycopg.connect(url, autocommit=True) as connection:
        for kind, measure_, period, amount in _LIMITS:
            row = connection.execute(
                "insert into quota_limit (subject_kind, subject_id, measure, period, amount)"
                " values (%s, %s, %s, %s, %s) returning id",
                (kind, owners.get(kind), measure_, period, amount),
            ).fetchone()
            assert row is not None
            limits.append(Limit(row[0], kind, owners.get(kind), None, measure_, period, amount))  # type: ignore[arg-type]
    connections = Connections(url)
    await connections.open()
    quotas = Quotas(connections, uuid.uuid4())
    await quotas.start()
    quotas.set_limits(limits)
    cover = quotas.cover(actor, "m")
    bound, used = Work(300, 1000), Work(200, 150)
    requests = asked = 0
    spent = told = 0.0
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        begun = time.process_time()
        for _ in range(_BURST):
            reservation = quotas.try_reserve(cover, bound)
            if reservation is None:
                asked += 1
                reservation = await quotas.reserve(cover, bound)
            quotas.settle(reservation, used)
        spent += time.process_time() - begun
        begun = time.process_time()
        for _ in range(_BURST):
            quotas.header_lines(reservation)
        told += time.process_time() - begun
        requests += _BURST
        await asyncio.sleep(0.002)
    begun = time.process_time()
    await asyncio.sleep(10)
    idle = time.process_time() - begun
    await quotas.stop()
    await connections.close()
    return {
        "reserve_and_settle_us": round(spent / requests * 1e6, 2),
        "headers_us": round(told / requests * 1e6, 2),
        "requests": requests,
        "asked_by_thousand": round(1000 * asked / requests, 3),
        "at_rest_ms_per_s": round(idle / 10 * 1000, 2),
    }


def main() -> None:
    """Print the figures as JSON."""
    server = EmbeddedPostgres(Path(tempfile.mkdtemp()) / "postgres")
    server.start()
    try:
        migrate(server.url)
        print(json.dumps(asyncio.run(measure(server.url))))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
