"""Batches: made, listed, cancelled, and the reading of their lines."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.batches.files import find_file, seconds
from chappe.gateway.http.request import OPERATIONS

MOST_LINES = 50_000
WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
URLS = (
    frozenset(("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/rerank"))
    & OPERATIONS.keys()
)


class Line(msgspec.Struct):
    """One line of an input file."""

    custom_id: str
    body: dict[str, Any]
    url: str
    method: str = "POST"


_LINE = msgspec.json.Decoder(Line)


@dataclass(frozen=True, slots=True)
class LineError:
    """What is wrong with a line.

    Attributes:
        line: its number, from 1.
    """

    line: int
    code: str
    message: str


def read_line(number: int, text: bytes, endpoint: str, seen: set[str]) -> Line | LineError:
    """Read and check one line."""
    try:
        line = _LINE.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return LineError(number, "invalid_json_line", str(error))
    if line.url != endpoint or line.method != "POST":
        return LineError(number, "invalid_url", f"POST {endpoint} expected")
    if line.custom_id in seen:
        return LineError(number, "duplicate_custom_id", f"{line.custom_id!r} is there twice")
    if not isinstance(line.body.get("model"), str):
        return LineError(number, "missing_model", "body.model: a string expected")
    if line.body.get("stream"):
        return LineError(number, "invalid_request", "body.stream: batches don't stream")
    seen.add(line.custom_id)
    return line


async def create(
    connection: Connection,
    organisation_id: uuid.UUID,
    key_id: uuid.UUID,
    given: dict[str, Any],
) -> dict[str, Any]:
    """Make a batch; it is validated and run in the background.

    Raises:
        ChappeError: `invalid_request`, `unknown_file`.
    """
    endpoint, window = given.get("endpoint"), given.get("completion_window", "24h")
    if endpoint not in URLS:
        raise ChappeError("invalid_request", 400, reason=f"endpoint: {', '.join(sorted(URLS))}")
    if window not in WINDOWS:
        raise ChappeError("invalid_request", 400, reason=f"completion_window: {', '.join(WINDOWS)}")
    metadata = given.get("metadata")
    if metadata is not None and not (isinstance(metadata, dict) and len(metadata) <= 16):
        raise ChappeError("invalid_request", 400, reason="metadata: an object of at most 16")
    file = await find_file(connection, str(given.get("input_file_id")), organisation_id)
    if file["purpose"] != "batch":
        raise ChappeError("invalid_request", 400, reason="input_file_id: purpose batch expected")
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "insert into batch (id, organisation_id, key_id, endpoint, input_file_id,"
        " completion_window, metadata, status, expires_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, 'validating', now() + %s) returning *",
        (
            f"batch_{secrets.token_hex(12)}", organisation_id, key_id, endpoint, file["id"],
            window, Jsonb(metadata) if metadata is not None else None, WINDOWS[window],
        ),
    )  # fmt: skip
    row = await cursor.fetchone()
    assert row is not None
    await connection.execute("select pg_notify('chappe_batch', '')")
    return row


async def find(
    connection: Connection, identifier: str, organisation_id: uuid.UUID
) -> dict[str, Any]:
    """A batch of the organisation.

    Raises:
        ChappeError: `unknown_batch` (404).
    """
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "select * from batch where id = %s and organisation_id = %s", (identifier, organisation_id)
    )
    row = await cursor.fetchone()
    if row is None:
        raise ChappeError("unknown_batch", 404, name=identifier[:80])
    return row


async def list_batches(
    connection: Connection, organisation_id: uuid.UUID, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Batches of the organisation, newest first, one more than `limit` if there are more."""
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "select * from batch where organisation_id = %(own)s and (%(after)s::text is null"
        " or (created_at, id) < (select created_at, id from batch where id = %(after)s))"
        " order by created_at desc, id desc limit %(limit)s",
        {"own": organisation_id, "after": after, "limit": limit + 1},
    )
    return await cursor.fetchall()


async def cancel(
    connection: Connection, identifier: str, organisation_id: uuid.UUID
) -> dict[str, Any]:
    """Begin nothing more of a batch; what runs ends.

    Raises:
        ChappeError: `unknown_batch`; `batch_over` (409).
    """
    await find(connection, identifier, organisation_id)
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(
        "update batch set status = 'cancelling', cancelling_at = now() where id = %s"
        " and status in ('validating', 'in_progress', 'cancelling') returning *",
        (identifier,),
    )
    row = await cursor.fetchone()
    if row is None:
        raise ChappeError("batch_over", 409, name=identifier)
    await connection.execute("select pg_notify('chappe_batch', '')")
    return row


_MOMENTS = (
    "created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at",
    "expired_at", "cancelling_at", "cancelled_at",
)  # fmt: skip


def view(row: dict[str, Any]) -> dict[str, Any]:
    """A batch in OpenAI's form."""
    return {
        "id": row["id"],
        "object": "batch",
        "endpoint": row["endpoint"],
        "errors": row["errors"],
        "input_file_id": row["input_file_id"],
        "completion_window": row["completion_window"],
        "status": row["status"],
        "output_file_id": row["output_file_id"],
        "error_file_id": row["error_file_id"],
        "request_counts": {
            "total": row["total"], "completed": row["completed"], "failed": row["failed"],
        },
        "metadata": row["metadata"],
    } | {name: seconds(row[name]) for name in _MOMENTS}  # fmt: skip
