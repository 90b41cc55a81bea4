"""Once its data are there, nothing leaves the machine: neither Python nor native code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import support

# A network of one's own, with loopback alone: whoever tries to leave it is counted by the kernel.
_INSIDE = """
import fcntl, os, socket, struct, sys
with socket.socket() as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # up, running
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

_ASK = """
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/api/ask",
    data=json.dumps({"question": "carte d'identité"}).encode(),
    headers={"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=120).read().decode()[-4000:])
"""

_LEAVE = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass"


def _attempts(pid: int) -> int:
    """Packets and connections that found no way out, in the network of process `pid`."""
    lines = Path(f"/proc/{pid}/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_no_connection_beyond_the_machine(tmp_path: Path) -> None:
    support.place_corpora(tmp_path)
    wrapper = ["unshare", "--net", sys.executable, "-c", _INSIDE]
    running = support.start(["demo"], tmp_path, wrapper=wrapper)
    try:
        running.wait_line("^ready ")
        running.wait_line("corpus loaded")
        pid = running.process.pid
        inside = ["nsenter", "--net", "--target", str(pid), sys.executable, "-c"]
        answer = subprocess.run(
            [*inside, _ASK, running.url], capture_output=True, text=True, check=True
        )
        assert "event: done" in answer.stdout
        assert _attempts(pid) == 0
        subprocess.run([*inside, _LEAVE], check=True)
        assert _attempts(pid) > 0, "the count doesn't see what it should"
    finally:
        running.stop()
