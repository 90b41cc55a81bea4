"""What every command needs: settings, its language, and errors in one line."""

import asyncio
import locale
import os
import shutil
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
import uvloop

from chappe.core.errors import ChappeError
from chappe.core.i18n import choose_language
from chappe.core.settings import Settings, SettingsError, load_settings
from chappe.core.telemetry import configure_logging

Result = TypeVar("Result")

# PostgreSQL writes its log in files of 16 MiB.
_LEAST_FREE_BYTES = 20_000_000


def language() -> str:
    """The language of the terminal: French unless the locale says English."""
    name = next((os.environ[v] for v in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(v)), "")
    if not name:
        name = locale.getlocale()[0] or ""
    return choose_language("en" if name.lower().startswith("en") else "fr")


def _disk_is_full() -> bool:
    folder = load_settings().data_dir
    return folder.exists() and shutil.disk_usage(folder).free < _LEAST_FREE_BYTES


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what an operator can mend into one line on standard error and exit code 1."""
    try:
        yield
    except SettingsError as error:
        line = str(error)
    except ChappeError as error:
        # A database that can't write its log ends: the disk is then what must be told.
        if error.code in ("database_unreachable", "database_start") and _disk_is_full():
            error = ChappeError("disk_full", 503, folder=load_settings().data_dir)
        line = f"{error.title(language())}. {error.detail(language())}"
    except OSError as error:
        if error.errno != 28:  # ENOSPC
            raise
        full = ChappeError("disk_full", 503, folder=error.filename or "")
        line = f"{full.title(language())}. {full.detail(language())}"
    else:
        return
    typer.echo(f"chappe: {line}", err=True)
    sys.exit(1)


def settings_for(quiet: bool = False, **overrides: Any) -> Settings:
    """Settings, with logs set up; `quiet` keeps warnings only."""
    settings = load_settings(**overrides)
    configure_logging("warning" if quiet else settings.log_level, settings.log_format)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)
