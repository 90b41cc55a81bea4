"""What an adapter prints: one JSON line a file, then one about the process."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable

Read = Callable[[str], dict[str, object]]
_RULE = re.compile(r"^\|?[\s:|-]+\|?$")


def run(read: Read) -> None:
    """Read the files named as arguments with `read`, which gives text, headings, tables, boxes."""
    for path in sys.argv[1:]:
        started = cpu_seconds()
        try:
            result = read(path)
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"[:300]}
        result |= {"path": path, "seconds": cpu_seconds() - started}
        print(json.dumps(result), flush=True)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"peak_mib": max(own, children) / 1024}))


def cpu_seconds() -> float:
    """Processor time of this process and of those that it started: other work doesn't count."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def from_markdown(text: str) -> dict[str, object]:
    """The parts of a Markdown output: its signs aren't text."""
    headings, tables, lines = [], [], []
    table: list[list[str]] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("|"):
            if not _RULE.match(stripped):
                table.append([cell.strip() for cell in stripped.strip("|").split("|")])
                lines.append(" ".join(table[-1]))
            continue
        if table:
            tables.append(table)
            table = []
        heading = re.match(r"#{1,6}\s+(.*)", stripped)
        if heading:
            headings.append(heading[1].strip("*_ "))
        lines.append(re.sub(r"^(?:#{1,6}|[-*+]|\d+\.)\s+|[*_`]{1,3}", "", stripped))
    if table:
        tables.append(table)
    return {"text": "\n".join(lines), "headings": headings, "tables": tables, "boxes": False}
