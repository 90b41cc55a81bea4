"""The `chappe` command."""

from chappe.cli.app import main

__all__ = ["main"]
