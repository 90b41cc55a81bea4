"""`chappe gateway`: the gateway alone, in a process that stays small."""

import subprocess
import sys

import psycopg

from chappe.cli.session import one_line_errors, run, settings_for
from chappe.core.database_server import DatabaseServer
from chappe.core.settings import Settings
from chappe.server.light import serve_light
from chappe.server.listen import bind

HELP = """Usage: chappe gateway

  Serve the OpenAI-compatible door alone: /v1, /healthz, /readyz and /metrics. Start as many as you
  need on one database (CHAPPE_DATABASE_URL); they share limits and see each other's load.
"""


def main(arguments: list[str]) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    if arguments:
        print(HELP, end="")
        sys.exit(0 if arguments == ["--help"] else 2)
    with one_line_errors():
        settings = settings_for()
        listening = bind(settings)
        server = DatabaseServer(settings)
        try:
            _prepare(settings, server)
            run(serve_light(settings, server.url, listening))
        finally:
            listening.close()
            server.stop()


def _prepare(settings: Settings, server: DatabaseServer) -> None:
    """Start the embedded database, and bring the schema up to date if it can be reached.

    A database of the operator's that is away doesn't keep the gateway from starting: it begins with
    the catalogue of last time. Migrations run in a process of their own, whose libraries are gone
    when it ends.
    """
    if server.embedded is not None:
        server.start()
    try:
        with psycopg.connect(server.url, connect_timeout=5):
            pass
    except psycopg.OperationalError:
        return
    subprocess.run([sys.executable, "-m", "chappe", "migrate"], check=True)
