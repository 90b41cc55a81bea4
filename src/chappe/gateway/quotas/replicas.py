"""The replicas of the gateway: who is alive, and what each has in flight. One question a second."""

import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from chappe.core.connections import Connection

HEARTBEAT_SECONDS = 1.0
GRACE_SECONDS = 3600.0
"""How long what a silent replica holds is kept for it; the same in `replica_beat`."""
_GRACE_MARGIN_SECONDS = 30.0
# The silent are cleared away only by a replica that has long been in contact: after a database that
# was away for everybody, the others get the time to come back.
_TIDY_BEATS = 60

Load = Mapping[str, tuple[int, int]]
"""By model and endpoint: requests and tokens in flight."""


class ReplicaSet:
    """This replica among the others. A beat is sent by the keeper, in a transaction of its own.

    Args:
        replica: this replica's identifier.
        load: gives what this replica has in flight.
        elsewhere: is told what the others have, summed, after each heartbeat.

    Attributes:
        alive: replicas heard lately, this one included.
        share: part of each limit that this replica may grant itself while the database is away.
        registered: does the database know this replica.
        valid: reading of the monotonic clock up to which nobody gives up on this replica.
    """

    def __init__(
        self,
        replica: uuid.UUID,
        load: Callable[[], Load],
        elsewhere: Callable[[Load], None],
    ) -> None:
        self.replica = replica
        self._load = load
        self._elsewhere = elsewhere
        self._beats = 0
        self._next_share = 0.0
        self.alive = 1
        self.share = 0.0
        self.registered = False
        self.valid = 0.0

    async def beat(self, connection: Connection) -> tuple[float, bool, list[dict[str, Any]]]:
        """Tell that we live; to be followed by :meth:`heard` once it is committed.

        Returns:
            The database's time, whether it had given us up, and the others' loads.
        """
        cursor = await connection.execute(
            "select * from replica_beat(%s, %s, %s, %s)",
            (
                self.replica,
                socket.gethostname(),
                Jsonb(dict(self._load())),
                self._beats % _TIDY_BEATS == _TIDY_BEATS - 1,
            ),
        )
        row = await cursor.fetchone()
        assert row is not None
        moment, fresh, self.alive, self._next_share, loads = row
        # A smaller share holds before it is committed, a larger one only after.
        self.share = min(self.share, self._next_share)
        return moment, fresh, loads

    def heard(self, sent: float, loads: Iterable[Mapping[str, tuple[int, int]]]) -> None:
        """The beat sent at that reading of the monotonic clock was committed."""
        self._beats += 1
        self.share = self._next_share
        self.registered = True
        self.valid = sent + GRACE_SECONDS - _GRACE_MARGIN_SECONDS
        total: dict[str, tuple[int, int]] = {}
        for load in loads:
            for name, (requests, tokens) in load.items():
                before = total.get(name, (0, 0))
                total[name] = (before[0] + requests, before[1] + tokens)
        self._elsewhere(total)

    def missed(self) -> None:
        """A beat failed."""
        self._beats = 0

    async def leave(self, connection: Connection) -> None:
        """This replica ends."""
        await connection.execute("delete from gateway_replica where id = %s", (self.replica,))
