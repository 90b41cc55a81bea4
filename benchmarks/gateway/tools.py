"""The mock upstream and the load, compiled from C, and the core that each part runs on."""

import atexit
import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

_NICENESS = -10
_GROUP = Path("/proc/self/autogroup")
HERE = Path(__file__).parent
GATEWAY_CORE = 0
# With one core only, all share it: figures per processor-second still hold, latencies don't.
LOAD_CORE = min(1, (os.cpu_count() or 1) - 1)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_core(core: int, command: list[str]) -> list[str]:
    """A command line that runs `command` on one core, in the same process."""
    return ["taskset", "-c", str(core), *command]


def prefer() -> None:
    """As root, put this process, and those that it will start, before the machine's others.

    Where Linux groups processes by session, niceness counts inside a group only, and the group has
    its own, which is put back at the end.
    """
    with contextlib.suppress(PermissionError, FileNotFoundError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        before = _GROUP.read_text().rpartition(" ")[2]
        _GROUP.write_text(str(_NICENESS))
        atexit.register(_GROUP.write_text, before)


class Tools:
    """The compiled tools, and one mock upstream that runs until `stop`.

    Raises:
        SystemExit: there is no C compiler, or no `taskset`.
    """

    def __init__(self, folder: Path) -> None:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
        if compiler is None or shutil.which("taskset") is None:
            raise SystemExit("bench-gateway needs a C compiler and taskset (util-linux)")
        for name in ("mock_upstream", "load"):
            subprocess.run(
                [compiler, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True
            )
        self._load = str(folder / "load")
        self.port = free_port()
        self.upstream = subprocess.Popen(
            on_core(LOAD_CORE, [str(folder / "mock_upstream"), str(self.port)]),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.upstream.stdout is not None
        if self.upstream.stdout.readline() != "ready\n":
            raise SystemExit("the mock upstream doesn't start")

    def load(self, port: int, key: str, **options: float) -> dict[str, Any]:
        """Run the load tool to its end and give what it printed (see `load.c`)."""
        command = [self._load, "--port", str(port), "--key", key]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(on_core(LOAD_CORE, command), stdout=subprocess.PIPE, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def upstream_stats(self) -> dict[str, int]:
        """What the upstream has done until now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=5) as answer:
            stats: dict[str, int] = json.load(answer)
        return stats

    def stop(self) -> None:
        """End the upstream."""
        self.upstream.terminate()
        self.upstream.wait()
