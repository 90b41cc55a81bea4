"""Keys that were seen lately, so that a request costs no question to the database.

Kept in memory, of at most 50,000 keys: the SHA-256 of the `Authorization` header, that of the
secret (which the database has too), and the actor; never a secret. What is refused is kept for 5 s.

Every 5 s all keys in use are asked for again, together: a key that was revoked stops at once by
notification, and within 10 s when that is lost. One question is under way at a time, whoever asks,
so guessing keys can't load the database. While the database is away, known keys go on working for
`keep_seconds` after they were last checked; one that isn't known gets 503 and is never let in.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
import uuid
from dataclasses import dataclass

import psycopg

from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor, Scope, require
from chappe.identity.lookup import Found, digest_of, find_keys, secret_of
from chappe.identity.refusals import Refusals, note_key

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 5.0
_FRESH_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
_REFUSED_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_USE_NOTED_SECONDS = 60.0
_REFUSALS_SECONDS = 5.0
# Reading more answers at once than this would be felt by requests under way.
_BATCH = 100
_MOST_KEYS = 50_000
_MOST_REFUSED = 10_000
_MOST_WAITING = 5_000

Answer = asyncio.Future[Actor | ChappeError]


@dataclass(slots=True)
class _Entry:
    """A key that was valid when it was last checked. Times are of the monotonic clock.

    Attributes:
        until: it may be used without asking before then.
        expires: it may not be used after then in any case.
        used: since it was last checked.
    """

    actor: Actor
    digest: bytes
    checked: float
    expires: float
    until: float
    used: bool = True


class KeyCache:
    """Actors by `Authorization` header.

    Args:
        connections: the database.
        keep_seconds: how long a known key works while the database is away.

    Attributes:
        refusals: where refused requests are noted.
    """

    def __init__(self, connections: Connections, keep_seconds: float = 3600.0) -> None:
        self._connections = connections
        self._keep = keep_seconds
        self.refusals = Refusals(connections)
        self._entries: dict[bytes, _Entry] = {}
        self._refused: dict[bytes, tuple[float, Found | None]] = {}
        self._wanted: dict[bytes, tuple[bytes, Answer]] = {}
        self._asked: dict[bytes, tuple[bytes, Answer]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._changes = 0
        self._in_use: set[uuid.UUID] = set()
        self._away = False
        self._last_failure = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def get(self, authorization: bytes) -> Actor | None:
        """The actor, when it is known well enough; else ask :meth:`fetch`."""
        entry = self._entries.get(hashlib.sha256(authorization).digest())
        if entry is None or time.monotonic() >= entry.until:
            return None
        entry.used = True
        return entry.actor

    def clear(self) -> None:
        """Something changed among keys: each is asked for again before it is used."""
        self._changes += 1
        self._doubt_all()

    def _doubt_all(self) -> None:
        for entry in self._entries.values():
            entry.until = 0.0
        self._refused.clear()

    async def fetch(self, authorization: bytes) -> Actor:
        """The actor, from the database.

        Raises:
            ChappeError: `key_missing`, `key_invalid` (401); `database_unreachable` (503) for a key
                that isn't known; `too_busy` (503) while too many unknown keys wait.
        """
        digest = digest_of(secret_of(authorization))
        name = hashlib.sha256(authorization).digest()
        now = time.monotonic()
        refused = self._refused.get(name)
        if refused is not None and now < refused[0]:
            note_key(self.refusals, refused[1])
            raise ChappeError("key_invalid", 401)
        if self._away and now - self._last_failure < _RETRY_SECONDS:
            return self._known(name)
        if len(self._wanted) >= _MOST_WAITING:
            raise ChappeError("too_busy", 503)
        answer = self._ask(name, digest)
        # Not cancelled with a client that leaves: others may wait for it too.
        await asyncio.wait({answer}, timeout=_PATIENCE_SECONDS)
        if not answer.done():
            self._lose()
            return self._known(name)
        result = answer.result()
        if isinstance(result, ChappeError):
            if result.code == "key_invalid":
                raise result
            return self._known(name)
        if (entry := self._entries.get(name)) is not None:
            entry.used = True
        return result

    def require(self, actor: Actor, scope: Scope) -> None:
        """Check a right to ask models for something; a refusal is noted.

        Raises:
            ChappeError: `scope_missing` (403).
        """
        if scope not in actor.scopes:
            self.refusals.note(actor, "model.use", "", f"scope {scope} missing")
        require(actor, scope)

    def _known(self, name: bytes) -> Actor:
        """The actor of a key that was valid not too long ago, while the database is away."""
        entry = self._entries.get(name)
        now = time.monotonic()
        if entry is None or now >= min(entry.checked + self._keep, entry.expires):
            raise ChappeError("database_unreachable", 503, reason="")
        entry.used = True
        return entry.actor

    # Questions to the database, one at a time

    def _ask(self, name: bytes, digest: bytes) -> Answer:
        for under_way in (self._wanted, self._asked):
            if name in under_way:
                return under_way[name][1]
        answer: Answer = asyncio.get_running_loop().create_future()
        self._wanted[name] = (digest, answer)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return answer

    async def _ask_all(self) -> None:
        try:
            while self._wanted:
                names = list(self._wanted)[:_BATCH]
                self._asked = {name: self._wanted.pop(name) for name in names}
                await self._ask_some()
        finally:
            self._asking = None
            self._asked = {}

    async def _ask_some(self) -> None:
        asked, changes, began = self._asked, self._changes, time.monotonic()
        try:
            async with self._connections.transaction() as connection:
                found = await find_keys(connection, [digest for digest, _ in asked.values()])
        except (ChappeError, psycopg.Error) as error:
            if not isinstance(error, ChappeError):
                log.error("keys_unreadable", exc_info=error)
            self._lose()
            for _, answer in asked.values():
                answer.set_result(ChappeError("database_unreachable", 503, reason=""))
            return
        if self._away:
            self._away = False
            self._doubt_all()
        # An answer may be older than what changed while it was under way: it serves once.
        until = began + _FRESH_SECONDS if changes == self._changes else 0.0
        for name, (digest, answer) in asked.items():
            answer.set_result(self._learn(name, digest, found.get(digest), began, until))

    def _learn(
        self, name: bytes, digest: bytes, found: Found | None, began: float, until: float
    ) -> Actor | ChappeError:
        before = self._entries.pop(name, None)
        if found is None or not found.valid:
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[name] = (began + _REFUSED_SECONDS, found)
            note_key(self.refusals, found)
            return ChappeError("key_invalid", 401)
        if len(self._entries) >= _MOST_KEYS:
            self._entries.pop(next(iter(self._entries)))
        # The very actor that it was, if nothing changed: others remember what they know by it.
        actor = before.actor if before is not None and before.actor == found.actor else found.actor
        expires = began + found.seconds
        used = before is None or before.used
        self._entries[name] = _Entry(actor, digest, began, expires, min(until, expires), used)
        return actor

    def _lose(self) -> None:
        """The database doesn't answer: what is known must do."""
        self._last_failure = time.monotonic()
        if self._away:
            return
        self._away = True
        for entry in self._entries.values():
            entry.until = min(entry.checked + self._keep, entry.expires)

    # In the background

    def start(self) -> None:
        """Begin to ask again for the keys in use, and to note their use."""
        self._tasks = [
            asyncio.create_task(self._refresh_for_ever()),
            asyncio.create_task(self._note_for_ever()),
        ]

    async def stop(self) -> None:
        """Note the last uses and refusals."""
        for task in (*self._tasks, *([self._asking] if self._asking else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for entry in self._entries.values():
            if entry.used:
                self._note_use(entry)
        await self._note_uses()
        await self.refusals.write()

    async def _refresh_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS if self._away else _REFRESH_SECONDS)
            await self._refresh()

    async def _refresh(self) -> None:
        now = time.monotonic()
        used = []
        for name, entry in list(self._entries.items()):
            if now >= min(entry.checked + self._keep, entry.expires):
                del self._entries[name]
            elif entry.used:
                entry.used = False
                self._note_use(entry)
                used.append((name, entry.digest))
        for begin in range(0, len(used), _BATCH):
            answers = {self._ask(*item) for item in used[begin : begin + _BATCH]}
            _, late = await asyncio.wait(answers, timeout=_PATIENCE_SECONDS)
            if late:
                self._lose()
                return

    def _note_use(self, entry: _Entry) -> None:
        assert entry.actor.key_id is not None
        self._in_use.add(entry.actor.key_id)

    async def _note_for_ever(self) -> None:
        begun = time.monotonic()
        while True:
            await asyncio.sleep(_REFUSALS_SECONDS)
            await self.refusals.write()
            if time.monotonic() - begun >= _USE_NOTED_SECONDS:
                begun = time.monotonic()
                await self._note_uses()

    async def _note_uses(self) -> None:
        used, self._in_use = self._in_use, set()
        if not used:
            return
        try:
            async with self._connections.transaction() as connection:
                await connection.execute(
                    "update api_key set last_used_at = now() where id = any(%s)"
                    " and (last_used_at is null or last_used_at < now() - interval '30 s')",
                    (list(used),),
                )
        except (ChappeError, psycopg.Error):
            self._in_use |= used
