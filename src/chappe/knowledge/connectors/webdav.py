"""A folder of a WebDAV server (RFC 4918): Nextcloud, ownCloud, SharePoint, Apache."""

import base64
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from chappe.core.invalid import wrong
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds, Found, Known, too_large, unreachable
from chappe.knowledge.connectors.client import Client, refused, shown
from chappe.knowledge.sources.tree import Element, TreeError, parse_xml

_PROPERTIES = (
    b'<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:"><d:prop>'
    b"<d:resourcetype/><d:getetag/><d:getcontentlength/><d:getlastmodified/>"
    b"</d:prop></d:propfind>"
)
_MOST_LISTING_BYTES = 50_000_000
_MOST_DEPTH = 50


@dataclass(frozen=True, slots=True)
class _Resource:
    url: str
    path: str
    folder: bool
    etag: str
    size: int | None
    modified: str


class WebDavConnector:
    """The files under an address.

    Folders are listed one after another (`Depth: 1`), since many servers refuse to list a whole
    tree at once.

    Args:
        user: with a password, for Basic; None to send `secret` as a bearer token, if there is one.
    """

    def __init__(
        self,
        url: str,
        *,
        reach: Reach,
        bounds: Bounds,
        user: str | None = None,
        secret: str | None = None,
    ) -> None:
        self._url = url if url.endswith("/") else url + "/"
        self._base = _path(self._url)
        self._bounds = bounds
        self.complete = False
        authorization = None
        if secret is not None:
            pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
            authorization = f"Bearer {secret}" if user is None else f"Basic {pair}"
        self._client = Client(reach, origin=self._url, authorization=authorization)

    async def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """List the tree; raises `source_denied`, `source_missing`, `source_unreachable`."""
        self.complete = False
        waiting, seen, count = [(self._url, 0)], {self._base}, 0
        while waiting:
            url, depth = waiting.pop()
            for resource in await self._list(url):
                if resource.path in seen or not resource.path.startswith(self._base):
                    continue  # the folder itself, or a place that wasn't asked for
                seen.add(resource.path)
                relative = resource.path[len(self._base) :]
                if any(part.startswith(".") for part in relative.split("/")):
                    continue
                if resource.folder:
                    if depth < _MOST_DEPTH:
                        waiting.append((resource.url, depth + 1))
                    continue
                count += 1
                if count > self._bounds.items:
                    return
                yield Found(
                    external_id=relative,
                    name=relative.rpartition("/")[2],
                    tag=resource.etag or f"{resource.size}-{resource.modified}",
                    size=resource.size,
                    url=resource.url,
                    date=_date(resource.modified),
                )
        self.complete = True

    async def _list(self, url: str) -> list[_Resource]:
        answer = await self._client.request(
            "PROPFIND",
            url,
            headers={"depth": "1", "content-type": "application/xml; charset=utf-8"},
            body=_PROPERTIES,
            most=_MOST_LISTING_BYTES,
        )
        if answer.status != 207:
            raise refused(answer, shown(url))
        try:
            root = parse_xml(answer.body, namespaces=True)
        except TreeError as error:
            raise unreachable(shown(url), wrong("broken_answer", message=error)) from None
        return list(_resources(root, answer.url))

    async def fetch(self, item: Found, folder: Path) -> Path:
        """Copy a file; raises as :meth:`items`, and `source_too_large`."""
        if item.size is not None and item.size > self._bounds.file_bytes:
            raise too_large(item.external_id, self._bounds.file_bytes)
        assert item.url is not None
        answer = await self._client.request(
            "GET", item.url, most=self._bounds.file_bytes, folder=folder
        )
        if answer.file is None:
            raise refused(answer, item.external_id)
        return answer.file

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def _resources(root: Element, url: str) -> Iterator[_Resource]:
    here = urlsplit(url)
    for response in root.all("DAV:}response"):
        target = urljoin(url, response.text("DAV:}href").strip())
        if urlsplit(target).netloc != here.netloc:
            continue
        for status in response.all("DAV:}propstat"):
            found = status.first("DAV:}prop")
            if found is None or " 200 " not in f"{status.text('DAV:}status')} ":
                continue
            kind = found.first("DAV:}resourcetype")
            size = found.text("DAV:}getcontentlength").strip()
            yield _Resource(
                url=target,
                path=_path(target),
                folder=kind is not None and kind.first("DAV:}collection") is not None,
                etag=found.text("DAV:}getetag").strip(),
                size=int(size) if size.isdecimal() else None,
                modified=found.text("DAV:}getlastmodified").strip(),
            )


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)


def _date(modified: str) -> dt.date | None:
    try:
        return parsedate_to_datetime(modified).date()
    except (ValueError, TypeError):
        return None
