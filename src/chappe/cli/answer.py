"""An answer on the terminal."""

import json
from collections.abc import AsyncIterator
from typing import Any

import typer

Events = AsyncIterator[tuple[str, dict[str, Any]]]

_MARKS = {"supported": "✓", "partly": "~", "unsupported": "✗", "neutral": " "}


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
        if name == "search" and (data["follows"] or data["date_origin"] != "today"):
            typer.echo(f"Recherche : {data['question']} (droit au {data['date']})\n")
        elif name == "sources":
            sources = data["sources"]
        elif name == "clarification":
            typer.echo(data["question"])
            for choice in data["choices"]:
                typer.echo(f"  - {choice['label']}")
            typer.echo("")
        elif name == "token":
            answer += data["text"]
        elif name == "sentence":
            typer.echo(f"{_MARKS[data['status']]} {answer[data['start'] : data['end']]}")
        elif name == "extracts":
            typer.echo("\nLa réponse n'a pas pu être étayée. Extraits officiels les plus proches :")
            for extract in data["extracts"]:
                typer.echo(f"\n[{extract['number']}] {extract['document']['title']}")
                typer.echo("    " + extract["text"].replace("\n", "\n    "))
        elif name == "no_answer":
            typer.echo("Les sources ne répondent pas. Documents les plus proches :")
            for document in data["closest"]:
                typer.echo(f"  - {document['title']}\n    {document['url']}")
            sources = []
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
