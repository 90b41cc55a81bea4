"""`chappe ingest`: kills and interruptions in the middle, and collections by command."""

import json
import signal
from pathlib import Path

import pytest

import support

QUIET = {"CHAPPE_EMBEDDED_CHAT": "false", "CHAPPE_EMBEDDED_ENCODER": "false"}
# More than are read between two lines of the progress, so that the kill comes in the middle.
FILES = 150


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files in folders, a hidden one, and one that can't be read as what it says."""
    root = tmp_path / "dossier"
    for number in range(FILES):
        path = root / f"d{number % 3}" / f"note {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"La note numéro {number} parle du badge {number}.\n" * 20)
    (root / ".caché.txt").write_text("rien")
    (root / "abîmé.pdf").write_bytes(b"%PDF-1.7 broken")
    return root


def _report(tmp_path: Path, folder: Path) -> tuple[int, dict[str, object], str]:
    done = support.chappe(
        "ingest", str(folder), "--collection", "notes", "--json", data_dir=tmp_path, **QUIET
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        # Half a minute of starting and stopping; what differs from a kill is the message.
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_an_ingest_that_is_cut_goes_on(tmp_path: Path, folder: Path, number: int) -> None:
    running = support.start(
        ["ingest", str(folder), "--collection", "notes", "--create", "--public"], tmp_path, **QUIET
    )
    running.wait_line(r"lecture des documents [1-9]")
    running.process.send_signal(number)
    code = running.process.wait(40)
    assert code == (130 if number == signal.SIGINT else -9)

    code, report, told = _report(tmp_path, folder)
    assert report["state"] == "done"
    assert (report["found"], report["settled"], report["failed"]) == (FILES + 1, FILES + 1, 1)
    assert code == 1, "one file could not be read, and the exit code says so"
    assert "abîmé.pdf: Le fichier est abîmé" in told

    code, report, told = _report(tmp_path, folder)
    assert (report["unchanged"], report["settled"], report["failed"]) == (FILES, FILES + 1, 1)
    assert code == 1 and "abîmé.pdf" in told, "it still can't be read"

    found = support.chappe(
        "search", "badge 37", "--collection", "notes", "--json", data_dir=tmp_path, **QUIET
    )
    hits = json.loads(found.stdout)["hits"]
    assert "badge 37" in hits[0]["passage"]["text"]
    # Nothing lost, nothing there twice.
    assert len({hit["passage"]["text"] for hit in hits}) == len(hits)


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, folder: Path) -> None:
    absent = support.chappe(
        "ingest", str(folder), "--collection", "absente", data_dir=tmp_path, **QUIET
    )
    assert absent.returncode == 1 and "absente" in absent.stderr
    subject = support.chappe(
        "collection", "grant", "absente", "somebody", data_dir=tmp_path, **QUIET
    )
    assert subject.returncode == 1 and "person:" in subject.stderr
    assert "Traceback" not in absent.stderr + subject.stderr
