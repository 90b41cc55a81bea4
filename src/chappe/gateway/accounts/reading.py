"""Who reads which accounts, and by what they are chosen and grouped.

Everything here becomes SQL: values are always parameters, and names come from the tables below.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.identity import Actor

Dimension = Literal[
    "organisation", "person", "key", "model", "endpoint", "site", "operation", "outcome"
]
DIMENSIONS: dict[Dimension, str] = {
    "organisation": "organisation_id",
    "person": "person_id",
    "key": "key_id",
    "model": "model",
    "endpoint": "endpoint",
    "site": "site",
    "operation": "operation",
    "outcome": "outcome",
}
"""The columns that usage can be chosen and grouped by, in both tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which accounts are asked for: those that agree with everything that is given.

    Attributes:
        begin, end: moments; from the first on, before the second.
        organisation: its slug.

    Raises:
        ChappeError: `range_backwards` (422), it ends before it begins, or as it does.
    """

    begin: datetime
    end: datetime
    organisation: str | None = None
    person: uuid.UUID | None = None
    key: uuid.UUID | None = None
    model: str | None = None
    endpoint: str | None = None
    site: str | None = None
    operation: str | None = None
    outcome: str | None = None

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ChappeError("range_backwards", 422)


def readable_accounts(actor: Actor, own: bool = False) -> tuple[str, dict[str, Any]]:
    """SQL condition on the rows of accounts that `actor` may read, and its parameters.

    `operate` reads all, `manage` its organisation's, a key for models its own alone; with `own`,
    everybody reads just their own key's.

    Raises:
        ChappeError: `scope_missing` (403).
    """
    if not own and "operate" in actor.scopes:
        return "true", {}
    if not own and "manage" in actor.scopes and actor.organisation_id is not None:
        return "organisation_id = %(gate)s", {"gate": actor.organisation_id}
    if own and "models" in actor.scopes and actor.key_id is not None:
        return "key_id = %(gate)s", {"gate": actor.key_id}
    raise ChappeError("scope_missing", 403, scope="models" if own else "manage")


async def organisation_id(connection: Connection, actor: Actor, slug: str) -> uuid.UUID:
    """An organisation whose accounts `actor` may read.

    Raises:
        ChappeError: `unknown_organisation` (404), also for one that isn't open to it.
    """
    cursor = await connection.execute("select id from organisation where slug = %s", (slug,))
    row = await cursor.fetchone()
    open_to_it = "operate" in actor.scopes or (row is not None and row[0] == actor.organisation_id)
    if row is None or not open_to_it:
        raise ChappeError("unknown_organisation", 404, name=slug)
    return uuid.UUID(str(row[0]))


async def condition(
    connection: Connection, actor: Actor, selection: Selection, moment: str, own: bool = False
) -> tuple[str, dict[str, Any]]:
    """SQL condition of a selection, the gate included, and its parameters.

    Args:
        moment: the column that tells when.

    Raises:
        ChappeError: `scope_missing` (403), `unknown_organisation` (404).
    """
    gate, values = readable_accounts(actor, own)
    parts = [gate, f"{moment} >= %(begin)s", f"{moment} < %(end)s"]
    values |= {"begin": selection.begin.astimezone(UTC), "end": selection.end.astimezone(UTC)}
    for name, column in DIMENSIONS.items():
        value = getattr(selection, name)
        if value is None:
            continue
        if name == "organisation":
            value = await organisation_id(connection, actor, value)
        parts.append(f"{column} = %({name})s")
        values[name] = value
    return " and ".join(parts), values
