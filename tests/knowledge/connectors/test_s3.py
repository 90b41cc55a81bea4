import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from chappe.core.errors import ChappeError
from chappe.knowledge.connectors.addresses import Reach
from chappe.knowledge.connectors.base import Bounds
from chappe.knowledge.connectors.s3 import S3Connector
from knowledge.connectors.listing import listed
from knowledge.connectors.serving import s3

BUCKET = "documents"
KEYS = {"access_key_id": "AKIATEST", "secret_access_key": "secret-of-the-test"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as address:
        for bucket in (BUCKET, "vide"):
            request = urllib.request.Request(f"{address}/{bucket}", method="PUT")
            urllib.request.urlopen(request, timeout=10).close()
        store = S3Store(BUCKET, endpoint=address, region="us-east-1",
                        client_options={"allow_http": True}, **KEYS)  # fmt: skip
        for key, text in {
            "notes/a.txt": "un",
            "notes/2026/é t é.txt": "deux",
            "notes/folder/": "",
            "autre/b.txt": "trois",
        }.items():
            obstore.put(store, key, text.encode())
        yield address


def connector(endpoint: str, bucket: str = BUCKET, prefix: str = "", **changes: int) -> S3Connector:
    return S3Connector(
        bucket,
        reach=Reach(["127.0.0.0/8"]),
        bounds=Bounds(**changes),
        prefix=prefix,
        endpoint=endpoint,
        **KEYS,
    )


async def test_objects_under_a_prefix(endpoint: str, tmp_path: Path) -> None:
    reader = connector(endpoint, prefix="/notes/")
    found = await listed(reader, tmp_path)
    assert reader.complete
    assert sorted(found) == ["2026/é t é.txt", "a.txt"]
    assert (await reader.fetch(found["2026/é t é.txt"], tmp_path)).read_text() == "deux"
    assert sorted(await listed(connector(endpoint), tmp_path)) == [
        "autre/b.txt", "notes/2026/é t é.txt", "notes/a.txt",
    ]  # fmt: skip


async def test_the_tag_follows_the_content(endpoint: str, tmp_path: Path) -> None:
    store = S3Store(BUCKET, endpoint=endpoint, region="us-east-1",
                    client_options={"allow_http": True}, **KEYS)  # fmt: skip
    await obstore.put_async(store, "tag/a.txt", b"one")
    reader = connector(endpoint, prefix="tag")
    before = (await listed(reader, tmp_path))["a.txt"].tag
    await obstore.put_async(store, "tag/a.txt", b"two")
    assert (await listed(reader, tmp_path))["a.txt"].tag != before


async def test_bounds(endpoint: str, tmp_path: Path) -> None:
    few = connector(endpoint, items=1)
    assert len(await listed(few, tmp_path)) == 1
    assert not few.complete
    small = connector(endpoint, prefix="autre", file_bytes=3)
    found = await listed(small, tmp_path)
    with pytest.raises(ChappeError) as refused:
        await small.fetch(found["b.txt"], tmp_path)
    assert refused.value.code == "source_too_large"
    assert os.listdir(tmp_path) == []


async def test_a_bucket_that_is_not_there_is_no_empty_bucket(endpoint: str, tmp_path: Path) -> None:
    assert await listed(connector(endpoint, "vide"), tmp_path) == {}
    reader = connector(endpoint, "nulle-part")
    with pytest.raises(ChappeError) as refused:
        await listed(reader, tmp_path)
    assert refused.value.code == "source_missing"
    assert not reader.complete


async def test_addresses_of_the_network_are_closed_unless_opened(tmp_path: Path) -> None:
    reader = S3Connector(BUCKET, reach=Reach(), bounds=Bounds(), endpoint="http://127.0.0.1:9")
    with pytest.raises(ChappeError) as refused:
        await listed(reader, tmp_path)
    assert refused.value.code == "source_address"
