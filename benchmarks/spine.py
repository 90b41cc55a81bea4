"""Start-up time, loading rate with where the time goes, and search times on the demo corpus.

`make bench`. Search is compared, in the same run, with the cost of its two halves and of an empty
round trip to the database.
"""

import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from chappe.core.settings import load_settings
from chappe.core.telemetry import configure_logging
from chappe.identity.access import SYSTEM
from chappe.knowledge.catalogue import SOURCES, load_source
from chappe.server.runtime import Runtime

QUERIES = (
    "Quelles pièces faut-il pour refaire sa carte d'identité ?",
    "Comment inscrire mon enfant à l'école ?",
    "délai de réponse de l'administration silence vaut acceptation",
    "article L112-3",
    "Peut-on contester une amende ?",
    "renouvellement passeport mineur",
    "Combien coûte un permis de conduire perdu ?",
    "motivation des décisions administratives défavorables",
    "aide au logement étudiant",
    "Qui peut toucher le RSA ?",
)


def machine() -> str:
    """The processor, in words."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


def start_seconds(folder: Path) -> float:
    """Seconds from the command `chappe serve` to `ready`, then Ctrl-C."""
    environment = os.environ | {"CHAPPE_DATA_DIR": str(folder), "PORT": "18431"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "chappe", "serve", "--no-worker"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            break
    seconds = time.perf_counter() - began
    process.send_signal(signal.SIGINT)
    process.wait()
    return seconds


async def load_and_search(runtime: Runtime) -> dict[str, object]:
    """Load the demo corpus, then time the searches."""

    async def quiet(step: str, done: int, total: int | None) -> None:
        pass

    await runtime.start(("embedding",))
    await runtime.gateway.wait_ready(120)
    result: dict[str, object] = {}
    try:
        for slug in ("fiches-particuliers", "code-crpa"):
            began = time.perf_counter()
            report = await load_source(
                runtime.settings, runtime.database, runtime.gateway, SOURCES[slug], progress=quiet
            )
            seconds = time.perf_counter() - began
            result[slug] = {
                "documents": report.added,
                "passages": report.embedded,
                "seconds": round(seconds, 1),
                "documents_per_second": round(report.added / seconds, 1),
                "documents_per_second_before_vectors": round(
                    report.added / (seconds - report.seconds["embed"]), 1
                ),
                "where_the_time_goes_s": {k: round(v, 1) for k, v in report.seconds.items()},
            }
            began = time.perf_counter()
            await load_source(
                runtime.settings, runtime.database, runtime.gateway, SOURCES[slug], progress=quiet
            )
            result[f"{slug}, unchanged"] = {"seconds": round(time.perf_counter() - began, 1)}
        async with runtime.database.session() as session:
            collections = list(await session.scalars(text("select id from collection")))
        times: dict[str, list[float]] = {k: [] for k in ("hybrid", "lexical", "dense", "nothing")}
        for _ in range(10):
            for query in QUERIES:
                for name in times:
                    began = time.perf_counter()
                    if name == "hybrid":
                        await runtime.search(SYSTEM, query)
                    elif name == "lexical":
                        await runtime.search.lexical(query, collections)
                    elif name == "dense":
                        await runtime.search.dense(query, collections)
                    else:
                        async with runtime.database.session() as session:
                            await session.execute(text("select 1"))
                    times[name].append((time.perf_counter() - began) * 1000)
        for name, values in times.items():
            cuts = statistics.quantiles(values, n=20)
            result[f"search {name}"] = {
                "p50_ms": round(statistics.median(values), 1),
                "p95_ms": round(cuts[18], 1),
                "ratio_to_round_trip": round(
                    statistics.median(values) / statistics.median(times["nothing"]), 1
                ),
            }
    finally:
        await runtime.stop()
    return result


def main() -> None:
    """Run the benchmark in a fresh data folder; the archives are taken from the usual one."""
    configure_logging("warning", "text")
    usual = load_settings().data_dir
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        if (usual / "corpora").is_dir():
            shutil.copytree(usual / "corpora", folder / "corpora")
        first = start_seconds(folder)
        again = [start_seconds(folder) for _ in range(5)]
        runtime = Runtime(load_settings(data_dir=folder))
        try:
            runtime.open_database()
            result = asyncio.run(load_and_search(runtime))
        finally:
            runtime.close_database()
        full = [start_seconds(folder) for _ in range(5)]
    start = {
        "first_s": round(first, 2),
        "again_s": round(statistics.median(again), 2),
        "again_with_corpus_s": round(statistics.median(full), 2),
    }
    print(json.dumps({"machine": machine(), "start": start} | result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
