"""`chappe demo`, `chappe serve` and `chappe worker`."""

import asyncio
import json
import sys
import time

import typer
from sqlalchemy import text

from chappe.cli.progress import LoadProgress
from chappe.cli.session import language, one_line_errors, run, settings_for
from chappe.core.errors import ChappeError
from chappe.core.settings import Settings
from chappe.identity.access import SCOPES
from chappe.identity.keys import create_key, revoke_keys
from chappe.knowledge.catalogue import DEMO
from chappe.knowledge.jobs import loads, request_sync
from chappe.knowledge.schemas import LoadView
from chappe.server.app import build_app, page_folder
from chappe.server.light import make_gateway_server
from chappe.server.listen import bind, on_signals, serve_until
from chappe.server.runtime import Runtime

_KEY_NAME = "demo"
_AWAY_SECONDS = 10.0
_QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"


def serve_forever(*, demo: bool, worker: bool = True) -> None:
    """Start everything and serve until Ctrl-C or SIGTERM."""
    with one_line_errors():
        settings = settings_for(quiet=demo)
        listening = bind(settings)
        runtime = Runtime(settings)
        try:
            runtime.open_database()
            run(_serve(runtime, listening, demo=demo, worker=worker))
        finally:
            listening.close()
            runtime.close_database()


async def _serve(runtime: Runtime, listening: object, *, demo: bool, worker: bool) -> None:
    stop = asyncio.Event()
    on_signals(stop)
    serving: asyncio.Task[None] | None = None
    try:
        await runtime.start()
        await runtime.index.follow()
        if worker:
            await runtime.start_worker()
        server = make_gateway_server(build_app(runtime), runtime.gateway, runtime.settings)
        serving = asyncio.create_task(serve_until(server, listening, stop))  # type: ignore[arg-type]
        present = asyncio.create_task(_present(runtime, demo))
        await asyncio.wait({serving, present}, return_when=asyncio.FIRST_COMPLETED)
        if present.done():
            present.result()
        await serving
        present.cancel()
    finally:
        if serving is not None and not serving.done():
            stop.set()
            await serving
        await runtime.stop()


async def _present(runtime: Runtime, demo: bool) -> None:
    if demo:
        await _queue_demo(runtime)
        await runtime.gateway.wait_ready(180)
        await _wait_first_theme(runtime)
        await _announce(runtime)
        await _follow_loads_for_ever(runtime)
    else:
        await runtime.gateway.wait_ready(180)
        print(f"ready {_address(runtime.settings)}", flush=True)


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


async def _queue_demo(runtime: Runtime) -> None:
    """Queue what isn't loaded yet: the first theme of the sheets, then the law, then the rest."""
    done = {view.source: view for view in await loads(runtime.database)}
    for source, first_only in DEMO:
        view = done.get(source)
        if view is not None and (
            view.state in ("queued", "running", "downloading")
            or (view.state == "succeeded" and (view.complete or first_only))
        ):
            continue
        await request_sync(runtime.queue, source, first_only=first_only)


async def _wait_first_theme(runtime: Runtime) -> None:
    """Until questions can be asked.

    Raises:
        ChappeError: `load_failed`, nothing could be loaded.
    """
    first = DEMO[0][0]
    with LoadProgress() as progress:
        while True:
            view = next((v for v in await loads(runtime.database) if v.source == first), None)
            if view is not None:
                # Words find what is read; vectors follow, and take the longest.
                if view.priority_done or view.step == "embedding":
                    return
                failed = view.error or view.state == "failed"
                if failed and not await _has_documents(runtime):
                    raise ChappeError("load_failed", 503, reason=view.error or "chappe doctor")
                if view.step:
                    progress.show(view.title, view.step, view.done, view.total)
            await asyncio.sleep(0.3)


async def _has_documents(runtime: Runtime) -> bool:
    async with runtime.database.session() as session:
        return bool(await session.scalar(text("select exists (select from document)")))


async def _announce(runtime: Runtime) -> None:
    async with runtime.database.session() as session:
        await revoke_keys(session, _KEY_NAME)
        key = await create_key(session, _KEY_NAME, SCOPES)
    address = _address(runtime.settings)
    chat = runtime.gateway.catalogue.default("chat")
    body = json.dumps(
        {"model": chat.name if chat else "", "messages": [{"role": "user", "content": "Bonjour"}]}
    )
    question = json.dumps({"question": _QUESTION}, ensure_ascii=False).replace("'", "'\\''")
    page = page_folder(runtime.settings) is not None
    french = language() == "fr"
    if not page:
        print("(page : npm ci && npm run build, dans web/)", file=sys.stderr)
    print(f"ready {address}")
    print(f"key {key}")
    print("# Poser une question :" if french else "# Ask a question:")
    print(
        f"curl -N {address}/api/ask -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json' -d '{question}'"
    )
    print("# API compatible OpenAI :" if french else "# OpenAI-compatible API:")
    print(
        f"curl {address}/v1/chat/completions -H 'Authorization: Bearer {key}'"
        f" -H 'Content-Type: application/json' -d '{body}'",
        flush=True,
    )


def _pending(views: list[LoadView]) -> list[LoadView]:
    return [view for view in views if view.state in ("queued", "running", "downloading")]


async def _follow_loads_for_ever(runtime: Runtime) -> None:
    # The database may go away and come back: requests say so, and the server goes on.
    while True:
        try:
            await _follow_loads(runtime)
            await asyncio.Event().wait()
        except ChappeError as error:
            typer.echo(f"chappe: {error.title(language())}", err=True)
            await asyncio.sleep(_AWAY_SECONDS)


async def _follow_loads(runtime: Runtime) -> None:
    """Show the rest of the loading, then wait quietly."""
    told: set[str] = set()
    with LoadProgress() as progress:
        while True:
            views = await loads(runtime.database)
            for view in views:
                if view.error and view.error not in told:
                    told.add(view.error)
                    typer.echo(f"chappe: {view.title} : {view.error}", err=True)
            pending = _pending(views)
            if not pending:
                break
            for view in pending:
                if view.step:
                    progress.show(view.title, view.step, view.done, view.total)
            await asyncio.sleep(1)
    failed = [view.title for view in await loads(runtime.database) if view.state == "failed"]
    print(f"corpus incomplete: {', '.join(failed)}" if failed else "corpus loaded", flush=True)


def work_forever() -> None:
    """Do background work until Ctrl-C or SIGTERM."""
    with one_line_errors():
        runtime = Runtime(settings_for())
        try:
            runtime.open_database()
            run(_work(runtime))
        finally:
            runtime.close_database()


async def _work(runtime: Runtime) -> None:
    stop = asyncio.Event()
    on_signals(stop)
    try:
        await runtime.start(("embedding",))
        await runtime.gateway.wait_ready(180)
        await runtime.start_worker()
        print(f"worker ready {time.strftime('%H:%M:%S')}", flush=True)
        working = asyncio.create_task(runtime.wait_worker())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        working.cancel()
    finally:
        await runtime.stop()
