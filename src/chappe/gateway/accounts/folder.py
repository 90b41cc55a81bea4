"""The folder of a journal: held by one living process, or taken by one other when that is dead."""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

_LOCK = "lock"
SUFFIX = ".segment"


class HeldFolder:
    """A journal's folder that this process holds, until it lets go or ends in whatever way."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def segments(self) -> list[Path]:
        """Its files, oldest first."""
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def let_go(self) -> None:
        """Let another process hold it."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete it, and let go. The lock's file goes last: until then nobody else holds it."""
        for segment in self.segments():
            segment.unlink(missing_ok=True)
        (self.path / _LOCK).unlink()
        # Another may have just come to look: it finds nothing, and removes the folder in its turn.
        with contextlib.suppress(OSError):
            self.path.rmdir()
        self.let_go()


def hold(path: Path) -> HeldFolder | None:
    """Hold a folder that exists; None when a living process holds it, or when it is gone."""
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another may have held and removed it between the two: then this lock is on a dead file.
        if os.fstat(descriptor).st_ino == (path / _LOCK).stat().st_ino:
            return HeldFolder(path, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def create(path: Path) -> HeldFolder:
    """Make a folder and hold it, whatever takers do meanwhile."""
    while True:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (held := hold(path)) is not None:
            return held


def journals(root: Path) -> Iterator[tuple[uuid.UUID, Path]]:
    """The replicas that have a journal on this machine, with their folders."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        try:
            yield uuid.UUID(path.name), path
        except ValueError:
            continue
