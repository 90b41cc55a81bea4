"""A whole installation that is killed in the middle of a source's run."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import support

FILES = 300


def call(running: support.Running, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{running.url}/api/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


@pytest.mark.slow(reason="two starts of an installation, and three hundred documents")
def test_a_killed_run_goes_on_and_nothing_is_there_twice(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    for number in range(FILES):
        (share / f"{number}.txt").write_text(f"Le dossier numéro {number} est clos.")
        os.utime(share / f"{number}.txt", (1_000_000_000, 1_000_000_000))

    def start() -> support.Running:
        running = support.start(
            ["serve"],
            tmp_path,
            CHAPPE_SOURCE_FOLDERS=str(tmp_path),
            CHAPPE_EMBEDDED_CHAT="false",
            CHAPPE_EMBEDDED_ENCODER="false",
        )
        running.wait_line("^ready ")
        return running

    running = start()
    call(running, "POST", "collections", {"title": "Dossiers"})
    spec = {"kind": "folder", "path": str(share)}
    source = call(
        running, "POST", "collections/dossiers/sources", {"spec": spec, "every_seconds": 3600}
    )
    deadline = time.monotonic() + 60
    while True:
        view = call(running, "GET", f"sources/{source['id']}")
        if view["last"] and view["last"]["added"] >= 20:
            break
        assert time.monotonic() < deadline
    first = view["last"]["id"]
    assert view["last"]["state"] == "running", "it was too fast to be cut"
    running.stop(signal.SIGKILL)

    running = start()
    try:
        deadline = time.monotonic() + 120
        while (view := call(running, "GET", f"sources/{source['id']}"))["last"]["state"] != "done":
            assert time.monotonic() < deadline, view
            time.sleep(0.2)
        assert view["last"]["id"] == first
        assert view["items"] == FILES
        found = call(running, "POST", "search", {"query": "dossier numéro 299 clos", "limit": 3})
        assert any("299" in hit["passage"]["text"] for hit in found["hits"])
        counts = call(running, "GET", "collections/dossiers/documents?limit=1")
        total = sum(counts["counts"].values())
        assert total == FILES
    finally:
        running.stop()
