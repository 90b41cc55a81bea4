"""Files that keys upload, and that batches write: a row each, the bytes in the blob store.

A row is there before its bytes: what a process that died had begun to write is found and removed.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError

LIFETIME_SECONDS = 30 * 86_400
LEAST_LIFETIME_SECONDS = 3600
_NAME = re.compile(r"file-[0-9a-f]{32}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_COLUMNS = "id, filename, purpose, bytes, blob, created_at, expires_at"
_ALIVE = "ready and (expires_at is null or expires_at > now())"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are there."""

    id: str
    filename: str
    purpose: str
    bytes: int
    blob: str
    created_at: datetime
    expires_at: datetime | None

    def view(self) -> dict[str, Any]:
        """The file in OpenAI's form."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": timestamp(self.created_at),
            "expires_at": timestamp(self.expires_at),
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, slots=True)
class Begun:
    """A file whose bytes are on their way to `blob`."""

    id: str
    blob: str


async def begin(connection: Connection, organisation_id: uuid.UUID, key_id: uuid.UUID) -> Begun:
    """Announce a file; then write its bytes, then :func:`complete` it."""
    name = f"file-{uuid.uuid4().hex}"
    begun = Begun(name, f"files/{organisation_id}/{name}")
    await connection.execute(
        "insert into stored_file (id, organisation_id, key_id, blob) values (%s, %s, %s, %s)",
        (begun.id, organisation_id, key_id, begun.blob),
    )
    return begun


async def complete(
    connection: Connection,
    begun: Begun,
    *,
    filename: str,
    purpose: str,
    size: int,
    seconds: int = LIFETIME_SECONDS,
) -> StoredFile:
    """The bytes are all there.

    Args:
        size: in bytes.
        seconds: how long the file is kept.
    """
    cursor = connection.cursor(row_factory=class_row(StoredFile))
    await cursor.execute(
        "update stored_file set filename = %s, purpose = %s, bytes = %s, ready = true,"  # noqa: S608
        f" expires_at = created_at + make_interval(secs => %s) where id = %s returning {_COLUMNS}",
        (_UNPRINTABLE.sub("", filename)[:255] or "file", purpose, size, seconds, begun.id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise ChappeError("unknown_file", 404, name=begun.id)
    return row


async def check_room(connection: Connection, organisation_id: uuid.UUID, most: int) -> None:
    """Check that an organisation's files are within its room, for one more.

    Raises:
        ChappeError: `files_full` (413).
    """
    # One at a time for an organisation, so that two don't both get the last room.
    await connection.execute(
        "select 1 from organisation where id = %s for no key update", (organisation_id,)
    )
    cursor = await connection.execute(
        "select coalesce(sum(bytes), 0) from stored_file where organisation_id = %s",
        (organisation_id,),
    )
    row = await cursor.fetchone()
    if row is None or row[0] > most:
        raise ChappeError("files_full", 413, limit=most)


async def find(connection: Connection, organisation_id: uuid.UUID, name: str) -> StoredFile:
    """A file of the organisation.

    Raises:
        ChappeError: `unknown_file` (404), also for another organisation's.
    """
    if _NAME.fullmatch(name):
        cursor = connection.cursor(row_factory=class_row(StoredFile))
        await cursor.execute(
            f"select {_COLUMNS} from stored_file where id = %s and organisation_id = %s"  # noqa: S608
            f" and {_ALIVE}",
            (name, organisation_id),
        )
        if (row := await cursor.fetchone()) is not None:
            return row
    raise ChappeError("unknown_file", 404, name=name[:80])


async def page(
    connection: Connection,
    organisation_id: uuid.UUID,
    *,
    purpose: str | None,
    after: str | None,
    limit: int,
    order: Literal["asc", "desc"],
) -> list[StoredFile]:
    """Files of the organisation, by age; one more than `limit` when there are more.

    Raises:
        ChappeError: `unknown_file`, of `after`.
    """
    place = await find(connection, organisation_id, after) if after is not None else None
    sign = "<" if order == "desc" else ">"
    cursor = connection.cursor(row_factory=class_row(StoredFile))
    await cursor.execute(
        f"select {_COLUMNS} from stored_file where organisation_id = %(own)s and {_ALIVE}"  # noqa: S608
        " and (%(purpose)s::text is null or purpose = %(purpose)s) and (%(after)s::text is null"
        f" or (created_at, id) {sign} (%(at)s::timestamptz, %(after)s))"
        f" order by created_at {order}, id {order} limit %(limit)s",
        {
            "own": organisation_id,
            "purpose": purpose,
            "after": place.id if place else None,
            "at": place.created_at if place else None,
            "limit": limit + 1,
        },
    )
    return await cursor.fetchall()


async def hide(connection: Connection, organisation_id: uuid.UUID, name: str) -> Begun:
    """A file is there no more; then delete its blob, then :func:`forget` it.

    Raises:
        ChappeError: `unknown_file` (404).
    """
    file = await find(connection, organisation_id, name)
    await connection.execute("update stored_file set expires_at = now() where id = %s", (file.id,))
    return Begun(file.id, file.blob)


async def forget(connection: Connection, name: str) -> None:
    """Delete the row of a file whose blob is gone."""
    await connection.execute("delete from stored_file where id = %s", (name,))


async def past(connection: Connection, most: int = 100) -> list[Begun]:
    """Files past their time, deleted or not, and uploads that were never finished."""
    cursor = connection.cursor(row_factory=class_row(Begun))
    await cursor.execute(
        "select id, blob from stored_file where expires_at <= now()"
        " or (not ready and created_at < now() - interval '1 day') limit %s",
        (most,),
    )
    return await cursor.fetchall()


def timestamp(moment: datetime | None) -> int | None:
    """Seconds since 1970."""
    return None if moment is None else int(moment.timestamp())
