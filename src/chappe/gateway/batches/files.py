"""Files that keys upload, and that batches write: a row each, the bytes in the blob store."""

import secrets
import tempfile
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any

import obstore
from psycopg.rows import dict_row

from chappe.core.blobs import Store
from chappe.core.connections import Connection
from chappe.core.errors import ChappeError

_IN_MEMORY_BYTES = 1_000_000
_COLUMNS = "id, organisation_id, filename, purpose, bytes, blob, created_at, expires_at"


def spool() -> IO[bytes]:
    """Where a file is put together: in memory while it is small, else on the disk."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)


async def store_file(
    connection: Connection,
    store: Store,
    content: IO[bytes],
    *,
    organisation_id: uuid.UUID,
    key_id: uuid.UUID | None,
    filename: str,
    purpose: str,
) -> dict[str, Any]:
    """Keep a file; gives its row."""
    identifier = f"file-{secrets.token_hex(12)}"
    blob = f"files/{organisation_id}/{identifier}"
    size = content.seek(0, 2)
    content.seek(0)
    await obstore.put_async(store, blob, content)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "insert into stored_file (id, organisation_id, key_id, filename, purpose, bytes, blob)"  # noqa: S608
        f" values (%s, %s, %s, %s, %s, %s, %s) returning {_COLUMNS}",
        (identifier, organisation_id, key_id, filename[:255], purpose, size, blob),
    )
    row = await cursor.fetchone()
    assert row is not None
    return row


async def find_file(
    connection: Connection, identifier: str, organisation_id: uuid.UUID
) -> dict[str, Any]:
    """A file of the organisation.

    Raises:
        ChappeError: `unknown_file` (404), also for another organisation's.
    """
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        f"select {_COLUMNS} from stored_file where id = %s and organisation_id = %s",  # noqa: S608
        (identifier, organisation_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise ChappeError("unknown_file", 404, name=identifier[:80])
    return row


async def list_files(
    connection: Connection,
    organisation_id: uuid.UUID,
    *,
    purpose: str | None,
    after: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Files of the organisation, newest first, one more than `limit` if there are more."""
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        f"select {_COLUMNS} from stored_file where organisation_id = %(own)s"  # noqa: S608
        " and (%(purpose)s::text is null or purpose = %(purpose)s)"
        " and (%(after)s::text is null or (created_at, id) <"
        "   (select created_at, id from stored_file where id = %(after)s))"
        " order by created_at desc, id desc limit %(limit)s",
        {"own": organisation_id, "purpose": purpose, "after": after, "limit": limit + 1},
    )
    return await cursor.fetchall()


async def delete_file(
    connection: Connection, store: Store, identifier: str, organisation_id: uuid.UUID
) -> None:
    """Delete a file.

    Raises:
        ChappeError: `unknown_file`; `object_in_use`, a batch that isn't over needs it.
    """
    row = await find_file(connection, identifier, organisation_id)
    cursor = await connection.execute(
        "select id from batch where input_file_id = %s or output_file_id = %s"
        " or error_file_id = %s",
        (identifier, identifier, identifier),
    )
    users = [found[0] for found in await cursor.fetchall()]
    if users:
        raise ChappeError("object_in_use", 409, name=identifier, users=", ".join(users))
    await connection.execute("delete from stored_file where id = %s", (identifier,))
    await obstore.delete_async(store, row["blob"])


async def read_lines(store: Store, blob: str) -> AsyncIterator[bytes]:
    """The lines of a file, without their ends, one at a time."""
    rest = b""
    async for piece in (await obstore.get_async(store, blob)).stream():
        *lines, rest = (rest + bytes(piece)).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest


async def read_pieces(store: Store, blob: str) -> AsyncIterator[bytes]:
    """The bytes of a file."""
    async for piece in (await obstore.get_async(store, blob)).stream():
        yield bytes(piece)


def view(row: dict[str, Any]) -> dict[str, Any]:
    """A file in OpenAI's form."""
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": seconds(row["created_at"]),
        "expires_at": seconds(row["expires_at"]),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
    }


def seconds(moment: datetime | None) -> int | None:
    """Seconds since 1970."""
    return int(moment.timestamp()) if moment is not None else None
