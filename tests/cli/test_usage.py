"""`chappe usage` on a database of its own."""

import asyncio
import csv
import io
import json
import random
from pathlib import Path

import psycopg
import pytest

import support
from accounts_support import random_account
from chappe.core.connections import Connections
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.rows import write


@pytest.fixture
def used(database_url: str) -> tuple[str, int, str]:
    """A database with 200 accounts of one organisation, their tokens, and their month."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "insert into organisation (slug, name) values ('rennes', 'Rennes') returning id"
        ).fetchone()
        assert row
    chance = random.Random(3)
    accounts = [random_account(chance, organisation_id=row[0]) for _ in range(200)]
    for account in accounts:
        account.outcome = "completed"

    async def fill() -> None:
        connections = Connections(database_url, 1)
        await connections.open()
        await write(connections, [encode(account) for account in accounts])
        await connections.close()

    asyncio.run(fill())
    month = f"{accounts[0].started_at:%Y-%m}"
    return database_url, sum(a.tokens_in or 0 for a in accounts), month


def run(database_url: str, folder: Path, *arguments: str) -> str:
    result = support.chappe("usage", *arguments, data_dir=folder, CHAPPE_DATABASE_URL=database_url)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_usage_and_statement(used: tuple[str, int, str], tmp_path: Path) -> None:
    url, tokens, month = used
    lines = json.loads(run(url, tmp_path, "--by", "organisation", "--by", "model", "--json"))
    assert {line["groups"]["organisation"] for line in lines} == {"rennes"}
    assert sum(line["tokens_in"] for line in lines) == tokens
    rows = list(csv.DictReader(io.StringIO(run(url, tmp_path, "--csv", "--per", "day"))))
    assert sum(int(row["tokens_in"]) for row in rows) == tokens
    assert "small" in (text := run(url, tmp_path)) and "no price" in text
    found = json.loads(run(url, tmp_path, "statement", "rennes", month, "--json"))
    assert (found["tokens_in"], found["verified"]) == (tokens, True)
    text = run(url, tmp_path, "statement", "rennes", month)
    assert "prices of the month; agrees with the accounts" in text
    unknown = support.chappe(
        "usage", "statement", "nobody", month, data_dir=tmp_path, CHAPPE_DATABASE_URL=url
    )
    assert unknown.returncode == 1 and unknown.stderr.count("\n") == 1
    for options in (
        ("--from", "2026-12-01", "--to", "2026-11-01"),
        ("--model", "smal"),
        ("--outcome", "complete"),
    ):
        refused = support.chappe("usage", *options, data_dir=tmp_path, CHAPPE_DATABASE_URL=url)
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused.stderr
        told = {"--from": "doit précéder", "--model": "smal", "--outcome": "completed"}
        assert told[options[0]] in refused.stderr
    wrong = support.chappe("usage", "--by", "colour", data_dir=tmp_path, CHAPPE_DATABASE_URL=url)
    assert wrong.returncode == 2 and "organisation" in wrong.stderr
