"""What all replicas together have used of the limits, from the database. Not on the hot path."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chappe.core.connections import Connection

_STATES = """
    select q.id, q.amount, coalesce(w.leased, 0), coalesce(l.unused, 0),
           case q.period when 'minute' then s.start + interval '1 minute'
               when 'day' then s.start + interval '1 day'
               when 'month' then
                   (s.start at time zone 'UTC' + interval '1 month') at time zone 'UTC' end
    from quota_limit q
    cross join lateral (select quota_start(q.period, quota_now()) as start) s
    left join quota_window w on w.limit_id = q.id and w.period_start = s.start
    left join lateral (
        select sum(greatest(0, granted - used)) as unused from quota_lease l
        where l.limit_id = q.id and l.period_start = s.start
    ) l on true
    where %(limit)s::uuid is null or q.id = %(limit)s
    order by q.created_at
"""


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit now, in its own unit.

    Attributes:
        used: reserved or spent in the present window, a few seconds old at most.
        leased: held by replicas, used or not.
        remaining: of the amount, after what was used.
        resets_at: end of the present window; None for a concurrency.
    """

    limit_id: uuid.UUID
    amount: float
    used: float
    leased: float
    remaining: float
    resets_at: datetime | None


async def limit_states(
    connection: Connection, limit_id: uuid.UUID | None = None
) -> dict[uuid.UUID, LimitState]:
    """The state of every limit, or of one."""
    cursor = await connection.execute(_STATES, {"limit": limit_id})
    return {
        identifier: LimitState(
            identifier,
            amount,
            leased - unused,
            leased,
            max(0.0, amount - (leased - unused)),
            resets_at,
        )
        for identifier, amount, leased, unused, resets_at in await cursor.fetchall()
    }


def state_view(state: LimitState | None) -> dict[str, Any]:
    """What is told of a limit beside its description; None is a limit that is just gone."""
    if state is None:
        return {"used": 0.0, "held": 0.0, "remaining": 0.0, "resets_at": None}
    return {
        "used": state.used,
        "held": state.leased,
        "remaining": state.remaining,
        "resets_at": state.resets_at,
    }


async def sweep_windows(connection: Connection) -> int:
    """Remove the windows that ended more than a day ago; gives how many there were."""
    cursor = await connection.execute(
        "delete from quota_window w using quota_limit q where q.id = w.limit_id"
        " and q.period is not null"
        " and w.period_start < quota_start(q.period, quota_now()) - interval '1 day'"
    )
    return cursor.rowcount
