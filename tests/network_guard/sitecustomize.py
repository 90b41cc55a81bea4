"""Loaded by every Python process of a watched installation: notes each connection it opens."""

import os
import sys

_file = os.environ.get("NETWORK_GUARD_FILE")


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = repr(arguments[1])
    elif event == "socket.getaddrinfo":
        address = f"lookup {arguments[0]!r}"
    else:
        return
    # os.open: the hook must not depend on anything that may itself be traced.
    descriptor = os.open(str(_file), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{address}\n".encode())
    os.close(descriptor)


if _file:
    sys.addaudithook(_note)
