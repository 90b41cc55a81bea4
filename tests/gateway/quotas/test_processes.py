"""Three real processes on one database: contention, SIGKILL, wrong clocks, an outage."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chappe.core.database import migrate
from chappe.core.embedded_postgres import EmbeddedPostgres

WORKER = Path(__file__).with_name("worker.py")
MINUTE_TOKENS = 12_000.0
PERMITS = 12
_TO_BOUNDARY = 7.0
# A month behind, right, and half an hour ahead.
_OFFSETS = (-2_600_000.0, 0.0, 1_800.0)

Event = dict[str, Any]


class Fleet:
    """Replicas as processes, and what they write."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path) -> None:
        self.postgres = postgres
        self.folder = folder
        self.limits: list[dict[str, Any]] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.killed: dict[int, float] = {}

    def execute(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def add_limit(self, measure: str, period: str | None, amount: float) -> None:
        ((identifier,),) = self.execute(
            "insert into quota_limit (subject_kind, measure, period, amount)"
            " values ('installation', %s, %s, %s) returning id",
            measure, period, amount,
        )  # fmt: skip
        self.limits.append({
            "id": str(identifier), "subject_kind": "installation", "subject_id": None,
            "model": None, "measure": measure, "period": period, "amount": amount,
        })  # fmt: skip

    def minute_ends_in(self, seconds: float) -> None:
        """Shift the database's clock, for quotas, so that it is so."""
        ((now,),) = self.execute("select extract(epoch from clock_timestamp())::float8")
        shift = 60 - seconds - now % 60
        self.execute(
            "create or replace function quota_now() returns timestamptz language sql volatile as"
            f" 'select clock_timestamp() + interval ''{shift} seconds'''"
        )

    def boundary(self) -> float:
        """The last beginning of a minute on the database's clock, on the monotonic clock."""
        before = time.monotonic()
        ((now,),) = self.execute("select extract(epoch from quota_now())::float8")
        return (before + time.monotonic()) / 2 - now % 60

    def begin(self, offset: float) -> None:
        number = len(self.processes)
        path = self.folder / f"{number}.log"
        self.processes.append(
            subprocess.Popen(
                [sys.executable, str(WORKER), self.postgres.url, json.dumps(self.limits),
                 str(path), str(offset), str(number)],
                stderr=(self.folder / f"{number}.err").open("wb"),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        )  # fmt: skip
        while not (path.exists() and path.stat().st_size):
            assert self.processes[number].poll() is None, self.complaints()
            time.sleep(0.02)

    def kill(self, number: int) -> None:
        self.processes[number].send_signal(signal.SIGKILL)
        self.processes[number].wait()
        self.killed[number] = time.monotonic()

    def take_over(self, number: int) -> None:
        """What the accounts do once they have replayed the journal of a dead replica."""
        replica = next(e["replica"] for e in self.events() if e["process"] == number)
        self.execute("delete from gateway_replica where id = %s", replica)

    def stop(self) -> None:
        living = [p for n, p in enumerate(self.processes) if n not in self.killed]
        for process in living:
            process.send_signal(signal.SIGTERM)
        for process in living:
            assert process.wait(30) == 0, self.complaints()

    def complaints(self) -> str:
        return "\n".join(path.read_text() for path in self.folder.glob("*.err"))

    def events(self) -> list[Event]:
        """Everything that was written, in order of time; a line cut by a kill is left out."""
        found = []
        for number in range(len(self.processes)):
            for line in (self.folder / f"{number}.log").read_bytes().splitlines():
                if line.endswith(b"}"):
                    found.append(json.loads(line) | {"process": number})
        return sorted(found, key=lambda event: event["at"])

    def most_at_once(self) -> int:
        """Most requests that ran at the same moment; a kill ends those of its process."""
        changes = []
        open_by: defaultdict[int, set[int]] = defaultdict(set)
        for event in self.events():
            mine = open_by[event["process"]]
            if event["act"] == "take":
                mine.add(event["number"])
                changes.append((event["at"], 1))
            elif event["act"] == "end":
                mine.remove(event["number"])
                changes.append((event["at"], -1))
        for number, moment in self.killed.items():
            changes += [(moment, -1)] * len(open_by[number])
        running = most = 0
        for _, change in sorted(changes):
            running += change
            most = max(most, running)
        return most

    def tokens_by_window(self, boundary: float) -> tuple[float, float]:
        """Tokens given before and after a boundary, less what came back in the same window.

        Left out: the few that were taken while it passed.
        """
        sums = [0.0, 0.0]
        taken: dict[int, tuple[float, int]] = {}
        for event in self.events():
            if event["act"] == "take":
                window = int(event["at"] > boundary)
                if window != int(event["before"] > boundary + 0.005):
                    continue
                taken[event["number"]] = event["charge"], window
                sums[window] += event["charge"]
            elif event["act"] == "end" and event["number"] in taken:
                charge, window = taken[event["number"]]
                if window == int(event["at"] > boundary):
                    sums[window] -= charge - event["used"]
        return sums[0], sums[1]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    migrate(postgres.url)
    made = Fleet(postgres, tmp_path)
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
        postgres.stop()


def test_contention_kills_and_wrong_clocks(fleet: Fleet) -> None:
    fleet.add_limit("tokens", "minute", MINUTE_TOKENS)
    fleet.add_limit("concurrency", None, PERMITS)
    fleet.minute_ends_in(_TO_BOUNDARY + 5)
    draw = random.Random(11)
    for offset in _OFFSETS:
        fleet.begin(offset)
    end = time.monotonic() + 16
    while time.monotonic() < end:
        time.sleep(draw.uniform(0.5, 2.0))
        living = [n for n in range(len(fleet.processes)) if n not in fleet.killed]
        victim = draw.choice(living)
        fleet.kill(victim)
        fleet.begin(draw.choice(_OFFSETS))
        if draw.random() < 0.7:
            fleet.take_over(victim)
    boundary = fleet.boundary()
    fleet.stop()
    first, second = fleet.tokens_by_window(boundary)
    print(f"given: {first:.0f} and {second:.0f} of {MINUTE_TOKENS:.0f}", len(fleet.killed), "kills")
    assert first <= MINUTE_TOKENS and second <= MINUTE_TOKENS
    assert first > 0.5 * MINUTE_TOKENS and second > 0
    assert fleet.most_at_once() <= PERMITS
    # What a clean stop leaves: what was spent, and no permit but those of the dead.
    held = fleet.execute(
        "select coalesce(sum(granted), 0) from quota_lease where period_start = '-infinity'"
        " and replica_id in (select id from gateway_replica"
        " where heartbeat_at > quota_now() - interval '1 second')"
    )
    assert held == [(0,)]


def test_the_limit_is_usable_under_contention(fleet: Fleet) -> None:
    """Three replicas that want more than there is get nine tenths of it at least."""
    fleet.add_limit("tokens", "minute", MINUTE_TOKENS)
    fleet.minute_ends_in(40)
    for offset in _OFFSETS:
        fleet.begin(offset)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        time.sleep(0.5)
        if sum(event.get("code") == "quota_exceeded" for event in fleet.events()) > 500:
            break
    boundary = time.monotonic() + 60
    fleet.stop()
    given, _ = fleet.tokens_by_window(boundary)
    print(f"given: {given:.0f} of {MINUTE_TOKENS:.0f}")
    assert 0.9 * MINUTE_TOKENS <= given <= MINUTE_TOKENS


@pytest.mark.slow(
    reason="waits for a real minute to begin; test_partitions has it on its own clock"
)
def test_the_database_is_away_while_a_minute_begins(fleet: Fleet) -> None:
    fleet.add_limit("tokens", "minute", MINUTE_TOKENS)
    fleet.minute_ends_in(_TO_BOUNDARY + 8)
    for offset in _OFFSETS:
        fleet.begin(offset)
    time.sleep(4)
    boundary = fleet.boundary() + 60
    fleet.postgres.stop()
    time.sleep(max(0.0, boundary + 3 - time.monotonic()))
    away_until = time.monotonic()
    fleet.postgres.start()
    time.sleep(6)
    fleet.stop()
    first, second = fleet.tokens_by_window(boundary)
    alone = [e for e in fleet.events() if e["act"] == "take" and boundary < e["at"] < away_until]
    by_process = {event["process"] for event in alone}
    print(f"given: {first:.0f} and {second:.0f} of {MINUTE_TOKENS:.0f}; alone {len(alone)}")
    assert first <= MINUTE_TOKENS and second <= MINUTE_TOKENS
    # Each served the new minute from its own share.
    assert by_process == {0, 1, 2}
    ((leased,),) = fleet.execute(
        "select leased from quota_window order by period_start desc limit 1"
    )
    assert second - 1e-6 <= leased <= MINUTE_TOKENS + 1e-6
