"""A web site, from a start address or from a sitemap.

Only one host and one part of it is read, as far as its robots.txt allows, one page after another
with a pause between them. What says that it hasn't changed isn't sent again.
"""

import asyncio
import codecs
import datetime as dt
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.knowledge.connectors import pages, robots, sitemap
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds, Found, Known, unreachable
from chappe.knowledge.connectors.client import Answer, Client, refused, shown
from chappe.knowledge.reading.encoding import decode
from chappe.knowledge.reading.model import ReadingError

ROBOT = "chappebot"
_HTML = ("text/html", "application/xhtml+xml")
# Read for their text; pictures, sounds, scripts and styles aren't.
_DOCUMENTS = ("text/", "application/pdf", "application/msword", "application/rtf")
_DOCUMENT_PARTS = ("opendocument", "officedocument", "epub", "ms-excel", "ms-powerpoint")
_NOT_DOCUMENTS = ("text/css", "text/javascript", "text/calendar", "text/vcard", "text/xml")
_MOST_SITEMAPS = 500
_MOST_REFERRED = 5_000


@dataclass(frozen=True, slots=True)
class Extent:
    """How far to go: links from the start, pages in all, bytes in all, seconds between requests."""

    depth: int = 5
    pages: int = 2_000
    total_bytes: int = 5_000_000_000
    delay: float = 0.5


class WebConnector:
    """The pages and documents of a site.

    Args:
        url: where to start; a sitemap when it says that it is one (`.xml`, `.xml.gz`, `.txt`) or
            `is_sitemap` does. What it lists is then read, and no link is followed.
        prefix: what addresses must begin with; None for the start's own folder.
    """

    def __init__(
        self,
        url: str,
        *,
        reach: Reach,
        bounds: Bounds,
        extent: Extent,
        prefix: str | None = None,
        is_sitemap: bool | None = None,
    ) -> None:
        start = pages.normal(url)
        if start is None:
            raise ChappeError("invalid_request", 422, reason=wrong("web_address"))
        self._start = start
        path = urlsplit(start).path
        listed = path.endswith((".xml", ".xml.gz", ".txt"))
        self._is_sitemap = listed if is_sitemap is None else is_sitemap
        root = start[: len(start) - len(path.rpartition("/")[2])] if path != "/" else start
        if self._is_sitemap or urlsplit(start).query:
            root = start[: start.index(urlsplit(start).netloc) + len(urlsplit(start).netloc)] + "/"
        self._prefix = (pages.normal(prefix) if prefix else None) or root
        self._bounds, self._extent = bounds, extent
        self._client = Client(reach, longest=300.0)
        self._robots = robots.EVERYTHING
        self._last = 0.0
        self._bytes = 0
        self._queued: set[str] = set()
        self._originals: set[str] = set()
        self.complete = False

    async def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """Read the site; raises `source_unreachable` or `source_robots` where it can't begin."""
        self.complete = True
        self._bytes = 0
        await self._read_robots()
        waiting: deque[tuple[str, int, str]] = deque()
        if self._is_sitemap:
            for entry in await self._pages_listed():
                waiting.append((entry.url, self._extent.depth, entry.modified))
        else:
            if not self._robots.allows(self._start):
                raise ChappeError("source_robots", 403, place=shown(self._start))
            waiting.append((self._start, 0, ""))
        self._queued = {url for url, _, _ in waiting}
        self._originals = set()
        given: set[str] = set()
        done = 0
        while waiting:
            url, depth, modified = waiting.popleft()
            if not self._robots.allows(url):
                continue
            if done >= self._extent.pages or self._bytes > self._extent.total_bytes:
                self.complete = False
                return
            done += 1
            before = known.get(url)
            if modified and before and before.state.get("listed") == modified:
                # The sitemap says that nothing changed since.
                given.add(url)
                yield Found(url, _name(url, ""), before.tag, url=url, state=before.state)
                continue
            found, links = await self._visit(url, before, folder, modified)
            if url == self._start and not self._is_sitemap:
                # Without its first page nothing is known of a site.
                if found is not None and found.failure is not None:
                    raise found.failure
                if found is None and not links:
                    raise unreachable(shown(url), wrong("no_page"))
            if depth < self._extent.depth and not self._is_sitemap:
                for link in links:
                    if link not in self._queued and self._wanted(link):
                        self._queued.add(link)
                        waiting.append((link, depth + 1, ""))
            if found is not None and found.external_id not in given:
                given.add(found.external_id)
                self._queued.add(found.external_id)
                yield found

    def _wanted(self, url: str) -> bool:
        return url.startswith(self._prefix)

    async def _read_robots(self) -> None:
        parts = urlsplit(self._start)
        url = f"{parts.scheme}://{parts.netloc}/robots.txt"
        answer = await self._get(url, robots.MOST_BYTES * 4)
        # No file: everything is open. A server that fails may have one (RFC 9309, 2.3.1).
        if 200 <= answer.status < 300:
            text = answer.body[: robots.MOST_BYTES].decode("utf-8", "replace")
            self._robots = robots.parse(text, ROBOT)
        elif 400 <= answer.status < 500:
            self._robots = robots.EVERYTHING
        else:
            raise refused(answer, shown(url))

    async def _pages_listed(self) -> list[sitemap.Entry]:
        """The pages of the sitemap and of those that it names, each once, in their order."""
        waiting, seen = deque([self._start]), {self._start}
        found: dict[str, sitemap.Entry] = {}
        while waiting:
            url = waiting.popleft()
            answer = await self._get(url, sitemap.MOST_BYTES)
            if answer.status != 200:
                raise refused(answer, shown(url))
            try:
                read = sitemap.parse(answer.body)
            except sitemap.NotASitemap as error:
                raise unreachable(shown(url), wrong("not_a_sitemap", message=error)) from None
            for entry in read.pages:
                address = pages.normal(entry.url)
                if address is not None and self._wanted(address):
                    found.setdefault(address, sitemap.Entry(address, entry.modified))
            for entry in read.sitemaps:
                address = pages.normal(entry.url)
                if address is None or address in seen or not self._same_host(address):
                    continue
                if len(seen) >= _MOST_SITEMAPS:
                    self.complete = False
                    continue
                seen.add(address)
                waiting.append(address)
        return list(found.values())

    def _same_host(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self._start).netloc

    async def _get(self, url: str, most: int, **options: Any) -> Answer:
        """Ask for an address, after the pause that the site wants."""
        pause = max(self._extent.delay, self._robots.delay) - (time.monotonic() - self._last)
        if pause > 0 and self._last:
            await asyncio.sleep(pause)
        try:
            return await self._client.request("GET", url, most=most, **options)
        finally:
            self._last = time.monotonic()

    async def _visit(
        self, url: str, before: Known | None, folder: Path, modified: str
    ) -> tuple[Found | None, Iterable[str]]:
        """What is at an address (None: nothing to keep), and its links."""
        headers = _conditions(before)
        try:
            answer = await self._get(url, self._bounds.file_bytes, headers=headers, folder=folder)
        except ChappeError as error:
            # What it links to isn't known now: whatever isn't seen may still be there.
            self.complete = self.complete and error.code == "source_too_large"
            return Found(url, _name(url, ""), "", url=url, failure=error), ()
        if answer.status == 304 and before is not None:
            state = dict(before.state) | {"listed": modified}
            found = Found(url, _name(url, ""), before.tag, url=url, state=state)
            return found, list(before.state.get("links", ()))
        if answer.file is None:
            if answer.status in (404, 410):
                return None, ()
            self.complete = False
            return Found(url, _name(url, ""), "", url=url, failure=refused(answer, shown(url))), ()
        self._bytes += answer.file.stat().st_size
        final = pages.normal(answer.url) or url
        if not self._wanted(final) or not self._robots.allows(final):
            answer.file.unlink()
            return None, ()
        return await asyncio.to_thread(self._kept, answer, final, answer.file, modified)

    def _kept(
        self, answer: Answer, url: str, file: Path, modified: str
    ) -> tuple[Found | None, Iterable[str]]:
        media = answer.media_type
        page = pages.Page()
        if media in _HTML or not media:
            data = file.read_bytes()
            if (text := _text(data, answer.charset)) is not None:
                page = pages.read(text, url)
                if answer.charset is not None:
                    # What the server says of the encoding goes before what the page says.
                    file.write_bytes(codecs.BOM_UTF8 + text.encode("utf-8", "replace"))
        indexed = page.index and "noindex" not in answer.headers.get("x-robots-tag", "").lower()
        links = page.links if page.follow else []
        if not indexed or not _is_document(media):
            file.unlink()
            return None, links
        if (original := self._original(page, url)) is not None:
            # It says that it is a copy: the other one is read, as a link, in its place.
            file.unlink()
            self._originals.add(original)
            return None, [original, *links]
        state = {
            "etag": answer.headers.get("etag", ""),
            "last_modified": answer.headers.get("last-modified", ""),
            "links": [link for link in links if self._wanted(link)][:_MOST_REFERRED],
            "listed": modified,
        }
        found = Found(
            external_id=url,
            name=_name(url, media),
            tag=hashlib.sha256(file.read_bytes()).hexdigest(),
            size=file.stat().st_size,
            url=url,
            date=_date(answer.headers.get("last-modified", "")),
            state=state,
            content=file,
        )
        return found, links

    def _original(self, page: pages.Page, url: str) -> str | None:
        """The page that this one says to be a copy of, if that one is going to be read."""
        target = page.canonical
        if target is None or target == url or url in self._originals or not self._wanted(target):
            return None
        listed = target in self._queued if self._is_sitemap else self._robots.allows(target)
        return target if listed else None

    async def fetch(self, item: Found, folder: Path) -> Path:
        """A page was fetched while it was listed."""
        assert item.content is not None
        return item.content

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def _conditions(before: Known | None) -> dict[str, str]:
    if before is None:
        return {}
    headers = {}
    if etag := before.state.get("etag"):
        headers["if-none-match"] = str(etag)
    if changed := before.state.get("last_modified"):
        headers["if-modified-since"] = str(changed)
    return headers


def _is_document(media: str) -> bool:
    if not media or media in _HTML:
        return True
    if media in _NOT_DOCUMENTS:
        return False
    return media.startswith(_DOCUMENTS) or any(part in media for part in _DOCUMENT_PARTS)


def _text(data: bytes, declared: str | None) -> str | None:
    try:
        return decode(data, declared)
    except ReadingError:
        return None


def _name(url: str, media: str) -> str:
    """A file name for what is at an address: its last part, with an ending that says its kind."""
    parts = urlsplit(url)
    name = unquote(PurePosixPath(parts.path).name, errors="replace") or parts.netloc
    if media in _HTML and not name.lower().endswith((".html", ".htm", ".xhtml")):
        name += ".html"
    return name


def _date(modified: str) -> dt.date | None:
    try:
        return parsedate_to_datetime(modified).date()
    except (ValueError, TypeError):
        return None
