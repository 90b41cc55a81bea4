"""Reads the events of /api/ask."""

import json
import urllib.request
from typing import Any

import support


def ask(running: support.Running, question: str, **body: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events of an answer, in order."""
    request = urllib.request.Request(
        f"{running.url}/api/ask",
        data=json.dumps({"question": question, **body}).encode(),
        headers={"authorization": f"Bearer {running.key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return read_events(answer.read().decode())


def read_events(stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Events of a whole stream."""
    events = []
    for block in stream.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            events.append((lines["event"], json.loads(lines["data"])))
    return events


def of(events: list[tuple[str, dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    """The data of the events of one name."""
    return [data for event, data in events if event == name]
