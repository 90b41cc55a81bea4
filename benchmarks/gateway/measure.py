"""Processor time and memory of processes, from the system's own accounting."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    name: str
    seconds: float


def _read(pid: int) -> _Process | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = line.partition("(")[2].rpartition(")")
    fields = rest.split()
    # utime, stime, and those of the children that have ended (proc(5), fields 14 to 17).
    ticks = sum(int(value) for value in fields[11:15])
    return _Process(pid, int(fields[1]), name, ticks / _TICKS)


def _tree(root: int) -> list[_Process]:
    """The process and all that descend from it."""
    processes = [
        _read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()
    ]
    children: dict[int, list[_Process]] = {}
    found: list[_Process] = []
    for process in filter(None, processes):
        children.setdefault(process.parent, []).append(process)
        if process.pid == root:
            found.append(process)
    for process in found:
        found.extend(children.get(process.pid, []))
    return found


@dataclass(frozen=True, slots=True)
class Tree:
    """A gateway's processes, with those of its embedded database apart."""

    gateway: tuple[_Process, ...]
    database: tuple[_Process, ...]

    @classmethod
    def of(cls, root: int) -> "Tree":
        """The tree of process `root` now."""
        processes = _tree(root)
        return cls(
            tuple(p for p in processes if p.name != "postgres"),
            tuple(p for p in processes if p.name == "postgres"),
        )

    @property
    def gateway_seconds(self) -> float:
        """Processor time used until now without the database, s."""
        return sum(process.seconds for process in self.gateway)

    @property
    def database_seconds(self) -> float:
        """Processor time used until now by the database, s."""
        return sum(process.seconds for process in self.database)

    @property
    def gateway_kib(self) -> int:
        """Resident memory without the database, KiB."""
        return sum(resident_kib(process.pid) for process in self.gateway)


def resident_kib(pid: int) -> int:
    """Resident memory of one process, KiB; 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def processor_seconds(root: int) -> float:
    """Processor time used until now by a process and all that descend from it, s."""
    return sum(process.seconds for process in _tree(root))


def pin(processes: Iterable[_Process], core: int) -> None:
    """Keep processes, and those that they will start, on one core."""
    for process in processes:
        os.sched_setaffinity(process.pid, {core})


def machine_busy_seconds() -> float:
    """Time for which the machine's processors have worked or were taken from it, s."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _wait, irq, softirq, steal = (int(field) for field in fields)
    return (user + nice + system + irq + softirq + steal) / _TICKS
