"""`chappe index`: the search index and its vectors."""

import json
from typing import Annotated, Any

import typer
from sqlalchemy import text

from chappe.cli.progress import LoadProgress
from chappe.cli.running import with_runtime
from chappe.knowledge import generations, vectors
from chappe.server.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="The search index and its vectors.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def status(as_json: Json = False) -> None:
    """Say how large the index is, and which models' vectors there are."""

    async def work(runtime: Runtime) -> dict[str, Any]:
        await runtime.index.ready()
        async with runtime.database.session() as session:
            seq = await session.scalar(text("select coalesce(max(seq), 0) from index_event"))
            passages = await session.scalar(text("select count(*) from passage"))
            active = await generations.active(session)
            missing = {g.id: await generations.missing(session, g.id) for g in active}
        snapshot = await runtime.index.current(int(seq or 0))
        return {
            "passages": passages,
            "indexed": sum(segment.size for segment in snapshot.lexical),
            "segments": len(snapshot.lexical),
            "event": snapshot.position.seq,
            "generations": [
                {
                    "model": g.model,
                    "dimensions": g.dimensions,
                    "state": g.state,
                    "indexed": sum(segment.size for segment in snapshot.vectors(g.id)),
                    "missing": missing[g.id],
                }
                for g in active
            ],
        }

    answer = with_runtime(work)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    typer.echo(f"{answer['indexed']} of {answer['passages']} passages, event {answer['event']}")
    for item in answer["generations"]:
        typer.echo(
            f"{item['model']:32} {item['dimensions']:5} {item['state']:8}"
            f" {item['indexed']} vectors, {item['missing']} missing"
        )


@app.command()
def rebuild() -> None:
    """Make the index anew from the database; every process that runs does so too.

    Nothing is lost by it: the index holds nothing that the database doesn't.
    """

    async def work(runtime: Runtime) -> int:
        done: dict[str, int] = {}
        with LoadProgress("index") as progress:

            async def tell(step: str, more: int) -> None:
                done[step] = done.get(step, 0) + more
                await progress.update(step, done[step], None)

            async with runtime.database.session() as session:
                # Whoever follows sees that its index is of another history.
                await session.execute(text("update index_state set identity = gen_random_uuid()"))
            snapshot = await runtime.index.rebuild(tell)
        return sum(segment.size for segment in snapshot.lexical)

    typer.echo(f"{with_runtime(work)} passages indexed")


@app.command()
def embed(
    model: Annotated[str, typer.Option(help="An embedding model of the catalogue.")],
) -> None:
    """Make every passage's vector with another model, which then serves.

    The one that serves goes on until the last vector is there. Interrupted, it goes on where it
    was when the command is given again.
    """

    async def work(runtime: Runtime) -> str:
        generation = await generations.begin(runtime.database, runtime.gateway, model)
        async with runtime.database.session() as session:
            missing = await generations.missing(session, generation.id)
        with LoadProgress(f"vectors of {generation.model}") as progress:

            async def tell(done: int) -> None:
                await progress.update("embedding", done, missing)

            while True:
                await vectors.fill_generation(runtime.database, runtime.gateway, generation, tell)
                if generation.state == "serving" or await generations.take_over(
                    runtime.database, generation.id
                ):
                    return generation.model

    typer.echo(f"{with_runtime(work, kinds=('embedding',))} serves")
