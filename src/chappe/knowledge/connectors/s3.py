"""A bucket of an S3-compatible store.

Read with our own client: the store's address is somebody's choice, and neither a redirection nor
a name that leads elsewhere the second time may take a request to what only the server reaches.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import unquote_plus

from chappe.core.invalid import wrong
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds, Found, Known, too_large, unreachable
from chappe.knowledge.connectors.client import Answer, Client, refused
from chappe.knowledge.connectors.signing import escaped, query_of, signed_headers
from chappe.knowledge.sources.tree import Element, TreeError, parse_xml

_MOST_LISTING_BYTES = 20_000_000


class S3Connector:
    """The objects of a bucket under a prefix.

    Args:
        endpoint: address of the store; None for Amazon's own of `region`.
        access_key_id, secret_access_key: both or none; without them requests aren't signed.
    """

    def __init__(
        self,
        bucket: str,
        *,
        reach: Reach,
        bounds: Bounds,
        prefix: str = "",
        endpoint: str | None = None,
        region: str = "us-east-1",
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> None:
        self._bounds = bounds
        prefix = prefix.strip("/")
        self._prefix = prefix + "/" if prefix else ""
        self._place = f"s3://{bucket}/{prefix}"
        self._address = f"{(endpoint or f'https://s3.{region}.amazonaws.com').rstrip('/')}/{bucket}"
        self._region = region
        self._keys = (access_key_id, secret_access_key)
        self._client = Client(reach, redirections=0)
        self.complete = False

    async def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """List the bucket; raises `source_denied`, `source_missing`, `source_unreachable`."""
        self.complete = False
        count = 0
        asked = {"list-type": "2", "encoding-type": "url"}
        if self._prefix:
            asked["prefix"] = self._prefix
        for _ in range(self._bounds.items):
            page = await self._page(asked)
            encoded = page.text("EncodingType") == "url"
            for entry in page.all("Contents"):
                found = self._found(entry, encoded)
                if found is None:
                    continue
                count += 1
                if count > self._bounds.items:
                    return
                yield found
            if page.text("IsTruncated") != "true":
                self.complete = True
                return
            asked["continuation-token"] = page.text("NextContinuationToken")

    async def _page(self, asked: Mapping[str, str]) -> Element:
        address = f"{self._address}?{query_of(asked)}"
        answer = await self._get(address, most=_MOST_LISTING_BYTES)
        if answer.status != 200:
            raise refused(answer, self._place)
        try:
            root = parse_xml(answer.body)
        except TreeError as error:
            raise unreachable(self._place, wrong("broken_answer", message=error)) from None
        if root.name != "ListBucketResult":
            raise unreachable(self._place, wrong("broken_answer", message=root.name[:50]))
        return root

    def _found(self, entry: Element, encoded: bool) -> Found | None:
        """An object of a listing; None for what stands for a folder."""
        key, size, modified = (entry.text(name) for name in ("Key", "Size", "LastModified"))
        key = unquote_plus(key) if encoded else key
        if not key.startswith(self._prefix):
            return None  # a place that wasn't asked for
        try:
            length, date = int(size), dt.datetime.fromisoformat(modified).date()
        except ValueError as error:
            raise unreachable(self._place, wrong("broken_answer", message=error)) from None
        if key.endswith("/") or not length:
            return None
        relative = key[len(self._prefix) :]
        return Found(
            external_id=relative,
            name=relative.rpartition("/")[2],
            tag=entry.text("ETag") or f"{size}-{modified}",
            size=length,
            date=date,
            state={"key": key},
        )

    async def fetch(self, item: Found, folder: Path) -> Path:
        """Copy an object; raises as :meth:`items`, and `source_too_large`."""
        if item.size is not None and item.size > self._bounds.file_bytes:
            raise too_large(item.external_id, self._bounds.file_bytes)
        address = f"{self._address}/{escaped(item.state['key'])}"
        answer = await self._get(address, most=self._bounds.file_bytes, folder=folder)
        if answer.file is None:
            raise refused(answer, item.external_id)
        return answer.file

    async def _get(self, address: str, *, most: int, folder: Path | None = None) -> Answer:
        access_key_id, secret = self._keys
        headers = {}
        if access_key_id and secret:
            headers = signed_headers(
                address,
                region=self._region,
                access_key_id=access_key_id,
                secret_access_key=secret,
                now=dt.datetime.now(dt.UTC),
            )
        return await self._client.request("GET", address, headers=headers, most=most, folder=folder)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()
