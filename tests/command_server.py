"""Runs `chappe` commands, each in a process forked from this one, which has the libraries loaded.

Loading them takes most of a short command's time. Reads requests from stdin, a JSON object a line
(`arguments`, `environment`, `folder`, and paths for `stdout` and `stderr`), answers exit codes.
"""

import json
import os
import sys
from typing import Any

import chappe.cli.app  # noqa: F401
from chappe.cli import main


def become(request: dict[str, Any]) -> None:
    """Make this process the one that was asked for."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, opened in (
        (0, os.open(os.devnull, os.O_RDONLY)),
        (1, os.open(request["stdout"], flags)),
        (2, os.open(request["stderr"], flags)),
    ):
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["chappe", *request["arguments"]]


while line := sys.stdin.readline():
    child = os.fork()
    if child == 0:
        become(json.loads(line))
        main()
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
