"""What users of other gateways suffered from in their accounts; one test for each complaint."""

import asyncio
import random
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg

import support
from accounts_support import connected, new_account, query, random_account, running, totals
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.rows import write
from chappe.gateway.accounts.takeover import take_over

# Settles, and is killed before anything can be flushed: the database can't take it meanwhile.
ENDING = """
import asyncio, os, signal, sys, uuid
from pathlib import Path
from accounts_support import new_account, running

async def main():
    async with running(sys.argv[1], Path(sys.argv[2]), uuid.UUID(sys.argv[3])) as accounts:
        for _ in range(int(sys.argv[4])):
            account = new_account()
            accounts.open(account)
            account.usage(100, 10, 0)
            accounts.settle(account, "completed", None, 200)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def settle_and_die(url: str, folder: Path, count: int) -> int:
    """Runs a process that is killed right after it settled `count` accounts; its exit status."""
    return subprocess.run(
        [sys.executable, "-c", ENDING, url, str(folder), str(uuid.uuid4()), str(count)],
        env=support.clean_environment(
            PYTHONPATH=f"{support.ROOT / 'src'}:{support.ROOT / 'tests'}"
        ),
    ).returncode


async def test_litellm_29292_spend_rows_lost_at_flush(database_url: str, tmp_path: Path) -> None:
    """A process that ends between the answer and the flush, and a flush that fails half-way."""
    assert settle_and_die(database_url, tmp_path, 1700) == -signal.SIGKILL
    assert totals(database_url)[0] < 1700
    async with connected(database_url) as connections:
        with psycopg.connect(database_url) as connection:
            # The sums can't be written: then the rows aren't either.
            connection.execute("alter table usage_hour rename to usage_hidden")
        try:
            await take_over(connections, tmp_path / "journal", Aside(tmp_path))
            raise AssertionError("it was written without its sums")
        except psycopg.errors.UndefinedTable:
            pass
        with psycopg.connect(database_url) as connection:
            connection.execute("alter table usage_hidden rename to usage_hour")
        await take_over(connections, tmp_path / "journal", Aside(tmp_path))
    assert totals(database_url) == (1700, 170_000, 0, 17_000)


async def test_litellm_34887_deadlocks_dropped_spend(database_url: str) -> None:
    """Eight writers add to the same sums, each in another order."""
    chance = random.Random(7)
    batches = []
    for _ in range(40):
        rows = []
        for _ in range(100):
            account = random_account(chance, organisation_id=uuid.UUID(int=chance.randrange(5)))
            account.outcome = "completed"
            rows.append(encode(account))
        batches.append(rows)
    async with connected(database_url) as one, connected(database_url) as other:

        async def write_all(number: int) -> None:
            for rows in batches[number::8]:
                await write((one, other)[number % 2], rows)

        await asyncio.gather(*(write_all(number) for number in range(8)))
    assert totals(database_url)[0] == 4000
    (deadlocks,) = query(
        database_url, "select deadlocks from pg_stat_database where datname = current_database()"
    )
    assert deadlocks == (0,)


async def test_litellm_28376_accounts_are_not_keyed_on_the_providers_id(
    database_url: str, tmp_path: Path
) -> None:
    """An upstream that gives the same id twice, or a client the same trace: two accounts."""
    trace = uuid.uuid4().hex
    async with running(database_url, tmp_path) as accounts:
        for _ in range(2):
            account = new_account(trace_id=trace)
            accounts.open(account)
            account.usage(10, 5, 0)
            accounts.settle(account, "completed", None, 200)
    rows = query(database_url, "select id, trace_id from request_account")
    assert len({identifier for identifier, _ in rows}) == 2
    assert {found for _, found in rows} == {trace}
    assert totals(database_url) == (2, 20, 0, 10)


async def test_tensorzero_475_half_failed_streams_are_recorded(
    database_url: str, tmp_path: Path
) -> None:
    """A stream that breaks is there with what went by, told as counted by us."""
    async with running(database_url, tmp_path) as accounts:
        account = new_account(streamed=True)
        accounts.open(account)
        account.first_token()
        for _ in range(7):
            account.content()
        accounts.settle(account, "failed", "the stream ended too early", 200)
    found = query(
        database_url,
        "select outcome, tokens_in, tokens_out, tokens_origin, ttft_ms is not null, error"
        " from request_account",
    )
    assert found == [("failed", None, 7, "counted", True, "the stream ended too early")]
    assert query(database_url, "select requests, tokens_out, outcome from usage_hour") == [
        (1, 7, "failed")
    ]
