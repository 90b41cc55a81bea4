"""`chappe ingest`: files of this machine into a collection."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from chappe.cli.progress import LoadProgress
from chappe.cli.running import with_runtime
from chappe.cli.session import language
from chappe.core.errors import ChappeError
from chappe.gateway.catalogue.schemas import described
from chappe.identity.access import SYSTEM
from chappe.identity.audit import record_in
from chappe.knowledge import loads
from chappe.knowledge.claims import somebody_works
from chappe.knowledge.collection_schemas import CollectionSpec
from chappe.knowledge.collections import create_collection, find_collection
from chappe.knowledge.document_schemas import LoadReport
from chappe.knowledge.ingest import Taken, ingest, walk
from chappe.knowledge.told import told_reason
from chappe.server.runtime import Runtime

_POLL_SECONDS = 0.5


def ingest_command(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", exists=True)],
    collection: Annotated[str, typer.Option(help="Into which collection.")],
    create: Annotated[bool, typer.Option("--create", help="Make it if it isn't there.")] = False,
    owner: Annotated[
        str | None,
        typer.Option(help="Whose it is: person:ORG/NAME, group:ORG/GROUP, organisation:ORG."),
    ] = None,
    public: Annotated[bool, typer.Option(help="One that is made is readable by all.")] = False,
    level: Annotated[int, typer.Option(min=0, max=2, help="Sensitivity of one that is made.")] = 0,
    wait: Annotated[bool, typer.Option(help="Until all is read.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Take files in, and have them read. Run again after an interruption, it goes on."""
    given = {"title": collection, "slug": collection, "owner": owner, "level": level}

    async def work(runtime: Runtime) -> tuple[Taken, LoadReport, list[str]]:
        spec = described(CollectionSpec, given | {"public": public}, "invalid_request")
        collection_id = await _collection(runtime, spec, create)
        with LoadProgress(collection) as progress:
            taken, report = await _load(runtime, collection, collection_id, paths, progress, wait)
        unread = await loads.unread(runtime.database, report.id) if report.failed else []
        return taken, report, [f"{name}: {told_reason(why, language())}" for name, why in unread]

    try:
        taken, report, unread = with_runtime(work, kinds=("embedding",))
    except KeyboardInterrupt:
        french = "Interrompu : la même commande reprendra où elle en était."
        typer.echo(_say(french, "Interrupted: the same command goes on where it was."), err=True)
        sys.exit(130)
    if as_json:
        typer.echo(json.dumps(report.model_dump(mode="json"), ensure_ascii=False))
    else:
        _print(taken, report)
    for reason in unread:
        typer.echo(f"  {reason}", err=True)
    sys.exit(1 if taken.refused or report.failed else 0)


async def _collection(runtime: Runtime, spec: CollectionSpec, create: bool) -> int:
    assert spec.slug is not None
    try:
        async with runtime.database.session() as session:
            return (await find_collection(session, SYSTEM, spec.slug, "edit")).id
    except ChappeError as error:
        if error.code != "unknown_collection" or not create:
            raise
    await create_collection(runtime.database, SYSTEM, spec)
    async with runtime.database.session() as session:
        return (await find_collection(session, SYSTEM, spec.slug, "edit")).id


async def _load(
    runtime: Runtime,
    slug: str,
    collection_id: int,
    paths: list[Path],
    progress: LoadProgress,
    wait: bool,
) -> tuple[Taken, LoadReport]:
    names = [str(path.resolve()) for path in paths]
    async with runtime.database.session() as session:
        load_id = await loads.resume_or_open(session, collection_id, SYSTEM.name, names)
        detail = {"load": load_id, "paths": names}
        await record_in(session, SYSTEM, "document.upload", slug, detail)

    async def received(count: int) -> None:
        progress.show(slug, "receiving", count, None)

    following = asyncio.create_task(_work_if_nobody_does(runtime)) if wait else None
    try:
        taken = await ingest(
            runtime.database,
            runtime.originals,
            collection_id,
            load_id,
            walk(paths),
            runtime.settings.document_max_bytes,
            received,
        )
        if not taken.files and not taken.refused:
            raise ChappeError("no_documents", 422, name=slug)
        while True:
            report = await loads.read_load(runtime.database, SYSTEM, load_id)
            progress.show(slug, "reading", report.settled, report.found)
            if report.state != "running" or not wait:
                return taken, report
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        if following is not None:
            following.cancel()


async def _work_if_nobody_does(runtime: Runtime) -> None:
    """Read the documents in this process as soon as no other is there to do it.

    A server that runs does it better: it knows when somebody is being answered.
    """
    while True:
        async with runtime.database.session() as session:
            if not await somebody_works(session):
                runtime.start_documents()
                return
        await asyncio.sleep(5)


def _print(taken: Taken, report: LoadReport) -> None:
    end = report.finished_at.timestamp() if report.finished_at else time.time()
    seconds = max(end - report.started_at.timestamp(), 1e-3)
    typer.echo(
        _say(
            f"{taken.files} fichiers en {seconds:.0f} s ({taken.files / seconds:.1f} par seconde) :"
            f" {report.added} nouveaux, {report.changed} changés, {report.unchanged} inchangés,"
            f" {report.failed} illisibles, {taken.refused} refusés.",
            f"{taken.files} files in {seconds:.0f} s ({taken.files / seconds:.1f} a second):"
            f" {report.added} new, {report.changed} changed, {report.unchanged} unchanged,"
            f" {report.failed} unreadable, {taken.refused} refused.",
        )
    )
    for reason in taken.reasons:
        typer.echo(f"  {reason}", err=True)


def _say(french: str, english: str) -> str:
    return french if language() == "fr" else english
