"""The replicas of the gateway: who is alive, and what each has in flight. One question a second."""

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from psycopg.types.json import Jsonb

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.quotas.lease import Replicas

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
GRACE_SECONDS = 3600.0
"""How long what a silent replica holds is kept for it."""
_ALIVE_SECONDS = 10.0

_BEAT = """
    with gone as (
        delete from gateway_replica
        where heartbeat_at < clock_timestamp() - make_interval(secs => %(grace)s) and id <> %(id)s
    ), own as (
        insert into gateway_replica (id, host, load, share_of, heartbeat_at)
        values (%(id)s, %(host)s, %(load)s, %(share)s, clock_timestamp())
        on conflict (id) do update set load = excluded.load, share_of = excluded.share_of,
            heartbeat_at = excluded.heartbeat_at
    )
    select id, load,
           heartbeat_at > clock_timestamp() - make_interval(secs => %(alive)s)
    from gateway_replica where id <> %(id)s
"""

Load = Mapping[str, tuple[int, int]]


class ReplicaSet:
    """This replica among the others.

    Args:
        connections: the database.
        replica: this replica's identifier.
        load: gives what this replica has in flight.
        elsewhere: is told what the others have, summed, after each heartbeat.
    """

    def __init__(
        self,
        connections: Connections,
        replica: uuid.UUID,
        load: Callable[[], Load],
        elsewhere: Callable[[Load], None],
    ) -> None:
        self._connections = connections
        self._replica = replica
        self._load = load
        self._elsewhere = elsewhere
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self.alive = 1
        self.heard_at = time.monotonic()

    @property
    def view(self) -> Replicas:
        """What leases need to know."""
        return Replicas(self.alive, self.heard_at)

    @property
    def database_away(self) -> bool:
        """Did the last heartbeat fail."""
        return self._away

    async def start(self) -> None:
        """Register, and go on telling that we live. Works, later, if the database is away now."""
        await self._beat()
        self._task = asyncio.create_task(self._beat_for_ever())

    async def stop(self) -> None:
        """Leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with self._connections.transaction() as connection:
                await connection.execute(
                    "delete from gateway_replica where id = %s", (self._replica,)
                )
        except ChappeError:
            log.warning("replica_left_without_saying", extra={"replica": self._replica})

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._beat()

    async def _beat(self) -> None:
        sent_at = time.monotonic()
        try:
            rows = await self._ask()
        except ChappeError:
            if not self._away:
                log.warning("database_away", extra={"replica": self._replica})
            self._away = True
            return
        if self._away:
            log.warning("database_back", extra={"seconds": round(sent_at - self.heard_at, 1)})
        self._away = False
        self.heard_at = time.monotonic()
        self.alive = 1 + len(rows)
        total: dict[str, tuple[int, int]] = {}
        for _, load, alive in rows:
            if not alive:
                continue
            for name, (requests, tokens) in load.items():
                before = total.get(name, (0, 0))
                total[name] = (before[0] + requests, before[1] + tokens)
        self._elsewhere(total)

    async def _ask(self) -> list[tuple[Any, ...]]:
        async with self._connections.transaction() as connection:
            cursor = await connection.execute(
                _BEAT,
                {
                    "id": self._replica,
                    "host": socket.gethostname(),
                    "load": Jsonb(dict(self._load())),
                    "share": self.alive,
                    "alive": _ALIVE_SECONDS,
                    "grace": GRACE_SECONDS,
                },
            )
            return await cursor.fetchall()
