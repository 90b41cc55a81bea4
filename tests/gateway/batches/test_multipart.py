"""Forms read in any pieces."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.core.errors import ChappeError
from chappe.gateway.batches.multipart import Field, read_form

TYPE = b'multipart/form-data; boundary="limit"'


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    body = b""
    for name, filename, value in parts:
        more = f'; filename="{filename}"' if filename is not None else ""
        body += f'--limit\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        body += value + b"\r\n"
    return body + b"--limit--\r\n"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int, kind: bytes = TYPE) -> list[tuple[str, str | None, bytes]]:
    found: list[tuple[str, str | None, bytes]] = []
    async for part in read_form(kind, pieces(body, size)):
        if isinstance(part, Field):
            found.append((part.name, None, part.value.encode()))
        else:
            data = b"".join([chunk async for chunk in part.chunks])
            found.append((part.name, part.filename, data))
    return found


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,8}", fullmatch=True),
            st.just("a.jsonl"),
            st.binary(max_size=300).filter(lambda data: b"--limit" not in data),
        ),
        max_size=4,
    ),
    st.integers(1, 50),
)
async def test_a_form_is_the_same_in_any_pieces(
    parts: list[tuple[str, str | None, bytes]], size: int
) -> None:
    parts = [("purpose", None, "batch é".encode()), *parts]
    assert await read(form(*parts), size) == parts


async def test_a_file_that_nobody_reads_is_skipped() -> None:
    body = form(("file", "a", b"x" * 10_000), ("purpose", None, b"batch"))
    names = [part.name async for part in read_form(TYPE, pieces(body, 100))]
    assert names == ["file", "purpose"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (form(("a", None, b"1")), b"application/json", 400),
        (form(("a", None, b"1")), b"multipart/form-data", 400),
        (form(("a", None, b"1")), b"multipart/form-data; boundary=" + b"x" * 1000, 400),
        (b"hello", TYPE, 400),
        (form(("file", "a", b"1" * 100))[:120], TYPE, 400),
        (form(("a", None, b"1" * 70_000)), TYPE, 413),
        (form(*[("a", None, b"1")] * 101), TYPE, 400),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, kind: bytes, status: int) -> None:
    with pytest.raises(ChappeError) as refused:
        await read(body, 1000, kind)
    assert refused.value.status == status
