"""The commands, each thin over the rooms."""

import json
import sys
from typing import Annotated, Any

import typer

from chappe import __version__
from chappe.assistant.understanding import Question
from chappe.cli import audit, catalogue, collection, index, key, organisation, source
from chappe.cli import doctor as doctor_command
from chappe.cli import usage as usage_command
from chappe.cli.answer import print_answer, print_events
from chappe.cli.ingest import ingest_command
from chappe.cli.running import with_runtime
from chappe.cli.serve import serve_forever, work_forever
from chappe.cli.session import one_line_errors, settings_for
from chappe.core.database import migrate as migrate_schema
from chappe.core.database_server import DatabaseServer
from chappe.identity.access import SYSTEM
from chappe.server.runtime import Runtime

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(key.app, name="key")
app.add_typer(usage_command.app, name="usage")
for name, group in (
    ("model", catalogue.model),
    ("endpoint", catalogue.endpoint),
    ("proposal", catalogue.proposal),
    ("limit", catalogue.limit),
    ("secret", catalogue.secret),
    ("organisation", organisation.app),
    ("person", organisation.person),
    ("group", organisation.group),
    ("audit", audit.app),
    ("source", source.app),
):
    app.add_typer(group, name=name)
app.command("apply")(catalogue.apply_command)
app.command("ingest")(ingest_command)
app.add_typer(collection.app, name="collection")
app.add_typer(index.app, name="index")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def demo() -> None:
    """Start everything, load the demo corpus, and print the address and a key."""
    serve_forever(demo=True)


@app.command()
def serve(
    worker: Annotated[bool, typer.Option(help="Do background work in this process.")] = True,
) -> None:
    """Start the server."""
    serve_forever(demo=False, worker=worker)


@app.command()
def worker() -> None:
    """Do background work only, beside a server that runs elsewhere on the same database."""
    work_forever()


@app.command()
def doctor() -> None:
    """Check every part, and say what to do for each failure."""
    sys.exit(doctor_command.run_command())


@app.command()
def migrate(
    revision: Annotated[str, typer.Argument(help="head, base, or a revision.")] = "head",
) -> None:
    """Bring the database's schema to a revision. `base` removes everything."""
    with one_line_errors():
        server = DatabaseServer(settings_for(quiet=True))
        try:
            server.start()
            migrate_schema(server.url, revision)
        finally:
            server.stop()


@app.command()
def search(
    query: str,
    collection: Annotated[list[str] | None, typer.Option(help="Only here.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=50)] = 5,
    as_json: Json = False,
) -> None:
    """Find passages by word and by meaning."""

    async def work(runtime: Runtime) -> dict[str, Any]:
        result = await runtime.search(SYSTEM, query, collection, limit)
        return {
            "query": query,
            "hits": [hit.model_dump(mode="json") for hit in result.hits],
            "dense": result.dense,
            "took_ms": round(result.took_ms, 2),
        }

    answer = with_runtime(work, kinds=("embedding",))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    if not answer["hits"]:
        typer.echo("Aucun passage trouvé.")
    for number, hit in enumerate(answer["hits"], 1):
        document, passage = hit["document"], hit["passage"]
        path = " › ".join(passage["heading_path"])
        typer.echo(f"\n[{number}] {document['title']} ({document['date']})")
        typer.echo(f"    {document['url']}" + (f"\n    {path}" if path else ""))
        typer.echo("    " + " ".join(passage["text"].split())[:300])


@app.command()
def ask(
    question: str,
    collection: Annotated[list[str] | None, typer.Option(help="Only here.")] = None,
    model: Annotated[str | None, typer.Option(help="A chat model of the catalogue.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")] = False,
) -> None:
    """Answer a question from the sources, with checked citations."""

    async def work(runtime: Runtime) -> int:
        retrieved = await runtime.assistant.retrieve(
            SYSTEM, Question(question, collections=collection, model=model)
        )
        events = runtime.assistant.answer(SYSTEM, retrieved, "fr", "cli")
        return await (print_events(events) if as_json else print_answer(events))

    sys.exit(with_runtime(work, kinds=("chat", "embedding")))


def main() -> None:
    """Run the command line; a setting that can't work stops it with one line."""
    with one_line_errors():
        app()
