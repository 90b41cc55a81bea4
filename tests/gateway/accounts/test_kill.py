"""`kill -9` at random moments: every admitted request is in the accounts, once."""

import os
import random
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import support
from accounts_support import connected, query, totals
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.takeover import INTERRUPTED, take_over

ROUNDS = 12

# Opens and settles as fast as it can, with some left open, while its writer writes; tells of each
# on its standard output, once it is done. Begins when it is told to.
SERVING = """
import asyncio, os, random, sys, uuid
from pathlib import Path
from accounts_support import random_account, running

async def main():
    chance = random.Random(int(sys.argv[4]))
    async with running(sys.argv[1], Path(sys.argv[2]), uuid.UUID(sys.argv[3])) as accounts:
        opened = []
        sys.stdin.readline()
        while True:
            for _ in range(20):
                account = random_account(chance)
                accounts.open(account)
                os.write(1, b"+%b\\n" % account.id.encode())
                opened.append(account)
                if chance.random() < 0.9:
                    account = opened.pop(chance.randrange(len(opened)))
                    accounts.settle(account, chance.choice(("completed", "cancelled")), None, 200)
                    os.write(1, b"-%b\\n" % account.id.encode())
            await asyncio.sleep(0.002)

asyncio.run(main())
"""


def serve_and_kill(url: str, folder: Path, chance: random.Random) -> tuple[set[str], set[str]]:
    """A process that serves, killed after a while; what it admitted, and ended."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SERVING,
            url,
            str(folder),
            str(uuid.uuid4()),
            str(chance.random())[2:],
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=support.clean_environment(
            PYTHONPATH=f"{support.ROOT / 'src'}:{support.ROOT / 'tests'}"
        ),
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    # Killed when it has told of so many steps: in any part of its work, and of the writer's.
    told = [process.stdout.readline() for _ in range(chance.randrange(1, 6000))]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    whole = [line.decode().strip() for line in told if line.endswith(b"\n")]
    return {w[1:] for w in whole if w[0] == "+"}, {w[1:] for w in whole if w[0] == "-"}


async def test_a_process_killed_at_any_moment_loses_no_account(
    database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20)
    admitted: set[str] = set()
    settled: set[str] = set()
    for number in range(ROUNDS):
        opened, ended = serve_and_kill(database_url, tmp_path, chance)
        admitted |= opened
        settled |= ended
        # Sometimes several dead journals wait.
        if number % 3 == 2:
            async with connected(database_url) as connections:
                await take_over(connections, tmp_path / "journal", Aside(tmp_path))
    rows = query(database_url, "select id, outcome, error from request_account")
    outcomes = {identifier.hex: (outcome, error) for identifier, outcome, error in rows}
    assert len(outcomes) == len(rows)
    assert admitted <= outcomes.keys()
    # The one that it was writing when it was killed may be there without having been told of.
    assert len(outcomes.keys() - admitted) <= ROUNDS
    interrupted = {i for i, outcome in outcomes.items() if outcome[0] == "interrupted"}
    assert not interrupted & settled
    assert interrupted and all(outcomes[i][1] == INTERRUPTED for i in interrupted)
    assert totals(database_url)[0] == len(rows)
    assert list((tmp_path / "journal").iterdir()) == []
