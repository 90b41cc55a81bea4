"""Clients that leave, endpoints that misbehave, and a server that is killed."""

import signal
import socket
import time
from pathlib import Path

import openai
import psycopg
import pytest

import support
from gateway_accounts import accounts, client, database_of, settled

MESSAGES = [{"role": "user", "content": "x"}]


@pytest.fixture(autouse=True)
def _healed(scripted: support.Running, endpoint: support.ScriptedEndpoint) -> None:
    """An endpoint that failed in the test before is taken back once it answers a trial."""
    endpoint.script = ["Bonjour."]
    for _ in range(100):
        try:
            _ask(scripted)
            return
        except openai.InternalServerError:
            time.sleep(0.1)
    raise AssertionError("never taken back")


def _ask(scripted: support.Running, stream: bool = True) -> str:
    answer = client(scripted).chat.completions.create(
        model="scripted", messages=MESSAGES, stream=stream
    )
    if not stream:
        return str(answer.choices[0].message.content)
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer)


def test_leaving_in_the_middle_stops_the_generation(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "slow"
    endpoint.closed_early.clear()
    before = len(accounts(scripted))
    stream = client(scripted).chat.completions.create(
        model="scripted", messages=MESSAGES, stream=True
    )
    next(iter(stream))
    stream.close()
    assert endpoint.closed_early.wait(1)
    row = settled(scripted, before)
    assert row[0] == "cancelled" and row[3] == "counted" and row[2]


def test_leaving_before_the_answer_begins_stops_it_too(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "silent"
    endpoint.closed_early.clear()
    endpoint.generating.clear()
    before = len(accounts(scripted))
    body = b'{"model": "scripted", "messages": [], "stream": true}'
    with socket.create_connection(("127.0.0.1", scripted.port)) as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"authorization: Bearer " + scripted.key.encode() + b"\r\n"
            b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        assert endpoint.generating.wait(5)
    assert endpoint.closed_early.wait(1)
    assert settled(scripted, before)[0] == "cancelled"


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [("silent", "timed_out", 504), ("garbage", "failed", 503), ("error", "failed", 500)],
)
def test_an_endpoint_that_fails_before_its_answer(
    scripted: support.Running,
    endpoint: support.ScriptedEndpoint,
    script: str,
    outcome: str,
    status: int,
) -> None:
    endpoint.script = script
    before = len(accounts(scripted))
    with pytest.raises(openai.InternalServerError) as caught:
        _ask(scripted)
    assert caught.value.status_code == status
    assert settled(scripted, before)[0] == outcome


@pytest.mark.parametrize("script", ["cut", "malformed"])
def test_an_endpoint_that_fails_in_its_answer_ends_it_with_an_error(
    scripted: support.Running, endpoint: support.ScriptedEndpoint, script: str
) -> None:
    endpoint.script = script
    before = len(accounts(scripted))
    with pytest.raises(openai.APIError) as caught:
        _ask(scripted)
    assert "cut" in str(caught.value)
    assert settled(scripted, before)[0] == "failed"


def test_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    running = support.start(
        ["serve", "--no-worker"],
        tmp_path,
        CHAPPE_MODELS=f"gone=http://127.0.0.1:{support.free_port()}/v1",
    )
    running.wait_line("^ready ")
    running.key = support.chappe("key", "create", data_dir=tmp_path).stdout.strip()
    with pytest.raises(openai.InternalServerError) as caught:
        client(running).chat.completions.create(model="gone", messages=MESSAGES)  # type: ignore[arg-type]
    assert caught.value.status_code == 503
    assert running.stop() == 0


def test_kill_9_in_the_middle_of_an_answer(
    tmp_path: Path, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.script = "slow"
    models = f"scripted={endpoint.url}"
    running = support.start(["serve", "--no-worker"], tmp_path, CHAPPE_MODELS=models)
    running.wait_line("^ready ")
    running.key = support.chappe("key", "create", data_dir=tmp_path).stdout.strip()
    stream = client(running).chat.completions.create(
        model="scripted", messages=MESSAGES, stream=True
    )
    next(iter(stream))
    running.stop(signal.SIGKILL)

    again = support.start(["serve", "--no-worker"], tmp_path, CHAPPE_MODELS=models)
    again.wait_line("^ready ")
    rows = accounts(again)
    assert [row[0] for row in rows] == ["interrupted"]
    endpoint.script = ["Bonjour."]
    again.key = running.key
    client(again).chat.completions.create(model="scripted", messages=MESSAGES)  # type: ignore[arg-type]
    settled(again, 1)
    assert [row[0] for row in accounts(again)] == ["interrupted", "completed"]
    with psycopg.connect(database_of(again)) as connection:
        assert connection.execute("select count(*) from gateway_replica").fetchone() == (1,)
    assert again.stop() == 0
