"""How a reader says that it is getting on: what counts as stuck depends on it."""

from __future__ import annotations

import os

_descriptor: int | None = None


def report_to(descriptor: int) -> None:
    """Where finished pages are reported; without it they go nowhere."""
    global _descriptor
    _descriptor = descriptor


def page_done() -> None:
    """A page, slide or sheet is finished."""
    if _descriptor is not None:
        os.write(_descriptor, b".")
