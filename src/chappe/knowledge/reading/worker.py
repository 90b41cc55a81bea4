"""The reading process: `python -m chappe.knowledge.reading.worker`.

It stays warm (libraries loaded, no file ever opened) and forks a child for each file, so that
nothing of one file, nor of a crash, is left for the next. One request a line comes on standard
input, one line goes back when the child has ended. It ends when standard input closes, and its
children end with it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Literal, NoReturn

import msgspec

from chappe.knowledge.reading import confinement, formats, job
from chappe.knowledge.reading.limits import Limits

_WATCH_SECONDS = 0.05
_NEARLY_FULL = 0.8


@dataclass(frozen=True, slots=True)
class Request:
    """A job, and the reader modules that are worth having loaded before the child is forked."""

    job: job.Job
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the child ended, after how long, and its highest memory with what it started."""

    end: Literal["answered", "crashed", "time", "memory"]
    seconds: float
    peak_bytes: int


def main() -> None:
    """Serve requests until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = msgspec.json.Decoder(Request)
    while line := _read_line():
        request = requests.decode(line)
        for module in request.modules:
            if module in formats.READERS.values():
                importlib.import_module(formats.PACKAGE + module)
        os.write(1, msgspec.json.encode(_run(request.job)) + b"\n")


def _read_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = os.read(0, 65536)
        if not chunk:
            return b""
        line += chunk
    return bytes(line)


def _run(task: job.Job) -> Outcome:
    """Fork a child for a job and watch it until it ends or must be ended."""
    pages, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(pages)
        _be_child(task, report)
    os.close(report)
    try:
        return _watch(child, pages, task.limits)
    finally:
        os.close(pages)
        # What the child started (OCR) is in its process group and may have survived it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _be_child(task: job.Job, report: int) -> NoReturn:
    """Run the job in a process group of its own; never returns into the parent's code."""
    code = 1
    try:
        confinement.die_with_parent()
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        confinement.confine(task.limits)
        job.run(task, report)
        code = 0
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _watch(child: int, pages: int, limits: Limits) -> Outcome:
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # whichever of the two comes first
    began = last_page = time.monotonic()
    done, peak, reporting = 0, 0, True
    while True:
        sources = [0, pages] if reporting else [0]
        ready, _, _ = select.select(sources, [], [], _WATCH_SECONDS)
        now = time.monotonic()
        if 0 in ready:  # only the end can come while a job runs
            _kill(child)
            sys.exit(0)
        if pages in ready:
            finished = len(os.read(pages, 65536))
            done, last_page = done + finished, now
            reporting = finished > 0
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            peak = max(peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
                return Outcome("answered", now - began, peak)
            # A library that is refused memory ends its process.
            full = peak > _NEARLY_FULL * limits.memory_bytes
            return Outcome("memory" if full else "crashed", now - began, peak)
        memory = confinement.resident_bytes(child)
        peak = max(peak, memory)
        deadline = min(last_page, began + limits.seconds_per_page * done) + limits.seconds
        if memory > limits.memory_bytes or now > deadline:
            _kill(child)
            return Outcome("time" if now > deadline else "memory", now - began, peak)


def _kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
