"""Does a collection hold the answer: 160 questions of our own, half of which it holds.

`make bench-answerability`: loads the service-public sheets and the CRPA into the benchmarks'
database, asks each question, and prints how well what has an answer is told from what hasn't. The
last line printed is JSON: area under the ROC curve, and at the threshold that Chappe uses, the
share of answerable questions that are refused and of the others that are caught. `FIT=1` fits the
coefficients of the encoder in use (logistic regression, on every other question).
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from retrieval import bench_folder

from chappe.assistant import answerability
from chappe.assistant.answerability import Evidence
from chappe.cli.progress import LoadProgress
from chappe.core.settings import load_settings
from chappe.core.telemetry import configure_logging
from chappe.identity.access import SYSTEM
from chappe.knowledge.catalogue import find_source, load_source
from chappe.knowledge.provenance import extent
from chappe.server.runtime import Runtime

HERE = Path(__file__).parent
SOURCES = ("fiches-particuliers", "code-crpa")


@dataclass(frozen=True)
class Asked:
    """A question, whether it has an answer, and what was found for it."""

    question: str
    answerable: bool
    coverage: float
    similarity: float | None
    size: int
    logit: float


def auc(asked: Sequence[Asked]) -> float:
    """Probability that a question with an answer scores above one without (Mann–Whitney)."""
    held = [a.logit for a in asked if a.answerable]
    others = [a.logit for a in asked if not a.answerable]
    pairs = [(x > y) + 0.5 * (x == y) for x in held for y in others]
    return sum(pairs) / len(pairs)


def rates(asked: Sequence[Asked], least: float) -> tuple[float, float]:
    """Share of answerable questions refused, and of the others caught, below `least`."""
    refused = [a.logit < least for a in asked if a.answerable]
    caught = [a.logit < least for a in asked if not a.answerable]
    return sum(refused) / len(refused), sum(caught) / len(caught)


def fit(asked: Sequence[Asked], penalty: float = 0.02) -> list[float]:
    """Intercept and weights of coverage and similarity (Newton's method, light ridge)."""
    rows = np.array([[1.0, a.coverage, a.similarity or 0.0] for a in asked])
    truth = np.array([float(a.answerable) for a in asked])
    weights = np.zeros(rows.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-rows @ weights))
        gradient = rows.T @ (chance - truth) + penalty * np.r_[0, weights[1:]]
        curvature = (rows.T * (chance * (1 - chance))) @ rows + penalty * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, gradient)
    return [float(w) for w in weights]


async def ask(runtime: Runtime, questions: Sequence[dict[str, object]]) -> list[Asked]:
    """Search each question."""
    encoder = runtime.gateway.encoder
    size = (await extent(runtime.database, SYSTEM, SOURCES)).passages
    found = []
    for item in questions:
        question = str(item["question"])
        hits = (await runtime.search(SYSTEM, question, SOURCES, 8)).hits
        texts = [
            "\n".join((h.document.title, *h.passage.heading_path, h.passage.text)) for h in hits
        ]
        near = [h.scores.dense for h in hits if h.scores.dense is not None]
        similarity = max(near, default=None)
        name = encoder.name if encoder else None
        logit = answerability.logit(question, Evidence(texts, similarity), size, name)
        found.append(
            Asked(
                question, bool(item["answerable"]),
                max((answerability.covers(question, text) for text in texts), default=0.0),
                similarity, size, math.inf if logit is None else logit,
            )
        )  # fmt: skip
    return found


async def measure(runtime: Runtime, questions: Sequence[dict[str, object]]) -> list[Asked]:
    """Load what isn't loaded, and ask."""
    await runtime.start(("embedding",))
    await runtime.gateway.wait_ready(120)
    try:
        for slug in SOURCES:
            entry = find_source(slug)
            with LoadProgress(entry.title) as progress:
                await load_source(
                    runtime.settings, runtime.database, runtime.gateway, entry,
                    progress=progress.update,
                )  # fmt: skip
        return await ask(runtime, questions)
    finally:
        await runtime.stop()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=Path, default=HERE / "questions.jsonl")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    if not arguments.questions.is_file():
        sys.exit(f"there is no file {arguments.questions}")
    lines = arguments.questions.read_text("utf-8").splitlines()
    questions = [json.loads(line) for line in lines if line.strip()]
    configure_logging("warning", "text")
    runtime = Runtime(load_settings(data_dir=bench_folder()))
    try:
        runtime.open_database()
        asked = asyncio.run(measure(runtime, questions))
    finally:
        runtime.close_database()
    least = answerability.LEAST_LOGIT
    for name, half in (("even", asked[::2]), ("odd", asked[1::2])):
        refused, caught = rates(half, least)
        print(f"{name}: AUC {auc(half):.3f}, refused {refused:.3f}, caught {caught:.3f}")
    for each in asked:
        if (each.logit < least) == each.answerable:
            print(f"wrong: {each.question} (logit {each.logit:.2f})", file=sys.stderr)
    if arguments.fit:
        print("fitted on even:", [round(w, 2) for w in fit(asked[::2])])
    refused, caught = rates(asked, least)
    print(
        json.dumps(
            {
                "auc": round(auc(asked), 4), "least_logit": least, "refused": round(refused, 4),
                "caught": round(caught, 4), "n": len(asked), "passages": asked[0].size,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
