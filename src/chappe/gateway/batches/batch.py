"""Batches as their owners see them: made, listed, cancelled."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.i18n import Sentence, sentence, translate
from chappe.core.invalid import wrong
from chappe.gateway.batches import files
from chappe.gateway.http.request import OPERATIONS

CHANNEL = "chappe_batch"
"""Notified when there is something to do."""
ENDPOINTS = frozenset(OPERATIONS) - {"/v1/audio/transcriptions"}
_LONGEST_HOURS = 14 * 24
_NAME = re.compile(r"batch_[0-9a-f]{32}")
_WINDOW = re.compile(r"([1-9][0-9]{0,2})([hd])")
_COLUMNS = (
    "id, organisation_id, key_id, endpoint, model, level, input_file_id, output_file_id,"
    " error_file_id, completion_window, output_seconds, metadata, status, errors, usage,"
    " created_at, in_progress_at, finalizing_at, completed_at, failed_at, cancelling_at,"
    " cancelled_at, expired_at, expires_at, total, completed, failed"
)
Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling",
    "cancelled",
]  # fmt: skip

_Key = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00]*\Z")]
_Value = Annotated[str, msgspec.Meta(max_length=512, pattern=r"^[^\x00]*\Z")]


class Keep(msgspec.Struct):
    """How long a file is kept, from its making."""

    anchor: Literal["created_at"]
    seconds: Annotated[
        int, msgspec.Meta(ge=files.LEAST_LIFETIME_SECONDS, le=files.LIFETIME_SECONDS)
    ]


class NewBatch(msgspec.Struct):
    """What a client gives to make a batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Annotated[dict[_Key, _Value], msgspec.Meta(max_length=16)] | None = None
    output_expires_after: Keep | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an input file.

    Attributes:
        code: a stable name; its sentences are in `core/locales` under `batch.<code>`.
        line: from 1; None when it is the whole file.
        values: what the sentence tells.
    """

    code: str
    line: int | None = None
    param: str | None = None
    values: Mapping[str, str | Sentence] | None = None

    def stored(self) -> dict[str, Any]:
        """As it is kept: without a language."""
        values = {
            name: value.plain() if isinstance(value, Sentence) else value
            for name, value in (self.values or {}).items()
        }
        return {"code": self.code, "line": self.line, "param": self.param, "values": values}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, as it is stored."""

    id: str
    organisation_id: uuid.UUID
    key_id: uuid.UUID
    endpoint: str
    model: str | None
    level: int
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    completion_window: str
    output_seconds: int
    metadata: dict[str, str] | None
    status: Status
    errors: list[dict[str, Any]] | None
    usage: dict[str, Any] | None
    created_at: datetime
    in_progress_at: datetime | None
    finalizing_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelling_at: datetime | None
    cancelled_at: datetime | None
    expired_at: datetime | None
    expires_at: datetime
    total: int
    completed: int
    failed: int

    def view(self, language: str) -> dict[str, Any]:
        """The batch in OpenAI's form."""
        names = ("id", "endpoint", "model", "input_file_id", "output_file_id", "error_file_id",
                 "completion_window", "metadata", "status", "usage")  # fmt: skip
        moments = ("created_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at",
                   "cancelling_at", "cancelled_at", "expired_at", "expires_at")  # fmt: skip
        errors = None
        if self.errors is not None:
            errors = {"object": "list", "data": [_error(fault, language) for fault in self.errors]}
        return (
            {"object": "batch", "errors": errors}
            | {name: getattr(self, name) for name in names}
            | {name: files.timestamp(getattr(self, name)) for name in moments}
            | {
                "request_counts": {
                    "total": self.total, "completed": self.completed, "failed": self.failed,
                }
            }
        )  # fmt: skip


def _error(fault: dict[str, Any], language: str) -> dict[str, Any]:
    values = {name: sentence(value) for name, value in fault["values"].items()}
    return {
        "code": fault["code"],
        "line": fault["line"],
        "param": fault["param"],
        "message": translate(f"batch.{fault['code']}", language, **values),
    }


def window_hours(text: str) -> int:
    """Hours of a completion window such as `24h` or `7d`.

    Raises:
        ChappeError: `invalid_request` (400).
    """
    match = _WINDOW.fullmatch(text)
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not 1 <= hours <= _LONGEST_HOURS:
        raise ChappeError("invalid_request", 400, reason="completion_window: 1h … 14d")
    return hours


async def create(
    connection: Connection,
    organisation_id: uuid.UUID,
    key_id: uuid.UUID,
    new: NewBatch,
    *,
    level: int,
    most: int,
) -> Batch:
    """Make a batch; it is validated and run in the background.

    Args:
        level: least sensitivity of its requests, 0 to 2.
        most: batches of the organisation that may be under way.

    Raises:
        ChappeError: `invalid_request` (400), `unknown_file` (404), `too_many_batches` (429).
    """
    if new.endpoint not in ENDPOINTS:
        reason = f"endpoint: {', '.join(sorted(ENDPOINTS))}"
        raise ChappeError("invalid_request", 400, reason=reason)
    hours = window_hours(new.completion_window)
    file = await files.find(connection, organisation_id, new.input_file_id)
    if file.purpose != "batch":
        raise ChappeError("invalid_request", 400, reason=wrong("purpose_batch"))
    await connection.execute(
        "select 1 from organisation where id = %s for no key update", (organisation_id,)
    )
    counted = await connection.execute(
        "select count(*) from batch where organisation_id = %s"
        " and status in ('validating', 'in_progress', 'finalizing', 'cancelling')",
        (organisation_id,),
    )
    row = await counted.fetchone()
    if row is None or row[0] >= most:
        error = ChappeError("too_many_batches", 429, limit=most)
        error.retry_after = 60.0
        raise error
    keep = new.output_expires_after
    cursor = connection.cursor(row_factory=class_row(Batch))
    await cursor.execute(
        "insert into batch (id, organisation_id, key_id, endpoint, level, input_file_id,"  # noqa: S608
        " completion_window, output_seconds, metadata, status, expires_at) values (%s, %s, %s, %s,"
        f" %s, %s, %s, %s, %s, 'validating', now() + make_interval(hours => %s))"
        f" returning {_COLUMNS}",
        (
            f"batch_{uuid.uuid4().hex}", organisation_id, key_id, new.endpoint, level, file.id,
            new.completion_window, keep.seconds if keep else files.LIFETIME_SECONDS,
            Jsonb(new.metadata) if new.metadata is not None else None, hours,
        ),
    )  # fmt: skip
    made = await cursor.fetchone()
    assert made is not None
    await notify(connection)
    return made


async def notify(connection: Connection) -> None:
    """Tell every replica that there is something to do."""
    await connection.execute("select pg_notify(%s, '')", (CHANNEL,))


async def find(connection: Connection, organisation_id: uuid.UUID, name: str) -> Batch:
    """A batch of the organisation.

    Raises:
        ChappeError: `unknown_batch` (404), also for another organisation's.
    """
    if _NAME.fullmatch(name):
        cursor = connection.cursor(row_factory=class_row(Batch))
        await cursor.execute(
            f"select {_COLUMNS} from batch where id = %s and organisation_id = %s",  # noqa: S608
            (name, organisation_id),
        )
        if (row := await cursor.fetchone()) is not None:
            return row
    raise ChappeError("unknown_batch", 404, name=name[:80])


async def page(
    connection: Connection, organisation_id: uuid.UUID, *, after: str | None, limit: int
) -> list[Batch]:
    """Batches of the organisation, newest first; one more than `limit` when there are more.

    Raises:
        ChappeError: `unknown_batch`, of `after`.
    """
    place = await find(connection, organisation_id, after) if after is not None else None
    cursor = connection.cursor(row_factory=class_row(Batch))
    await cursor.execute(
        f"select {_COLUMNS} from batch where organisation_id = %(own)s"  # noqa: S608
        " and (%(after)s::text is null or (created_at, id) < (%(at)s::timestamptz, %(after)s))"
        " order by created_at desc, id desc limit %(limit)s",
        {
            "own": organisation_id,
            "after": place.id if place else None,
            "at": place.created_at if place else None,
            "limit": limit + 1,
        },
    )
    return await cursor.fetchall()


async def cancel(connection: Connection, organisation_id: uuid.UUID, name: str) -> Batch:
    """Begin nothing more of a batch; what runs may end within ten minutes, and counts.

    Raises:
        ChappeError: `unknown_batch` (404); `batch_over` (409).
    """
    cursor = connection.cursor(row_factory=class_row(Batch))
    if _NAME.fullmatch(name):
        await cursor.execute(
            "update batch set status = 'cancelling', cancelling_at = coalesce(cancelling_at, now())"  # noqa: S608
            " where id = %s and organisation_id = %s"
            f" and status in ('validating', 'in_progress', 'cancelling') returning {_COLUMNS}",
            (name, organisation_id),
        )
        if (row := await cursor.fetchone()) is not None:
            await notify(connection)
            return row
    batch = await find(connection, organisation_id, name)
    raise ChappeError("batch_over", 409, name=batch.id)


async def take(connection: Connection, me: uuid.UUID, lease_seconds: float) -> Batch | None:
    """The oldest batch that is to be validated or finished, for this replica alone.

    One that is being cancelled is finished when nothing of it runs any more.
    """
    cursor = connection.cursor(row_factory=class_row(Batch))
    await cursor.execute(
        "update batch set taken_by = %s, taken_until = now() + make_interval(secs => %s)"  # noqa: S608
        """ where id = (select id from batch b
            where (b.taken_until is null or b.taken_until <= now())
                and (b.status in ('validating', 'finalizing') or b.status = 'cancelling'
                    and (b.cancelling_at < now() - interval '10 minutes' or not exists (
                        select from batch_item i where i.batch_id = b.id and i.status is null
                            and i.taken_by is not null and i.taken_until > now())))
            order by b.created_at limit 1 for update skip locked)"""
        f" returning {_COLUMNS}",
        (me, lease_seconds),
    )
    return await cursor.fetchone()


async def give_back(connection: Connection, me: uuid.UUID, name: str, wait_seconds: float) -> None:
    """Leave a batch that was taken to whoever takes it next, after a while."""
    await connection.execute(
        "update batch set taken_by = null, taken_until = now() + make_interval(secs => %s)"
        " where id = %s and taken_by = %s",
        (wait_seconds, name, me),
    )


async def expire(connection: Connection) -> bool:
    """End the batches whose window is past; were there any."""
    cursor = await connection.execute("""
        update batch set
            status = case status when 'validating' then 'expired' else 'finalizing' end,
            expired_at = case status when 'validating' then now() end,
            finalizing_at = case status when 'validating' then null else now() end,
            taken_by = null, taken_until = null
        where status in ('validating', 'in_progress') and expires_at <= now()
    """)
    return cursor.rowcount > 0
