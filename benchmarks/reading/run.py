"""Compares libraries that read documents, on files made from known French text.

Each candidate gets an environment of its own, made here with pip and thrown away with `--work`
(kept otherwise, so that a second run starts at once). The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import scores  # noqa: E402
import truth  # noqa: E402

CANDIDATES: dict[str, list[str]] = {
    "ours": [],
    "kreuzberg": ["kreuzberg"],
    "kreuzberg-plain": ["kreuzberg"],
    "markitdown": ["markitdown[docx,pptx,xlsx,pdf]"],
    "docling": ["docling", "odfdo"],
    "parts": ["pypdfium2", "python-docx", "odfdo", "openpyxl", "python-pptx"],
}
ADAPTERS = {"ours": "ours.py", "parts": "parts.py"}
SAME_ENVIRONMENT = {"kreuzberg-plain": "kreuzberg"}
WRITING = ["python-docx", "odfdo", "openpyxl", "python-pptx", "reportlab", "pypdfium2", "pillow"]
FORMATS = ("docx", "odt", "pptx", "odp", "xlsx", "ods", "csv", "html", "md", "txt", "epub", "eml",
           "pdf", "columns.pdf", "scan.pdf")  # fmt: skip
TABLES_ONLY = ("xlsx", "ods", "csv")
NO_TABLES = ("txt",)
NUMBER = re.compile(r"^\s*(?:\d+\.)+\s+")
TIMEOUT = 900


def environment(work: Path, name: str, packages: list[str]) -> tuple[Path, float]:
    """The Python of an environment with some packages, and its size in MiB beyond an empty one."""
    folder = work / f"env-{name}"
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        before = _mebibytes(folder)
        quiet = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(quiet, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (folder / "ready").write_text(str(_mebibytes(folder) - before))
    return python, float((folder / "ready").read_text())


def _mebibytes(folder: Path) -> float:
    files = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in files) / 1024**2


def read_all(python: Path, adapter: str, files: list[Path]) -> tuple[list[dict[str, Any]], float]:
    """What an adapter reads of some files, and its peak memory in MiB."""
    command = [str(python), str(HERE / "adapters" / adapter), *map(str, files)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return [{"error": f"more than {TIMEOUT} s"}], 0.0
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    results = [line for line in lines if "path" in line]
    if not results:
        return [{"error": done.stderr.strip().splitlines()[-1:] or "nothing"}], 0.0
    return results, next((line["peak_mib"] for line in lines if "peak_mib" in line), 0.0)


def score(kind: str, result: dict[str, Any], wanted: truth.Truth) -> dict[str, float]:
    """The scores of one file."""
    if "error" in result:
        return {"words": 0.0, "order": 0.0, "cells": 0.0, "headings": 0.0, "hidden": 0.0}
    words = truth.words(result["text"])
    expected = wanted.words()
    if kind in TABLES_ONLY:
        expected = truth.words(" ".join(wanted.cells()))
    cells = [_plain(cell) for table in result["tables"] for row in table for cell in row]
    found = {
        "words": scores.f1(words, expected),
        "order": scores.order(words, expected),
        "hidden": float(any(s in result["text"] for s in (truth.HIDDEN, truth.DELETED))),
    }
    if kind not in NO_TABLES:
        found["cells"] = scores.f1([c for c in cells if c], [_plain(c) for c in wanted.cells()])
    if kind not in (*TABLES_ONLY, *NO_TABLES):
        # A number that the reader sees before a heading isn't part of the text that was written.
        headings = [_plain(NUMBER.sub("", each)) for each in result["headings"]]
        found["headings"] = scores.f1(headings, [_plain(each) for each in wanted.headings()])
    return found


def _plain(text: object) -> str:
    return " ".join(truth.words(str(text or "")))


def measure(work: Path, name: str, kinds: Iterable[str], count: int) -> dict[str, Any]:
    """Every format by one candidate."""
    if name == "ours":
        python, size = Path(sys.executable), 0.0
    else:
        python, size = environment(work, SAME_ENVIRONMENT.get(name, name), CANDIDATES[name])
    table: dict[str, Any] = {"install_mib": round(size)}
    for kind in kinds:
        files = [work / "files" / f"{seed}.{kind}" for seed in range(1, count + 1)]
        results, peak = read_all(python, ADAPTERS.get(name, f"{name.replace('-', '_')}_.py"), files)
        by_path = {result.get("path"): result for result in results}
        each = [
            score(kind, by_path.get(str(path), results[0]), truth.document(seed))
            for seed, path in enumerate(files, 1)
        ]
        row: dict[str, Any] = {
            key: round(fmean(scored[key] for scored in each), 3) for key in each[0]
        }
        errors = sorted({str(r["error"]) for r in results if "error" in r})
        row |= {
            # The first file of a process pays for what is loaded late.
            "cpu_ms": round(
                1000 * median([r.get("seconds", 0.0) for r in results][1:] or [0.0]), 1
            ),
            "peak_mib": round(peak),
            "boxes": all(r.get("boxes", False) for r in results),
        }
        if errors:
            row["error"] = errors[0]
        table[kind] = row
        print(f"{name:12}{kind:14}{json.dumps(row, ensure_ascii=False)}", flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="folder for environments and files, kept")
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES), choices=CANDIDATES)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--count", type=int, default=5, help="documents of each format")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as temporary:
        work: Path = options.work or Path(temporary)
        (work / "files").mkdir(parents=True, exist_ok=True)
        python, _ = environment(work, "writers", WRITING)
        writers = [str(python), str(HERE / "writers.py"), str(work / "files"), str(options.count)]
        subprocess.run(writers, check=True)
        results = {
            name: measure(work, name, options.formats, options.count) for name in options.candidates
        }
    print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
