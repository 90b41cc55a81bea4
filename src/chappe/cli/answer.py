"""An answer on the terminal."""

import json
from collections.abc import AsyncIterator
from typing import Any

import typer

Events = AsyncIterator[tuple[str, dict[str, Any]]]

_MARKS = {"supported": "✓", "unsupported": "✗", "neutral": " "}


async def print_events(events: Events) -> int:
    """Each event as one JSON line; gives the exit code."""
    code = 0
    async for name, data in events:
        typer.echo(json.dumps({"event": name, **data}, ensure_ascii=False))
        if name == "error":
            code = 1
    return code


async def print_answer(events: Events) -> int:
    """Sentences with their verdicts as they are checked, then the sources; gives the exit code."""
    answer, sources, code = "", [], 0
    async for name, data in events:
        if name == "sources":
            sources = data["sources"]
        elif name == "token":
            answer += data["text"]
        elif name == "sentence":
            typer.echo(f"{_MARKS[data['status']]} {answer[data['start'] : data['end']]}")
        elif name == "extracts":
            typer.echo("\nLa réponse n'a pas pu être étayée. Extraits officiels les plus proches :")
            for extract in data["extracts"]:
                typer.echo(f"\n[{extract['number']}] {extract['document']['title']}")
                typer.echo("    " + extract["text"].replace("\n", "\n    "))
        elif name == "error":
            typer.echo(f"\nchappe: {data['title']}. {data['detail']}", err=True)
            code = 1
        elif name == "done" and data["status"] == "no_sources":
            typer.echo("Les sources chargées ne contiennent rien sur cette question.")
    if sources:
        typer.echo("\nSources :")
    for source in sources:
        document = source["document"]
        typer.echo(f"[{source['number']}] {document['title']} ({document['date']})")
        typer.echo(f"    {document['url']}")
    return code
