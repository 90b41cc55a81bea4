"""Files that come in a form: each is written to disk as it comes, taken in, and forgotten."""

import asyncio
import errno
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway.batches.multipart import FilePart, read_form
from chappe.identity.access import Actor
from chappe.identity.audit import record_in
from chappe.knowledge import loads
from chappe.knowledge.collections import find_collection
from chappe.knowledge.document_schemas import Received
from chappe.knowledge.intake import URGENT, Incoming, clean, receive
from chappe.knowledge.originals import Originals


async def upload(
    settings: Settings,
    database: Database,
    originals: Originals,
    actor: Actor,
    slug: str,
    content_type: str,
    body: AsyncIterator[bytes],
) -> list[Received]:
    """Take in the files of a form, in its order; those before one that is refused are kept.

    Raises:
        ChappeError: as :func:`find_collection` and :func:`receive`; `invalid_request` (not a
            form), `no_file`, `file_too_large` (413), `disk_full`.
    """
    async with database.session() as session:
        found = await find_collection(session, actor, slug, "edit")
    received: list[Received] = []
    load_id: int | None = None
    try:
        async for part in read_form(content_type.encode("latin-1"), body):
            if not isinstance(part, FilePart) or not part.filename:
                continue
            if load_id is None:
                async with database.session() as session:
                    load_id = await loads.open_load(session, found.id, "upload", actor.name)
            received.append(await _take(settings, database, originals, found.id, load_id, part))
    finally:
        if load_id is not None:
            async with database.session() as session:
                await record_in(
                    session,
                    actor,
                    "document.upload",
                    slug,
                    {"load": load_id, "files": [item.name for item in received][:100]},
                    organisation_id=found.organisation_id,
                )
                await loads.listed(session, load_id)
    if not received:
        raise ChappeError("no_file", 422)
    return received


async def _take(
    settings: Settings,
    database: Database,
    originals: Originals,
    collection_id: int,
    load_id: int,
    part: FilePart,
) -> Received:
    folder = settings.data_dir / "reading"
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="upload-") as file:
            path = Path(file.name)
            await _write(part, path, settings.document_max_bytes)
            name = clean(part.filename)
            document_id, outcome = await receive(
                database,
                originals,
                Incoming(collection_id, part.filename, name, path, load_id=load_id, urgency=URGENT),
            )
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ChappeError("disk_full", 503, folder=folder) from error
    async with database.session() as session:
        state = await loads.state_of(session, document_id)
    return Received(id=document_id, name=name, outcome=outcome, state=state)


async def _write(part: FilePart, path: Path, most: int) -> None:
    size = 0
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in part.chunks:
            size += len(chunk)
            if size > most:
                raise ChappeError("file_too_large", 413, name=clean(part.filename), limit=most)
            await file.write(chunk)
