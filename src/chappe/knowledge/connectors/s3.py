"""A bucket of an S3-compatible store."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from chappe.core.errors import ChappeError
from chappe.core.invalid import wrong
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import (
    Bounds,
    Found,
    Known,
    bounded,
    save,
    too_large,
    unreachable,
)

if TYPE_CHECKING:
    from obstore import GetResult


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
        self._reach = reach
        self._bounds = bounds
        self._prefix = prefix.strip("/")
        self._endpoint = endpoint
        self._place = f"s3://{bucket}/{self._prefix}"
        self.complete = False
        signed = (
            {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
            if access_key_id and secret_access_key
            else {"skip_signature": True}
        )
        self._store = S3Store(
            bucket,
            endpoint=endpoint or f"https://s3.{region}.amazonaws.com",
            region=region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "timeout": timedelta(minutes=10),
                "connect_timeout": timedelta(seconds=15),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
            **signed,
        )

    async def items(self, known: Mapping[str, Known], folder: Path) -> AsyncIterator[Found]:
        """List the bucket; raises `source_denied`, `source_missing`, `source_unreachable`."""
        self.complete = False
        # The store connects by itself: the address is looked at before each listing.
        parts = urlsplit(self._endpoint or "")
        if parts.hostname:
            default = 443 if parts.scheme == "https" else 80
            await self._reach.resolve(parts.hostname, parts.port or default)
        count = 0
        try:
            async for page in obstore.list(self._store, prefix=self._prefix or None):
                for entry in page:
                    key = entry["path"]
                    if key.endswith("/") or not entry["size"]:
                        continue  # what stands for a folder
                    count += 1
                    if count > self._bounds.items:
                        return
                    relative = key[len(self._prefix) :].lstrip("/") if self._prefix else key
                    yield Found(
                        external_id=relative,
                        name=relative.rpartition("/")[2],
                        tag=entry["e_tag"] or f"{entry['size']}-{entry['last_modified']}",
                        size=entry["size"],
                        date=entry["last_modified"].date(),
                        state={"key": key},
                    )
        except BaseError as error:
            raise self._told(error, self._place) from error
        self.complete = True

    async def fetch(self, item: Found, folder: Path) -> Path:
        """Copy an object; raises as :meth:`items`, and `source_too_large`."""
        if item.size is not None and item.size > self._bounds.file_bytes:
            raise too_large(item.external_id, self._bounds.file_bytes)
        try:
            answer = await obstore.get_async(self._store, item.state["key"])
            chunks = bounded(_bytes(answer), item.external_id, self._bounds.file_bytes)
            return await save(chunks, folder)
        except BaseError as error:
            raise self._told(error, item.external_id) from error

    def _told(self, error: Exception, place: str) -> ChappeError:
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return ChappeError("source_denied", 502, place=place)
        # A bucket that isn't there has no error of its own when it is listed.
        if isinstance(error, NotFoundError) or "NoSuchBucket" in str(error):
            return ChappeError("source_missing", 404, place=place)
        # The store's own words hold addresses and the whole request.
        return unreachable(place, wrong("broken_answer", message=type(error).__name__))

    async def close(self) -> None:
        """Its connections end by themselves."""


async def _bytes(answer: "GetResult") -> AsyncIterator[bytes]:
    async for chunk in answer.stream():
        yield bytes(chunk)
