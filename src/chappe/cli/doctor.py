"""`chappe doctor`: every part checked, and what to do for each failure."""

import asyncio
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import typer
from sqlalchemy import text

from chappe.cli.session import language, one_line_errors, run, settings_for
from chappe.core.blobs import archive_folder, check_store, open_store
from chappe.core.database import Database, schema_revision
from chappe.core.database_server import DatabaseServer
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM
from chappe.server.app import page_folder
from chappe.server.listen import bind

_LEAST_FREE_BYTES = 2_000_000_000
_ADVICE = {
    "fr": {
        "disk": "Libérez de la place ou changez CHAPPE_DATA_DIR ; il faut au moins 2 Go.",
        "port": "Normal si Chappe tourne déjà ici ; sinon choisissez un autre PORT.",
        "schema": "Lancez « chappe migrate ».",
        "extension": "Exécutez une fois, en superutilisateur : CREATE EXTENSION vector;",
        "blobs": "Vérifiez les droits du dossier ou l'adresse CHAPPE_BLOB_URL.",
        "corpus": "Lancez « chappe source add fiches-particuliers », ou « make demo ».",
        "page": "Dans web/ : npm ci && npm run build.",
        "engine": "Installez l'extra « embedded », ou donnez un modèle par CHAPPE_MODELS.",
    },
    "en": {
        "disk": "Free some space or change CHAPPE_DATA_DIR; at least 2 GB are needed.",
        "port": "Expected if Chappe already runs here; else choose another PORT.",
        "schema": "Run `chappe migrate`.",
        "extension": "Run once, as superuser: CREATE EXTENSION vector;",
        "blobs": "Check the folder's permissions, or the address CHAPPE_BLOB_URL.",
        "corpus": "Run `chappe source add fiches-particuliers`, or `make demo`.",
        "page": "In web/: npm ci && npm run build.",
        "engine": "Install the `embedded` extra, or give a model with CHAPPE_MODELS.",
    },
}


@dataclass(frozen=True)
class Check:
    """One part: is it well, what was seen, and what to do if it isn't."""

    part: str
    well: bool
    seen: str
    advice: str = ""


def run_checks(settings: Settings) -> list[Check]:
    """Check every part. A part whose needs failed is said to be unchecked, never well."""
    advice = _ADVICE[language()]
    checks = [_disk(settings, advice), _port(settings, advice), _page(settings, advice)]
    server = DatabaseServer(settings)
    try:
        server.start()
    except ChappeError as error:
        checks.append(Check("database", False, error.title(language()), error.detail(language())))
        server.stop()
        return checks
    try:
        checks += _database(server.url, advice)
        if all(
            check.well for check in checks if check.part in ("database", "extensions", "schema")
        ):
            checks += run(_services(settings, server.url, advice))
    finally:
        server.stop()
    return checks


def _disk(settings: Settings, advice: dict[str, str]) -> Check:
    free = shutil.disk_usage(settings.data_dir).free
    return Check("disk", free >= _LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free", advice["disk"])


def _port(settings: Settings, advice: dict[str, str]) -> Check:
    try:
        listening: socket.socket = bind(settings)
    except ChappeError as error:
        return Check("port", False, error.title(language()), advice["port"])
    listening.close()
    return Check("port", True, f"{settings.port} is free")


def _page(settings: Settings, advice: dict[str, str]) -> Check:
    folder = page_folder(settings)
    return Check("page", folder is not None, str(folder or "not built"), advice["page"])


def _database(url: str, advice: dict[str, str]) -> list[Check]:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute("show server_version").fetchone()
        assert row is not None
        checks = [Check("database", True, f"PostgreSQL {row[0]}")]
        row = connection.execute(
            "select default_version from pg_available_extensions where name = 'vector'"
        ).fetchone()
    seen = f"pgvector {row[0]}" if row else "pgvector missing"
    checks.append(Check("extensions", row is not None, seen, advice["extension"]))
    there, newest = schema_revision(url)
    checks.append(
        Check("schema", there == newest, f"{there or 'none'} of {newest}", advice["schema"])
    )
    return checks


async def _services(settings: Settings, url: str, advice: dict[str, str]) -> list[Check]:
    checks = []
    try:
        await check_store(open_store(settings))
        archive_folder(settings)
        checks.append(Check("blobs", True, "written and read back"))
    except Exception as error:
        checks.append(Check("blobs", False, str(error)[:200], advice["blobs"]))
    database = Database(url, 4)
    gateway = Gateway(settings, url)
    await gateway.start()
    try:
        await gateway.wait_ready(60)
        checks.append(await _encoder(gateway, advice))
        checks.append(await _engine(gateway, advice))
        checks.append(await _corpus(database, advice))
    finally:
        await gateway.stop()
        await database.close()
    return checks


async def _encoder(gateway: Gateway, advice: dict[str, str]) -> Check:
    encoder = gateway.encoder
    if encoder is None:
        return Check("encoder", False, "none", advice["engine"])
    try:
        vector = (await gateway.embed(SYSTEM, ["carte d'identité"]))[0]
    except ChappeError as error:
        return Check("encoder", False, f"{encoder.name}: {error.code}", error.detail(language()))
    return Check("encoder", True, f"{encoder.name}, {len(vector) // 4} dimensions")


async def _engine(gateway: Gateway, advice: dict[str, str]) -> Check:
    model = gateway.catalogue.default("chat")
    if model is None:
        return Check("engine", False, "none", advice["engine"])
    message = [{"role": "user", "content": "Bonjour"}]
    try:
        async with (
            asyncio.timeout(60),
            gateway.chat(SYSTEM, model.name, message, max_tokens=2) as stream,
        ):
            async for _ in stream.text():
                pass
    except (ChappeError, TimeoutError) as error:
        detail = error.detail(language()) if isinstance(error, ChappeError) else "> 60 s"
        return Check("engine", False, model.name, detail)
    return Check("engine", True, f"{model.name} answers")


async def _corpus(database: Database, advice: dict[str, str]) -> Check:
    async with database.session() as session:
        row = (
            await session.execute(
                text("select (select count(*) from document), (select count(*) from passage)")
            )
        ).one()
    return Check("corpus", row[0] > 0, f"{row[0]} documents, {row[1]} passages", advice["corpus"])


def run_doctor(show: Callable[[str], None]) -> int:
    """Print each check; gives the exit code."""
    with one_line_errors():
        checks = run_checks(settings_for(quiet=True))
    for check in checks:
        show(f"{'ok  ' if check.well else 'FAIL'} {check.part:11} {check.seen}")
        if not check.well:
            show(f"     → {check.advice}")
    return 0 if all(check.well for check in checks) else 1


def run_command() -> int:
    """The command."""
    return run_doctor(typer.echo)
