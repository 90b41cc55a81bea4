"""The catalogue by command, on a database of its own, before a scripted server."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import support

Command = Callable[..., subprocess.CompletedProcess[str]]
SECRET = "sk-of-the-endpoint-0123456789"


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Command:
    def run(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {"CHAPPE_DATABASE_URL": database_url, "CHAPPE_LOG_LEVEL": "debug"} | environment
        done = support.chappe(*arguments, data_dir=tmp_path, **given)
        assert done.returncode == code, done.stdout + done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def server() -> Iterator[support.ScriptedEndpoint]:
    with support.scripted_endpoint() as scripted:
        yield scripted


def told(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


# Thirty commands, each a process; the acts are tested by API.
@pytest.mark.slow
def test_models_and_endpoints(
    command: Command, server: support.ScriptedEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    command("model", "set", "big", "--set", "context=32768", "--set", 'aliases=["default"]')
    command("model", "set", "small", "--set", "licence=Apache-2.0")
    command("model", "grant", "big", "organisation:default")
    command(
        "endpoint", "set", "gpu", "--url", server.url, "--serves", "big=m", "--set", "engine=auto",
        "--secret-file", "key",
    )  # fmt: skip
    (endpoint,) = told(command("endpoint", "list", "--json"))
    assert endpoint["has_secret"] and endpoint["serves"] == {"big": "m"}
    big = told(command("model", "show", "big"))
    assert big["endpoints"] == {"gpu": "m"} and big["grants"] == ["organisation:default"]
    assert told(command("endpoint", "test", "gpu", "--json"))["models"] == ["m"]
    assert "well" in command("endpoint", "test", "gpu").stdout
    command("endpoint", "drain", "gpu")
    assert told(command("endpoint", "list", "--json"))[0]["drained"]
    command("endpoint", "resume", "gpu")
    for options in (("--secret-file", "nowhere"), ("--url", "http://169.254.169.254/v1")):
        said = command("endpoint", "set", "gpu", *options, code=1).stderr
        assert said.count("\n") == 1 and options[1] in said
    said = command("limit", "set", "people", "tokens", "5", "--per", "day", code=1).stderr
    assert "people" in said and "installation" in said
    assert "gpu" in command("model", "remove", "big", code=1).stderr
    refused = command("model", "retire", "big", "--replacement", "smal", code=1, LANG="en").stderr
    assert 'model "big", replacement' in refused and "There is: small." in refused
    command("model", "retire", "big", "--replacement", "small")
    states = {m["name"]: m["status"] for m in told(command("model", "list", "--json"))}
    assert states == {"big": "retired", "small": "active"}
    command("endpoint", "remove", "gpu")
    command("endpoint", "test", "gpu", code=1)
    command("model", "remove", "big")
    assert "hold" in command("audit", "verify").stdout


def test_a_file_is_compared_tried_and_applied(command: Command, tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_text(
        '[[models]]\nname = "m"\n[[endpoints]]\nname = "e"\nurl = "http://127.0.0.1:9/v1"\n'
        'secret_env = "GPU_KEY"\nserves = { m = "M" }\n'
    )
    assert "GPU_KEY" in command("apply", "catalogue.toml", code=1).stderr
    dry = command("apply", "catalogue.toml", "--dry-run", code=2, GPU_KEY=SECRET)
    assert "+ endpoint e" in dry.stdout and "secret: …" in dry.stdout
    changes = told(command("apply", "catalogue.toml", "--json", GPU_KEY=SECRET))
    assert [(c["act"], c["name"]) for c in changes] == [("create", "m"), ("create", "e")]
    assert "0 changes" in command("apply", "catalogue.toml", "--dry-run", GPU_KEY=SECRET).stdout
    assert "not well" in command("endpoint", "test", "e", code=1).stdout
    assert "~ endpoint e" in command("apply", "catalogue.toml", GPU_KEY=SECRET + "x").stdout
    (tmp_path / "catalogue.toml").write_text('[[modles]]\nname = "m"\n')
    assert "modles" in command("apply", "catalogue.toml", code=1).stderr


def test_a_file_leads_somewhere_or_says_where_it_does_not(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(
        '[[models]]\nname = "m"\nfallbacks = ["setted"]\n'
        '[[models]]\nname = "large"\n'
        '[[limits]]\nsubject = "model"\nmodel = "m"\nmeasure = "tokens"\nperiod = "day"\n'
        "amount = 9\n"
    )
    for option in ("--dry-run", "--no-dry-run"):
        refused = command("apply", "catalogue.toml", option, code=1).stderr
        assert 'model "m", fallbacks' in refused and "setted" in refused
    settings = {"CHAPPE_MODELS": "setted=http://127.0.0.1:9/v1"}
    assert "3 changes" in command("apply", "catalogue.toml", **settings).stdout
    command("limit", "set", "model:setted", "requests", "9", "--per", "day", **settings)
    misspelt = ("limit", "set", "model:seted", "requests", "9", "--per", "day")
    assert "setted" in command(*misspelt, code=1, **settings).stderr
    used = command("model", "remove", "m", code=1).stderr
    assert 'limit "model m tokens day", model' in used


def test_keys_of_secrets_change(command: Command, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    command("endpoint", "set", "e", "--url", "http://127.0.0.1:9/v1", "--secret-file", "key")
    assert "1 secrets" in command("secret", "rotate").stdout
    assert "not well" in command("endpoint", "test", "e", code=1).stdout  # it was read
    first, second = "A" * 43 + "=", "B" * 42 + "A="
    wrong = command("endpoint", "test", "e", code=1, CHAPPE_SECRET_KEY=first).stderr
    assert "CHAPPE_SECRET_KEY" in wrong and len(wrong.splitlines()) == 1
    command("endpoint", "set", "e", "--secret-file", "key", CHAPPE_SECRET_KEY=first)
    command("secret", "rotate", CHAPPE_SECRET_KEY=f"{second},{first}")
    assert command("endpoint", "test", "e", code=1, CHAPPE_SECRET_KEY=second).stdout


def test_limits_are_listed_with_what_is_used(command: Command, database_url: str) -> None:
    command("limit", "set", "installation", "requests", "100", "--per", "month")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into quota_window (limit_id, period_start, leased)"
            " select id, quota_start(period, quota_now()), 40 from quota_limit"
        )
    (listed,) = told(command("limit", "list", "--json"))
    assert (listed["amount"], listed["used"], listed["remaining"]) == (100, 40, 60)
    heading, row = command("limit", "list").stdout.splitlines()
    assert heading.split()[-2:] == ["used", "remaining"] and row.split()[-2:] == ["40.0", "60.0"]
