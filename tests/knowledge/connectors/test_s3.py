import datetime as dt
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
from chappe.knowledge.connectors.signing import query_of, signed_headers
from knowledge.connectors.listing import listed
from knowledge.connectors.serving import Reply, s3, site

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


async def test_no_redirection_is_followed(tmp_path: Path) -> None:
    # A store that somebody chose must not send the server to what only the server reaches.
    listing = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.txt</Key>"
        b"<LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>6</Size></Contents>"
        b"</ListBucketResult>"
    )
    with site() as inside, site() as store:
        inside.pages["/secret"] = Reply(b"secret")
        store.pages["/documents?encoding-type=url&list-type=2"] = Reply(listing)
        elsewhere = {"location": f"{inside.url}/secret"}
        store.pages["/documents/a.txt"] = Reply(status=302, headers=elsewhere)
        reader = connector(store.url)
        found = await listed(reader, tmp_path)
        with pytest.raises(ChappeError) as refused:
            await reader.fetch(found["a.txt"], tmp_path)
        assert refused.value.code == "source_unreachable"
        assert inside.requests == []


def test_a_signature_is_that_of_the_specification() -> None:
    # The example « GET Bucket (List Objects) » of Amazon's specification.
    headers = signed_headers(
        f"https://examplebucket.s3.amazonaws.com/?{query_of({'prefix': 'J', 'max-keys': '2'})}",
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        now=dt.datetime(2013, 5, 24, tzinfo=dt.UTC),
    )
    assert headers["authorization"].endswith(
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )
