"""What accounts are chosen by: a value that exists nowhere is refused, not answered with nothing.

It is looked for only where nothing was found, so that a question that finds something costs
nothing more.
"""

from collections.abc import Collection
from typing import Any

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.gateway.accounts.reading import DIMENSIONS, Dimension, Selection, readable_accounts
from chappe.identity import Actor

# Where else than in the accounts a value is known; %(own)s is the organisation of an actor that
# administers just one, and null for one that administers all.
_ELSEWHERE: dict[Dimension, str] = {
    "person": "select 1 from person where id = %(value)s"
    " and (%(own)s::uuid is null or organisation_id = %(own)s)",
    "key": "select 1 from api_key where id = %(value)s"
    " and (%(own)s::uuid is null or organisation_id = %(own)s)",
    "model": "select 1 from model where name = %(value)s and (public or %(own)s::uuid is null)",
    "endpoint": "select 1 from endpoint where name = %(value)s and %(own)s::uuid is null",
    "site": "select 1 from endpoint where site = %(value)s and %(own)s::uuid is null",
}


async def refuse_unknown(
    connection: Connection, actor: Actor, selection: Selection, served: Collection[str] = ()
) -> None:
    """Check, where a selection found nothing, that what it names exists.

    Known is what any account that the actor may read has, whenever it was, or what is in the
    catalogue or among its people and keys.

    Args:
        served: models that need no catalogue.

    Raises:
        ChappeError: `unknown_value` (422).
    """
    gate, values = readable_accounts(actor)
    values |= {"own": None if "operate" in actor.scopes else actor.organisation_id}
    for name, elsewhere in _ELSEWHERE.items():
        value: Any = getattr(selection, name)
        if value is None or (name == "model" and value in served):
            continue
        query = (
            f"select exists (select 1 from usage_hour where {gate}"  # noqa: S608
            f" and {DIMENSIONS[name]} = %(value)s) or exists ({elsewhere})"
        )
        cursor = await connection.execute(query, values | {"value": value})
        row = await cursor.fetchone()
        if row is None or not row[0]:
            raise ChappeError("unknown_value", 422, name=name, value=value)
