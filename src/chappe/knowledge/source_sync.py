"""Bringing a collection in line with a source: one run, that may be cut anywhere and goes on.

What the listing says with the same tag as before isn't fetched. What changed becomes a version
more. What went away is removed, unless the listing was cut short, or most would go: a share that
isn't mounted must not empty a collection.
"""

import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.i18n import Sentence
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.knowledge import loads
from chappe.knowledge.connectors.base import Connector, Found, Known
from chappe.knowledge.connectors.specs import OfficialSpec, connector
from chappe.knowledge.former import most_of
from chappe.knowledge.intake import Incoming, receive
from chappe.knowledge.official import load_official
from chappe.knowledge.originals import Originals
from chappe.knowledge.source_admin import decrypted, read_spec
from chappe.knowledge.source_items import (
    Source,
    count_unchanged,
    external_id,
    known_items,
    remember,
    remove_gone,
)

Progress = Callable[[str, int, int | None], Awaitable[None]]

# The upper half of the locks' 64 bits ("CHPS"); the lower half is the source's identifier.
_LOCKS = 0x43485053 << 32
_UNCHANGED_AT_ONCE = 500
_MOST_FAILURES = 100
_YIELD_SECONDS = 5.0


@dataclass
class Run:
    """What a run did.

    `failures`: the first of those that couldn't be had, and why. `kept`: why an archive that was
    there already was read, and not a fresh one.
    """

    found: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    refused: int = 0
    pending: int = 0
    held: int = 0
    complete: bool = True
    failures: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, Any] | None = None

    def fail(self, name: str, error: ChappeError) -> None:
        """Note an item that couldn't be had."""
        self.refused += 1
        if len(self.failures) < _MOST_FAILURES:
            self.failures.append({"item": name[:300], **reason_of(error)})

    def detail(self, seconds: float) -> dict[str, Any]:
        """What the report says beside its counts."""
        counts = {"refused": self.refused, "pending": self.pending, "held": self.held}
        told: dict[str, Any] = {name: count for name, count in counts.items() if count}
        if not self.complete:
            told["complete"] = False
        if self.failures:
            told["failures"] = self.failures
        if self.kept is not None:
            told["kept"] = self.kept
        return told | {"seconds": round(seconds, 2)}


class Synchroniser:
    """Runs sources.

    Args:
        gateway: lets whoever is being answered go first; None for no such care.
    """

    def __init__(
        self, settings: Settings, database: Database, gateway: Gateway | None, originals: Originals
    ) -> None:
        self._settings = settings
        self._database = database
        self._gateway = gateway
        self._originals = originals

    async def run(
        self, source_id: int, *, requested_by: str, progress: Progress, force: bool = False
    ) -> tuple[int, Run]:
        """Run a source; gives the load that tells of it, and what it did.

        Args:
            force: remove what went away even if it is most of it.

        Raises:
            ChappeError: `unknown_source_id`, `source_busy`, or why nothing could be listed; what
                came before is kept, and the load says it.
        """
        async with self._alone(source_id):
            source = await self._read(source_id)
            load_id = await self._begin(source, requested_by)
            began, run = time.monotonic(), Run()
            try:
                if isinstance(source.spec, OfficialSpec):
                    await self._official(source, source.spec, load_id, run, progress, force)
                else:
                    await self._files(source, load_id, run, progress, force)
            except ChappeError as error:
                detail = run.detail(time.monotonic() - began) | {"reason": reason_of(error)}
                await self._end(source.id, load_id, detail, failed=True)
                raise
            await self._end(source.id, load_id, run.detail(time.monotonic() - began))
            return load_id, run

    @contextlib.asynccontextmanager
    async def _alone(self, source_id: int) -> AsyncIterator[None]:
        """Nobody else runs this source meanwhile; a process that dies gives it back."""
        key = _LOCKS | source_id
        async with self._database.engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            got = await connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": key})
            if not got:
                raise ChappeError("source_busy", 409, id=source_id)
            try:
                yield
            finally:
                await connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})

    async def _read(self, source_id: int) -> Source:
        async with self._database.session() as session:
            row = (
                await session.execute(
                    text("""
                        select s.* from source s join collection c on c.id = s.collection_id
                        where s.id = :id and c.removed_at is null
                    """),
                    {"id": source_id},
                )
            ).one_or_none()
        if row is None:
            raise ChappeError("unknown_source_id", 404, id=source_id)
        return Source(row.id, row.collection_id, row.kind, read_spec(row.spec), row.secret)

    async def _begin(self, source: Source, requested_by: str) -> int:
        """The load of this run: that of a run that was cut goes on."""
        async with self._database.session() as session:
            cut = await session.scalar(
                text("""
                    select max(id) from load where source_id = :source and state = 'running'
                        and listed_at is null
                """),
                {"source": source.id},
            )
            if cut is not None:
                return int(cut)
            return await loads.open_load(
                session, source.collection_id, source.kind, requested_by, source.id
            )

    async def _end(
        self, source_id: int, load_id: int, detail: Mapping[str, Any], *, failed: bool = False
    ) -> None:
        """Tell what became of a run; the next one is due when the schedule says."""
        async with self._database.session() as session:
            await session.execute(
                text("update load set detail = cast(:detail as jsonb) where id = :id"),
                {"id": load_id, "detail": json.dumps(detail, ensure_ascii=False)},
            )
            if failed:
                await session.execute(
                    text("update load set state = 'failed', finished_at = now() where id = :id"),
                    {"id": load_id},
                )
            else:
                await loads.listed(session, load_id)
            await session.execute(
                text("""
                    update source set asked_by = null, forced = false,
                        next_run_at = now() + every_seconds * interval '1 second'
                    where id = :id
                """),
                {"id": source_id},
            )

    # Files

    async def _files(
        self, source: Source, load_id: int, run: Run, progress: Progress, force: bool
    ) -> None:
        known = await known_items(self._database, source.id)
        secret = decrypted(self._settings, source.id, source.secret)
        assert not isinstance(source.spec, OfficialSpec)
        reader = connector(source.spec, secret, self._settings)
        seen: set[str] = set()
        waiting = 0
        try:
            with tempfile.TemporaryDirectory(prefix="chappe-source-") as name:
                folder = Path(name)
                async for found in reader.items(known, folder):
                    run.found += 1
                    seen.add(found.external_id)
                    if await self._item(source, load_id, reader, found, known, folder, run):
                        waiting += 1
                    if waiting >= _UNCHANGED_AT_ONCE:
                        await count_unchanged(self._database, load_id, waiting)
                        waiting = 0
                    if run.found % 20 == 1:
                        await progress("listing", run.found, None)
            run.complete = reader.complete
        finally:
            await reader.close()
        await count_unchanged(self._database, load_id, waiting)
        gone = sorted(set(known) - seen)
        if run.complete and gone:
            if not force and most_of(len(gone), len(known)):
                run.held = len(gone)
            else:
                await remove_gone(self._database, source, load_id, gone)
                run.removed = len(gone)
        await progress("listing", run.found, run.found)

    async def _item(
        self,
        source: Source,
        load_id: int,
        reader: Connector,
        found: Found,
        known: Mapping[str, Known],
        folder: Path,
        run: Run,
    ) -> bool:
        """Take an item in; gives whether its tag says that nothing changed."""
        if found.failure is not None:
            run.fail(found.external_id, found.failure)
            return False
        if found.pending:
            run.pending += 1
            return False
        before = known.get(found.external_id)
        if before is not None and before.tag == found.tag:
            run.unchanged += 1
            if found.content is not None:
                found.content.unlink()
            if dict(before.state) != dict(found.state):
                await remember(self._database, source.id, found)
            return True
        if self._gateway is not None:
            await self._gateway.wait_no_chat(_YIELD_SECONDS)
        try:
            path = found.content or await reader.fetch(found, folder)
        except ChappeError as error:
            if error.code == "source_changing":
                run.pending += 1
            else:
                run.fail(found.external_id, error)
            return False
        try:
            _, outcome = await receive(
                self._database,
                self._originals,
                Incoming(
                    collection_id=source.collection_id,
                    external_id=external_id(source.id, found.external_id),
                    name=found.name,
                    path=path,
                    url=found.url or "",
                    date=found.date,
                    source=source.key,
                    load_id=load_id,
                ),
            )
        finally:
            path.unlink(missing_ok=True)
        setattr(run, outcome, getattr(run, outcome) + 1)
        await remember(self._database, source.id, found)
        return False

    # Official corpora

    async def _official(
        self,
        source: Source,
        spec: OfficialSpec,
        load_id: int,
        run: Run,
        progress: Progress,
        force: bool,
    ) -> None:
        report, kept = await load_official(
            self._settings,
            self._database,
            self._gateway,
            spec,
            collection_id=source.collection_id,
            source=source.key,
            folder=f"source-{source.id}",
            load_id=load_id,
            progress=progress,
            force=force,
        )
        run.kept = None if kept is None else reason_of(kept)
        run.added, run.changed = report.added, report.changed
        run.unchanged, run.removed, run.held = report.unchanged, report.removed, report.held
        run.found = run.added + run.changed + run.unchanged
        async with self._database.session() as session:
            await session.execute(
                text("""
                    update load set found = :found, added = :added, changed = :changed,
                        unchanged = :unchanged, removed = :removed where id = :id
                """),
                {
                    "id": load_id,
                    "found": run.found,
                    "added": run.added,
                    "changed": run.changed,
                    "unchanged": run.unchanged,
                    "removed": run.removed,
                },
            )


def reason_of(error: ChappeError) -> dict[str, Any]:
    """An error as reports keep it, told in the reader's language later."""
    values = {
        name: value.plain() if isinstance(value, Sentence) else str(value)
        for name, value in error.values.items()
    }
    return {"code": f"errors.{error.code}", "values": values}
