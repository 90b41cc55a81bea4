"""The child's side of :mod:`chappe.gateway.engines.child`."""

import json
import os
import signal
import sys
import threading


def follow_parent() -> None:
    """End this process when the parent closes our standard input, that is, when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def announce(address: str) -> None:
    """Tell the parent where we listen."""
    print(json.dumps({"address": address}), flush=True)
