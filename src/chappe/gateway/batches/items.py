"""Items of batches: taken for a time, given back, and each recorded once."""

import uuid
from dataclasses import dataclass

from psycopg.rows import class_row

from chappe.core.connections import Connection
from chappe.gateway.batches.batch import notify
from chappe.gateway.batches.verdict import Answer

_TAKE = """
    update batch_item i set taken_by = %(me)s, attempts = i.attempts + 1,
        taken_until = now() + make_interval(secs => %(seconds)s)
    from batch b, (
        select ordinal from batch_item
        where batch_id = %(batch)s and status is null
            and (taken_until is null or taken_until <= now())
        order by ordinal limit %(most)s for update skip locked
    ) next
    where b.id = %(batch)s and b.status = 'in_progress' and b.expires_at > now()
        and i.batch_id = b.id and i.ordinal = next.ordinal
    returning i.batch_id, i.ordinal, i.body, i.attempts, b.key_id, b.endpoint, b.level
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A request of a batch that was taken.

    Attributes:
        ordinal: its line in the input file.
        attempts: how many times it was begun, this one included, and not refused.
        level: least sensitivity of its content.
    """

    batch_id: str
    ordinal: int
    body: bytes
    attempts: int
    key_id: uuid.UUID
    endpoint: str
    level: int


async def waiting(connection: Connection) -> list[tuple[str, uuid.UUID]]:
    """Batches under way that have something to begin, oldest first, and their organisations."""
    cursor = await connection.execute(
        "select id, organisation_id from batch b where status = 'in_progress'"
        " and expires_at > now() and exists (select from batch_item i where i.batch_id = b.id"
        "   and i.status is null and (i.taken_until is null or i.taken_until <= now()))"
        " order by created_at, id limit 1000"
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def under_way(connection: Connection, names: list[str]) -> set[str]:
    """Those of these batches that have requests to make."""
    cursor = await connection.execute(
        "select id from batch where id = any(%s) and status = 'in_progress'", (names,)
    )
    return {row[0] for row in await cursor.fetchall()}


async def take(
    connection: Connection, me: uuid.UUID, batch_id: str, most: int, lease_seconds: float
) -> list[Item]:
    """Take up to `most` requests of a batch."""
    cursor = connection.cursor(row_factory=class_row(Item))
    await cursor.execute(
        _TAKE, {"me": me, "batch": batch_id, "most": most, "seconds": lease_seconds}
    )
    return await cursor.fetchall()


async def renew(
    connection: Connection, me: uuid.UUID, working: set[tuple[str, int]], lease_seconds: float
) -> set[tuple[str, int]]:
    """Keep what is being worked on; gives what may still go on.

    What isn't named has been recorded, was taken by another, or its batch is over.
    """
    cursor = await connection.execute(
        "update batch_item i set taken_until = now() + make_interval(secs => %s)"
        " from batch b, unnest(%s::text[], %s::int[]) as own (batch_id, ordinal)"
        " where i.batch_id = own.batch_id and i.ordinal = own.ordinal and i.taken_by = %s"
        " and i.status is null and b.id = i.batch_id"
        " and (b.status = 'in_progress' or (b.status = 'cancelling' and b.taken_by is null"
        "   and b.cancelling_at > now() - interval '10 minutes'))"
        " returning i.batch_id, i.ordinal",
        (lease_seconds, [key[0] for key in working], [key[1] for key in working], me),
    )
    return {(row[0], row[1]) for row in await cursor.fetchall()}


async def put_off(
    connection: Connection,
    me: uuid.UUID,
    item: Item,
    wait_seconds: float,
    *,
    counted: bool,
) -> None:
    """A request isn't begun again before a while.

    Args:
        counted: this attempt was one; it wasn't merely refused.
    """
    await connection.execute(
        "update batch_item set taken_by = null, attempts = attempts - %s,"
        " taken_until = now() + make_interval(secs => %s)"
        " where batch_id = %s and ordinal = %s and taken_by = %s and status is null",
        (0 if counted else 1, wait_seconds, item.batch_id, item.ordinal, me),
    )


async def give_back(connection: Connection, me: uuid.UUID) -> None:
    """This process ends: what it had taken is free at once."""
    await connection.execute(
        "update batch_item set taken_by = null, taken_until = null, attempts = attempts - 1"
        " where taken_by = %s and status is null",
        (me,),
    )
    await connection.execute(
        "update batch set taken_by = null, taken_until = null where taken_by = %s", (me,)
    )


async def record(connection: Connection, item: Item, answer: Answer) -> None:
    """Write an answer and count it; one that came before, or too late, stands."""
    # The batch's row is locked first: counts and items of a batch change one at a time.
    cursor = await connection.execute(
        "select 1 from batch where id = %s and (status = 'in_progress'"
        " or (status = 'cancelling' and taken_by is null)) for no key update",
        (item.batch_id,),
    )
    if await cursor.fetchone() is None:
        return
    cursor = await connection.execute(
        "update batch_item set status = %s, response = %s, request_id = %s, taken_by = null"
        " where batch_id = %s and ordinal = %s and status is null",
        (answer.status, answer.body, answer.request_id, item.batch_id, item.ordinal),
    )
    if not cursor.rowcount:
        return
    column = "completed" if 200 <= answer.status < 300 else "failed"
    cursor = await connection.execute(
        f"update batch set {column} = {column} + 1,"  # noqa: S608
        " status = case when status = 'in_progress' and completed + failed + 1 = total"
        "   then 'finalizing' else status end,"
        " finalizing_at = case when status = 'in_progress' and completed + failed + 1 = total"
        "   then now() end"
        " where id = %s returning status",
        (item.batch_id,),
    )
    row = await cursor.fetchone()
    if row is not None and row[0] != "in_progress":
        await notify(connection)
