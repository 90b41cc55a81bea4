"""The accounts one by one, newest first; no content is in them."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.gateway.accounts.reading import Selection, condition
from chappe.gateway.accounts.rows import COLUMNS
from chappe.identity import Actor

_SEPARATOR = "_"


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Some accounts, each its columns by name, and where the next page begins."""

    accounts: list[dict[str, Any]]
    next: str | None


async def latest(
    connection: Connection,
    actor: Actor,
    selection: Selection,
    limit: int = 100,
    after: str | None = None,
) -> AccountPage:
    """A page of accounts.

    Args:
        after: `next` of the page before; what is written meanwhile shifts nothing.

    Raises:
        ChappeError: `scope_missing` (403), `unknown_organisation` (404), `invalid_request` (422).
    """
    where, values = await condition(connection, actor, selection, "started_at")
    if after is not None:
        values["after_at"], values["after_id"] = _position(after)
        where += " and (started_at, id) < (%(after_at)s, %(after_id)s)"
    query = (
        f"select {', '.join(COLUMNS)} from request_account where {where}"  # noqa: S608
        " order by started_at desc, id desc limit %(limit)s"
    )
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values | {"limit": limit + 1})
        rows = await cursor.fetchall()
    shown = rows[:limit]
    more = len(rows) > limit
    last = shown[-1] if more else None
    return AccountPage(
        shown, f"{last['started_at'].isoformat()}{_SEPARATOR}{last['id']}" if last else None
    )


def _position(text: str) -> tuple[datetime, uuid.UUID]:
    moment, _, identifier = text.partition(_SEPARATOR)
    try:
        begun = datetime.fromisoformat(moment)
        if begun.tzinfo is not None:
            return begun, uuid.UUID(identifier)
    except ValueError:
        pass
    raise ChappeError("invalid_request", 422, reason=at("after", wrong("page")))
