"""The `chappe` command."""

import sys


def main() -> None:
    """Run the command line; the gateway alone is started without the other commands' libraries."""
    if sys.argv[1:2] == ["gateway"]:
        from chappe.cli.gateway import main as gateway

        gateway(sys.argv[2:])
        return
    from chappe.cli.app import main as application

    application()


__all__ = ["main"]
