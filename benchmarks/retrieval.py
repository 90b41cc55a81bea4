"""Retrieval quality of the product: lexical, dense and hybrid search, on questions with answers.

`make bench-retrieval QUESTIONS=file.jsonl [CORPUS=travail]`. Each line of the file has either
`query` and `relevant` (numbers of articles, or of sheets, of the corpus), or `question` and
`context`: the corpus is then the set of contexts, each a document. `--ablate` says what each
treatment brings. The last line printed is JSON.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from metrics import gain_interval, hit, mean_interval, ndcg, recall
from sqlalchemy import text

from chappe.cli.progress import LoadProgress
from chappe.core.settings import load_settings
from chappe.core.telemetry import configure_logging
from chappe.gateway.catalogue.encoding import encoding
from chappe.identity.access import SYSTEM
from chappe.knowledge import hits
from chappe.knowledge.catalogue import find_source, load_source
from chappe.knowledge.document import DocumentBuilder, SourceDocument
from chappe.knowledge.fusion import Ranking, calibrated_share, fuse
from chappe.knowledge.ranking import DEFAULT, POOL, Candidate, rerank
from chappe.knowledge.sources.archive import SourceItem
from chappe.knowledge.synchronise import ensure_collection, synchronise
from chappe.server.runtime import Runtime

CORPORA = {
    "travail": "code-travail",
    "crpa": "code-crpa",
    "securite-sociale": "code-securite-sociale",
    "rural": "code-rural",
    "fiches": "fiches-particuliers",
}
MEASURES: dict[str, Callable[[Sequence[str], set[str]], float]] = {
    "ndcg@10": ndcg,
    "recall@20": recall,
    "hit@1": lambda ranked, relevant: hit(ranked, relevant, 1),
    "hit@5": lambda ranked, relevant: hit(ranked, relevant, 5),
}


@dataclass(frozen=True)
class Question:
    """A question, and the names of the documents that answer it."""

    query: str
    relevant: set[str]


@dataclass(frozen=True)
class Found:
    """What the product gives for a question, and what it gave it from."""

    question: Question
    lexical: Ranking
    dense: Ranking
    hybrid: list[str]
    candidates: dict[int, Candidate]


def canonical(number: str) -> str:
    """A number as it is compared: « L. 1222-10 » and « R*112-9 » lose their ornaments."""
    return "".join(c for c in number.upper() if c.isalnum() or c == "-")


def name_of(context: str) -> str:
    """The name of a context as a document."""
    return sha256(context.encode()).hexdigest()[:16].upper()


def read_questions(path: Path) -> tuple[list[Question], list[str]]:
    """The questions of a file, and the contexts that are their corpus (none: an official one)."""
    questions, contexts = [], {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        item = json.loads(line)
        if "query" in item and "relevant" in item:
            questions.append(Question(item["query"], {canonical(n) for n in item["relevant"]}))
        elif "question" in item and "context" in item:
            contexts[name_of(item["context"])] = item["context"]
            questions.append(Question(item["question"], {name_of(item["context"])}))
        else:
            sys.exit(f"{path}, line {number}: query and relevant, or question and context")
    if not questions:
        sys.exit(f"{path}: no question")
    return questions, list(contexts.values())


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


def as_item(context: str) -> SourceItem:
    """A context as a document without a title: a question's own title would give it away."""
    builder = DocumentBuilder()
    for line in context.splitlines():
        builder.add("paragraph", line)
    body, blocks = builder.build()
    document = SourceDocument(
        external_id=name_of(context), kind="sheet", title="", url="", date=None, audience=None,
        theme_path=(), text=body, blocks=blocks, metadata={},
    )  # fmt: skip
    return SourceItem(name_of(context), sha256(context.encode()).hexdigest(), lambda: document)


async def load(runtime: Runtime, source: str, contexts: Sequence[str]) -> str:
    """Bring the corpus in; gives the collection's slug."""
    with LoadProgress(source) as progress:
        if not contexts:
            entry = find_source(source)
            report = await load_source(
                runtime.settings, runtime.database, runtime.gateway, entry,
                progress=progress.update,
            )  # fmt: skip
        else:
            key = sha256("".join(sorted(map(name_of, contexts))).encode()).hexdigest()[:12]
            source = f"bench-{key}"
            collection = await ensure_collection(runtime.database, source, source, source)
            report = await synchronise(
                runtime.database, runtime.gateway, collection, map(as_item, contexts),
                total=len(contexts), complete=True, progress=progress.update, source=source,
            )  # fmt: skip
    print(f"{source}: {report}", file=sys.stderr)
    return source


async def ask(runtime: Runtime, slug: str, questions: Sequence[Question]) -> list[Found]:
    """Put each question to the product."""
    async with runtime.database.session() as session:
        collection = await session.scalar(
            text("select id from collection where slug = :slug"), {"slug": slug}
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
        name = {row[0]: canonical(row[1]) for row in rows}
    found, times = [], []
    for question in questions:
        lexical = await runtime.search.lexical(question.query, [collection])
        dense = await runtime.search.dense(question.query, [collection])
        began = time.perf_counter()
        result = await runtime.search(SYSTEM, question.query, [slug], POOL)
        times.append(time.perf_counter() - began)
        hybrid = list(dict.fromkeys(name[item.passage.id] for item in result.hits))
        pool = {key for ranking in (lexical, dense) for key, _ in ranking}
        rows_of = await hits.read(runtime.index.reads, SYSTEM, list(pool))
        candidates = {
            key: replace(hits.candidate(row), document=name[key]) for key, row in rows_of.items()
        }
        found.append(Found(question, lexical, dense, hybrid, candidates))
    times.sort()
    print(
        f"{len(questions)} questions over {len(name)} passages, median"
        f" {times[len(times) // 2] * 1000:.0f} ms a search with its query's encoding",
        file=sys.stderr,
    )
    return found


def documents(one: Found, ranking: Ranking) -> list[str]:
    """The documents of a ranking: each stands where its best passage stands."""
    known = (one.candidates[key] for key, _ in ranking if key in one.candidates)
    return list(dict.fromkeys(str(candidate.document) for candidate in known))


def summary(found: Sequence[Found], ranked: Sequence[Sequence[str]]) -> dict[str, object]:
    """The measures of one way to rank, with the interval of nDCG@10."""
    values = {
        name: [
            measure(order, one.question.relevant) for one, order in zip(found, ranked, strict=True)
        ]
        for name, measure in MEASURES.items()
    }
    _, interval = mean_interval(values["ndcg@10"])
    means = {name: round(sum(given) / len(given), 4) for name, given in values.items()}
    return {**means, "ci95": [round(bound, 4) for bound in interval]}


def ablate(found: Sequence[Found], share: float | None) -> None:
    """Print what is lost without each treatment: the gain of having it, paired, with intervals."""

    def order(one: Found, share: float | None, **changed: float) -> list[str]:
        fused = fuse(one.lexical, one.dense, share)
        pool = [one.candidates[key] for key, _ in fused[:POOL] if key in one.candidates]
        weights = replace(DEFAULT, **changed)
        return documents(one, rerank(one.question.query, pool, fused, weights))

    def bare(one: Found) -> list[str]:
        return documents(one, fuse(one.lexical, one.dense, share)[:POOL])

    whole = [order(one, share) for one in found]
    variants: dict[str, list[list[str]]] = {
        "letters": [order(one, share, letters=0.0) for one in found],
        "sections": [order(one, share, section=0.0) for one in found],
        "references": [order(one, share, cited=0.0) for one in found],
        "all three": [bare(one) for one in found],
        "dense half": [order(one, 0.0) for one in found],
        "lexical half": [order(one, 1.0) for one in found],
        "share of the dense half +0.1": [order(one, (share or 0.5) + 0.1) for one in found],
        "share of the dense half -0.1": [order(one, (share or 0.5) - 0.1) for one in found],
    }
    for name, orders in variants.items():
        parts = []
        for measure_name, measure in MEASURES.items():
            before, after = (
                [measure(o, one.question.relevant) for o, one in zip(side, found, strict=True)]
                for side in (orders, whole)
            )
            gain, (low, high) = gain_interval(before, after)
            parts.append(f"{measure_name} {gain:+.4f} [{low:+.4f}, {high:+.4f}]")
        print(f"{name:30} {'   '.join(parts)}", file=sys.stderr)


def calibrate(found: Sequence[Found]) -> float:
    """The share of the dense half that suits these questions best."""
    known = []
    for one in found:
        answers = [
            key for key, item in one.candidates.items() if item.document in one.question.relevant
        ]
        if answers:
            known.append((one.lexical, one.dense, answers[0]))
    return calibrated_share(known)


async def measure(runtime: Runtime, source: str, path: Path, ablation: bool) -> dict[str, object]:
    """Load, ask, and say how good the answers are."""
    questions, contexts = read_questions(path)
    await runtime.start(("embedding",))
    await runtime.gateway.wait_ready(120)
    try:
        slug = await load(runtime, source, contexts)
        found = await ask(runtime, slug, questions)
        encoder = runtime.gateway.encoder
        if ablation:
            ablate(found, encoding(encoder.name).share if encoder else None)
            print(f"share of the dense half, fused alone: {calibrate(found)}", file=sys.stderr)
        return {
            "lexical": summary(found, [documents(one, one.lexical) for one in found]),
            "dense": summary(found, [documents(one, one.dense) for one in found]),
            "hybrid": summary(found, [one.hybrid for one in found]),
            "encoder": encoder.name if encoder else None,
            "n": len(found),
        }
    finally:
        await runtime.stop()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", required=True, type=Path)
    parser.add_argument("--corpus", default="travail", choices=sorted(CORPORA))
    parser.add_argument("--ablate", action="store_true", help="say what each treatment brings")
    arguments = parser.parse_args()
    if not arguments.questions.is_file():
        sys.exit(f"QUESTIONS: there is no file {arguments.questions}")
    configure_logging("warning", "text")
    runtime = Runtime(load_settings(data_dir=bench_folder()))
    try:
        runtime.open_database()
        result = asyncio.run(
            measure(runtime, CORPORA[arguments.corpus], arguments.questions, arguments.ablate)
        )
    finally:
        runtime.close_database()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
