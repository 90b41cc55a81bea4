"""The journal alone: a queue of files that survives its process, without a database."""

import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import support
from accounts_support import new_account
from chappe.core.errors import ChappeError
from chappe.gateway.accounts import Account
from chappe.gateway.accounts import journal as journal_module
from chappe.gateway.accounts.journal import Journal
from chappe.gateway.accounts.records import HEADER, OPENED, decode, read_records

SMALL = 8 * 64 * 1024


def settle(journal: Journal, account: Account) -> None:
    account.outcome = "completed"
    journal.settled(account)


def records(folder: Path) -> list[tuple[int, str]]:
    return [
        (kind, decode(payload).id)
        for path in sorted(folder.glob("*.segment"))
        for kind, payload, _ in read_records(path)
    ]


STEPS = st.lists(
    st.sampled_from(("open", "open", "open", "settle", "settle", "write", "slow write", "fail")),
    max_size=60,
)


@given(
    steps=STEPS,
    repeat=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    recent=st.sampled_from((0, 3, 20, 4096)),
)
@settings(max_examples=100, deadline=None)
def test_each_account_comes_out_once_and_nothing_is_kept(
    steps: list[str], repeat: int, seed: int, recent: int
) -> None:
    """Whatever the order, what is settled comes out once, oldest first, and its files go; whether
    it is at hand or was too much to be kept, and however often it can't be written at first."""
    chance = random.Random(seed)
    with TemporaryDirectory() as folder, patch.object(journal_module, "_MOST_RECENT", recent):
        journal = Journal(Path(folder) / "own", SMALL)
        opened: list[Account] = []
        settled: list[str] = []
        out: list[str] = []

        def settle_one() -> None:
            account = opened.pop(chance.randrange(len(opened)))
            account.error = "é" * chance.randrange(300)
            settled.append(account.id)
            settle(journal, account)

        def write(most: int, meanwhile: int = 0) -> bool:
            batch = journal.take(most)
            for _ in range(min(meanwhile, len(opened))):
                settle_one()
            out.extend(decode(row).id for row in batch.rows)
            journal.done(batch)
            return batch.last

        for step in steps * repeat:
            if step == "open":
                account = new_account(model="m" * chance.randrange(1, 500))
                try:
                    journal.opened(account)
                except ChappeError as error:
                    assert error.code == "accounts_full"
                    continue
                opened.append(account)
            elif step == "settle" and opened:
                settle_one()
            elif step == "write":
                write(chance.randrange(1, 50))
            elif step == "slow write":
                write(chance.randrange(1, 50), chance.randrange(1, 30))
            elif step == "fail":
                journal.take(chance.randrange(1, 50))
            assert journal.waiting == len(settled) - len(out)
            assert sum(f.stat().st_size for f in Path(folder, "own").iterdir()) <= SMALL
        for account in opened:
            settled.append(account.id)
            settle(journal, account)
        while not write(50):
            pass
        assert out == settled
        assert len(records(Path(folder) / "own")) * 200 < SMALL // 4
        journal.close()
        assert not Path(folder, "own").exists()


def test_a_full_journal_refuses_and_still_settles_what_it_took(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "own", SMALL)
    opened = []
    with pytest.raises(ChappeError) as caught:
        while True:
            account = new_account(error=None, model="m" * 300)
            journal.opened(account)
            opened.append(account)
    assert (caught.value.code, caught.value.status) == ("accounts_full", 503)
    assert len(opened) > 50
    for account in opened:
        account.error = "\u0001" * 300  # six bytes each in JSON
        settle(journal, account)
    batch = journal.take(10_000)
    assert [decode(row).id for row in batch.rows] == [account.id for account in opened]
    journal.done(batch)
    journal.opened(new_account())
    journal.close()


def test_a_stream_that_stays_open_does_not_hold_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "own", SMALL)
    long = new_account(model="long")
    journal.opened(long)
    for _ in range(10_000):  # several times what the journal holds
        account = new_account()
        journal.opened(account)
        settle(journal, account)
        if journal.waiting == 100:
            journal.done(journal.take(100))
    assert journal.size < SMALL // 2
    assert [kind for kind, identifier in records(tmp_path / "own") if identifier == long.id] == [
        OPENED
    ]
    settle(journal, long)
    assert decode(journal.take(10_000).rows[-1]).id == long.id
    journal.close()


@given(cut=st.integers(1, 400), garbage=st.binary(max_size=40))
@settings(max_examples=80, deadline=None)
def test_a_torn_tail_reads_as_the_end(cut: int, garbage: bytes) -> None:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "own", SMALL)
        whole = [new_account() for _ in range(3)]
        for account in whole:
            journal.opened(account)
        (path,) = (Path(folder) / "own").glob("*0001.segment")
        ends = [after for _, _, after in read_records(path)]
        size = ends[2] - ends[1]
        tear = ends[1] + min(cut, size - 1)
        with path.open("r+b") as file:
            file.seek(tear)
            torn = garbage[: ends[2] - tear].ljust(ends[2] - tear, b"\0")
            changed = torn != path.read_bytes()[tear : ends[2]]
            file.write(torn)
        read = [decode(payload).id for _, payload, _ in read_records(path)]
        assert read == [account.id for account in whole[: 2 if changed else 3]]
        for account in whole:
            settle(journal, account)
        assert HEADER.size < size


def test_a_full_disk_refuses_and_does_not_kill_the_process(tmp_path: Path) -> None:
    """On a real file system of 1 MiB, in a namespace of its own."""
    code = (
        "import sys; from pathlib import Path\n"
        "from accounts_support import new_account\n"
        "from chappe.core.errors import ChappeError\n"
        "from chappe.gateway.accounts.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]) / 'own', 8 * 300_000)\n"
        "opened = []\n"
        "try:\n"
        "    while True:\n"
        "        account = new_account(); journal.opened(account); opened.append(account)\n"
        "except ChappeError as error:\n"
        "    print(error.code)\n"
        "for account in opened: account.outcome = 'completed'; journal.settled(account)\n"
        "print(len(journal.take(10_000).rows) == len(opened) > 50)\n"
    )
    mounted = f'mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c "$0" "$@"'
    result = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted, code, str(tmp_path)],
        capture_output=True,
        text=True,
        env=support.clean_environment(
            PYTHONPATH=f"{support.ROOT / 'src'}:{support.ROOT / 'tests'}"
        ),
    )
    if "unshare" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no namespaces here: {result.stderr.strip()}")
    assert result.stdout.split() == ["accounts_full", "True"], result.stderr
