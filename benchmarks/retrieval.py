"""Retrieval quality: lexical, dense and hybrid, on questions with known relevant documents.

`make bench-retrieval QUESTIONS=file.jsonl [CORPUS=travail]`; each line has `query` and `relevant`
(numbers of articles, or of sheets). The last line printed is JSON.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path

from metrics import mean_interval, ndcg, recall
from sqlalchemy import text

from chappe.cli.progress import LoadProgress
from chappe.core.settings import load_settings
from chappe.core.telemetry import configure_logging
from chappe.knowledge.catalogue import find_source, load_source
from chappe.knowledge.fusion import fuse
from chappe.knowledge.search import CANDIDATES
from chappe.server.runtime import Runtime

CORPORA = {
    "travail": "code-travail",
    "crpa": "code-crpa",
    "securite-sociale": "code-securite-sociale",
    "rural": "code-rural",
    "fiches": "fiches-particuliers",
}


def canonical(number: str) -> str:
    """A number as it is compared: « L. 1222-10 » and « R*112-9 » lose their ornaments."""
    return "".join(c for c in number.upper() if c.isalnum() or c == "-")


def read_questions(path: Path) -> list[tuple[str, set[str]]]:
    """(query, canonical relevant numbers) of each line."""
    questions = []
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            item = json.loads(line)
            questions.append((item["query"], {canonical(n) for n in item["relevant"]}))
    return questions


def bench_folder() -> Path:
    """Its own database: a benchmark must not change what the demo finds."""
    usual = load_settings().data_dir
    folder = usual / "bench"
    (folder / "corpora").mkdir(parents=True, exist_ok=True, mode=0o755)
    for archive in (usual / "corpora").glob("*.tgz"):
        if not (folder / "corpora" / archive.name).exists():
            try:
                os.link(archive, folder / "corpora" / archive.name)
            except OSError:
                shutil.copy(archive, folder / "corpora" / archive.name)
    return folder


async def measure(runtime: Runtime, source: str, questions: list[tuple[str, set[str]]]) -> dict:
    """Measures of the three rankings over documents."""
    await runtime.start(("embedding",))
    await runtime.gateway.wait_ready(120)
    try:
        entry = find_source(source)
        with LoadProgress(entry.title) as progress:
            report = await load_source(
                runtime.settings,
                runtime.database,
                runtime.gateway,
                entry,
                progress=progress.update,
            )
        print(f"{source}: {report}", file=sys.stderr)
        async with runtime.database.session() as session:
            collection = await session.scalar(
                text("select id from collection where slug = :slug"), {"slug": source}
            )
            rows = await session.execute(
                text("""
                    select p.id, coalesce(v.metadata->>'number', d.external_id)
                    from passage p join document_version v on v.id = p.version_id
                    join document d on d.id = v.document_id
                    where p.collection_id = :id
                """),
                {"id": collection},
            )
            number_of = {row[0]: canonical(row[1]) for row in rows}

        scores: dict[str, dict[str, list[float]]] = {
            name: {"ndcg@10": [], "recall@20": []} for name in ("lexical", "dense", "hybrid")
        }
        times = []
        for query, relevant in questions:
            began = time.perf_counter()
            lexical = await runtime.search.lexical(query, [collection])
            dense = await runtime.search.dense(query, [collection])
            rankings = {"lexical": lexical, "dense": dense, "hybrid": fuse(lexical, dense)}
            times.append(time.perf_counter() - began)
            for name, ranking in rankings.items():
                # A document stands where its best passage stands.
                ranked = list(dict.fromkeys(number_of[key] for key, _ in ranking))
                scores[name]["ndcg@10"].append(ndcg(ranked, relevant))
                scores[name]["recall@20"].append(recall(ranked, relevant))
        times.sort()
        print(
            f"{len(questions)} questions, depth {CANDIDATES} passages,"
            f" median {times[len(times) // 2] * 1000:.0f} ms a question",
            file=sys.stderr,
        )
        result: dict[str, dict[str, object]] = {}
        for name, measures in scores.items():
            mean, interval = mean_interval(measures["ndcg@10"])
            result[name] = {
                "ndcg@10": round(mean, 4),
                "recall@20": round(mean_interval(measures["recall@20"])[0], 4),
                "ci95": [round(bound, 4) for bound in interval],
            }
        return result
    finally:
        await runtime.stop()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", required=True, type=Path)
    parser.add_argument("--corpus", default="travail", choices=sorted(CORPORA))
    arguments = parser.parse_args()
    if not arguments.questions.is_file():
        sys.exit(f"QUESTIONS: there is no file {arguments.questions}")
    configure_logging("warning", "text")
    runtime = Runtime(load_settings(data_dir=bench_folder()))
    try:
        runtime.open_database()
        questions = read_questions(arguments.questions)
        result = asyncio.run(measure(runtime, CORPORA[arguments.corpus], questions))
    finally:
        runtime.close_database()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
