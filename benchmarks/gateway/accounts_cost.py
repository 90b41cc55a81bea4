"""What accounts cost the gateway's process: `python benchmarks/gateway/accounts_cost.py`.

Prints the time to make, open and settle an account (journal included), then the processor time that
writing a row into the database takes in this process and in the server (`--rows`, real PostgreSQL).
Medians of five rounds; times of this thread's processor, in microseconds.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import uvloop

from chappe.core.connections import Connections
from chappe.core.database import migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.gateway.accounts import Account, Accounts

ROUNDS = 5
ORGANISATION, KEY, PERSON = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()


def new_account() -> Account:
    """An account as the gateway makes it."""
    account = Account(
        actor="key",
        key_id=KEY,
        person_id=PERSON,
        organisation_id=ORGANISATION,
        operation="chat.completions",
        model="mistral-small-3.2",
        requested_model="mistral",
        streamed=True,
        priority="interactive",
    )
    account.trace_id = account.id
    return account


def fill(account: Account) -> None:
    """What is known of a request at its end."""
    account.endpoint, account.site = "gpu-12", "rennes"
    account.usage(1234, 321, 1024)
    account.queue_ms, account.ttft_ms, account.duration_ms = 0.2, 143.21, 2345.7
    account.overhead_ms, account.energy_wh = 0.11, 0.0123


def microseconds(work: Callable[[], None], count: int) -> float:
    """Processor time of one of `count` pieces of work."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


async def measure(url: str, folder: Path, count: int) -> dict[str, float]:
    """One round."""
    connections = Connections(url)
    await connections.open()
    accounts = Accounts(connections, folder, uuid.uuid4())
    await accounts.start()
    await asyncio.sleep(0.3)
    made: list[Account] = []

    def make() -> None:
        made.extend(new_account() for _ in range(count))

    def open_all() -> None:
        for account in made:
            accounts.open(account)

    def fill_all() -> None:
        for account in made:
            fill(account)

    def settle_all() -> None:
        for account in made:
            accounts.settle(account, "completed", None, 200)

    result = {"make_us": microseconds(make, count)}
    # As in service, where a few hundred are open at once.
    opened, settled = 0.0, 0.0
    everything, made = made, []
    for start in range(0, count, 500):
        made = everything[start : start + 500]
        opened += microseconds(open_all, count)
        fill_all()
        settled += microseconds(settle_all, count)
    result |= {"open_us": opened, "settle_us": settled}
    cpu, wall = time.process_time(), time.perf_counter()
    await accounts.stop()
    result["write_us_per_row"] = (time.process_time() - cpu) / count * 1e6
    result["rows_per_second"] = count / (time.perf_counter() - wall)
    await connections.close()
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedPostgres(Path(name) / "postgres")
        server.start()
        try:
            migrate(server.url)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                rounds = [runner.run(measure(server.url, Path(name), count)) for _ in range(ROUNDS)]
            with psycopg.connect(server.url) as connection:
                row = connection.execute("select count(*) from request_account").fetchone()
            assert row == (ROUNDS * count,), row
        finally:
            server.stop()
    print(
        json.dumps({key: round(statistics.median(r[key] for r in rounds), 2) for key in rounds[0]})
    )


if __name__ == "__main__":
    main()
