"""Fetching DILA's archives as they are published: only what isn't there already."""

import os
import re
from pathlib import Path
from urllib.parse import urljoin

from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.core.settings import Settings
from chappe.knowledge.connectors import pages
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import unreachable
from chappe.knowledge.connectors.client import Answer, Client, refused, shown

_MOST_ARCHIVE_BYTES = 20 * 1024**3
_MOST_LIST_BYTES = 20_000_000
_LONGEST_SECONDS = 6 * 3600.0
_ARCHIVE = re.compile(r"(?:freemium_)?legi_(global_)?\d{8}-\d{6}\.tar\.gz", re.IGNORECASE)


def is_address(location: str) -> bool:
    """Is it an address, and not a path of this machine."""
    return location.startswith(("http://", "https://"))


async def archive(settings: Settings, location: str, folder: Path) -> Path:
    """One archive: a file of this machine, or what an address gives if it changed since.

    Raises:
        ChappeError: `source_missing`, or as :class:`Client`.
    """
    if not is_address(location):
        return _existing(Path(location), file=True)
    os.makedirs(folder, exist_ok=True)
    kept, tag = folder / "archive", folder / "archive.etag"
    client = Client(Reach(settings.source_networks), longest=_LONGEST_SECONDS)
    try:
        headers = {}
        if kept.is_file() and tag.is_file():
            headers["if-none-match"] = tag.read_text()
        answer = await client.request(
            "GET", location, headers=headers, most=_MOST_ARCHIVE_BYTES, folder=folder
        )
        if answer.status == 304:
            return kept
        _replace(answer, location, kept)
        tag.unlink(missing_ok=True)
        if etag := answer.headers.get("etag"):
            tag.write_text(etag)
    finally:
        await client.close()
    return kept


async def legi_folder(settings: Settings, location: str, folder: Path) -> Path:
    """A folder of LEGI archives: one of this machine, or those that a page lists.

    Of what is listed, the newest whole base and the daily archives after it are fetched, each
    once; older ones are deleted from the folder.

    Raises:
        ChappeError: `source_missing`, or as :class:`Client`.
    """
    if not is_address(location):
        return _existing(Path(location), file=False)
    os.makedirs(folder, exist_ok=True)
    client = Client(Reach(settings.source_networks), longest=_LONGEST_SECONDS)
    try:
        answer = await client.request("GET", location, most=_MOST_LIST_BYTES)
        if answer.status != 200:
            raise refused(answer, shown(location))
        listed = _listed(answer.body.decode("utf-8", "replace"), answer.url)
        if not listed:
            raise unreachable(shown(location), wrong("no_archive"))
        for name, address in listed.items():
            if not (folder / name).is_file():
                got = await client.request("GET", address, most=_MOST_ARCHIVE_BYTES, folder=folder)
                _replace(got, address, folder / name)
    finally:
        await client.close()
    for name in set(os.listdir(folder)) - set(listed):
        os.unlink(folder / name)
    return folder


def _listed(html: str, url: str) -> dict[str, str]:
    """Names and addresses of the archives to have, of those that a page links to."""
    found: dict[str, str] = {}
    for link in pages.read(html, url).links:
        name = link.rpartition("/")[2]
        if _ARCHIVE.fullmatch(name):
            found[name] = urljoin(url, link)
    whole = max((name for name in found if "global" in name.lower()), key=_date, default=None)
    if whole is None:
        return {}
    return {
        name: address
        for name, address in found.items()
        if name == whole or ("global" not in name.lower() and _date(name) > _date(whole))
    }


def _date(name: str) -> str:
    return name.lower().removesuffix(".tar.gz")[-15:]


def _replace(answer: Answer, location: str, target: Path) -> None:
    if answer.file is None:
        raise refused(answer, shown(location))
    answer.file.replace(target)


def _existing(path: Path, *, file: bool) -> Path:
    if not (path.is_file() if file else path.is_dir()):
        raise ChappeError("source_missing", 404, place=path)
    return path
