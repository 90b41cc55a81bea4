"""Passages by the million, made from real ones: words replaced, vectors shaken."""

import datetime as dt
import hashlib
import io
import json
import struct
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import psycopg

from chappe.core.blobs import archive_folder
from chappe.core.settings import Settings
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM
from chappe.knowledge.analysis import terms
from chappe.knowledge.catalogue import find_source
from chappe.knowledge.document import PassageSpan, SourceDocument
from chappe.knowledge.download import fetch
from chappe.knowledge.index.changes import to_halves
from chappe.knowledge.index.terms import digest
from chappe.knowledge.indexing import ANALYSIS, context
from chappe.knowledge.passages import split
from chappe.knowledge.vectors import embedded_text

SOURCES = ("fiches-particuliers", "code-travail")
# Of each: passages of one block of topics, and a tenth of every block, and so on.
BLOCKS, PARTS = 10, 100
_REPLACED = 0.15
# A copy's vector: the real one, some of another's, and noise; its cosine with the real one is
# about 0.93.
_OTHER, _NOISE = 0.25, 0.25


@dataclass(frozen=True)
class RealPassage:
    """A passage of a real document, and the digests of its terms."""

    document: SourceDocument
    span: PassageSpan
    body: np.ndarray
    context: np.ndarray


async def real_passages(settings: Settings, most: int) -> list[RealPassage]:
    """The first passages of the real sources, as many of each."""
    found: list[RealPassage] = []
    for slug in SOURCES:
        source = find_source(slug)
        archive = await fetch(source.package, archive_folder(settings))
        found += list(islice(_passages(source.read(archive, False)), most // len(SOURCES)))
    return found


def _digests(words: Sequence[str]) -> np.ndarray:
    return np.array([digest(word) for word in words], np.uint64)


def _passages(items: Iterator) -> Iterator[RealPassage]:
    for item in items:
        document = item.parse()
        about = terms(context(document))
        for span in split(document):
            body = terms(document.text[span.start : span.end])
            around = [*about, *terms(" ".join(span.heading_path))]
            yield RealPassage(document, span, _digests(body), _digests(around))


async def real_vectors(
    gateway: Gateway, passages: Sequence[RealPassage], folder: Path
) -> np.ndarray:
    """Their vectors by the gateway's encoder, (n, d) float32; kept for the next run."""
    assert gateway.encoder is not None
    texts = [
        embedded_text(
            passage.document.title,
            passage.span.heading_path,
            passage.document.text[passage.span.start : passage.span.end],
        )
        for passage in passages
    ]
    return await encoded(gateway, texts, "passage", folder)


async def encoded(gateway: Gateway, texts: Sequence[str], purpose: str, folder: Path) -> np.ndarray:
    """Vectors of texts, kept by content for the next run."""
    name = gateway.encoder.name
    key = hashlib.sha256("\0".join((name, purpose, *texts)).encode()).hexdigest()[:16]
    kept = folder / f"vectors-{key}.npy"
    if kept.exists():
        return np.load(kept)
    found: list[bytes] = []
    for begin in range(0, len(texts), 64):
        found += await gateway.embed(SYSTEM, texts[begin : begin + 64], "batch", purpose=purpose)
        print(f"\rencoded {len(found)} of {len(texts)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    vectors = np.stack([np.frombuffer(vector, "<f4") for vector in found])
    np.save(kept, vectors)
    return vectors


def perturbed_terms(
    passage: RealPassage, words: np.ndarray, draw: np.random.Generator
) -> tuple[bytes, int, int]:
    """Packed terms of a copy in which words were replaced, and its fields' lengths."""
    body = passage.body.copy()
    replaced = draw.random(len(body)) < _REPLACED
    body[replaced] = words[draw.integers(len(words), size=int(replaced.sum()))]
    digests, places = np.unique(np.concatenate([body, passage.context]), return_inverse=True)
    own = np.bincount(places[: len(body)], minlength=len(digests))
    around = np.bincount(places[len(body) :], minlength=len(digests))
    counts = [np.minimum(c, 255).astype(np.uint8).tobytes() for c in (own, around)]
    return digests.tobytes() + counts[0] + counts[1], len(body), len(passage.context)


def perturbed_vector(vectors: np.ndarray, at: int, draw: np.random.Generator) -> np.ndarray:
    """A vector beside a real one, of unit length."""
    other = vectors[draw.integers(len(vectors))]
    noise = draw.standard_normal(vectors.shape[1], dtype=np.float32)
    vector = vectors[at] + _OTHER * other + _NOISE / np.sqrt(vectors.shape[1]) * noise
    return vector / np.linalg.norm(vector)


def fill(
    connection: psycopg.Connection,
    passages: Sequence[RealPassage],
    vectors: np.ndarray,
    count: int,
    model: str,
    seed: int = 1,
) -> None:
    """Write `count` passages with their documents, collections and vectors.

    Straight into the tables, without triggers: what is measured is search and the building of its
    index. A document's copies keep its text; the copies of one block of topics are in that
    block's collections.
    """
    draw = np.random.default_rng(seed)
    words = np.concatenate([passage.body for passage in passages])
    first: dict[int, int] = {}
    documents: list[list[int]] = []
    for place, passage in enumerate(passages):
        at = first.setdefault(id(passage.document), len(documents))
        if at == len(documents):
            documents.append([])
        documents[at].append(place)
    connection.execute("set session_replication_role = replica")
    owner = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into collection (slug, title, source, public, owner_kind, owner_id)"
            " select 'c' || n, 'c' || n, '', false, 'organisation', %s"
            " from generate_series(0, %s) n",
            (owner, BLOCKS * PARTS - 1),
        )
        cursor.execute("select slug, id from collection")
        ids = {slug: key for slug, key in cursor.fetchall()}
        cursor.execute(
            "insert into embedding_generation (model, dimensions, state, serving_at)"
            " values (%s, %s, 'serving', now()) returning id",
            (model, vectors.shape[1]),
        )
        generation = cursor.fetchone()[0]
        written, number = 0, 0
        while written < count:
            batch = []
            for _ in range(2_000):
                if written >= count:
                    break
                number += 1
                at = int(draw.integers(len(documents)))
                block = at * BLOCKS // len(documents)
                collection = ids[f"c{block * PARTS + int(draw.integers(PARTS))}"]
                own = documents[at][: count - written]
                batch.append((number, uuid.uuid4(), collection, own, written))
                written += len(own)
            _write(cursor, batch, passages, vectors, words, generation, draw)
            connection.commit()
            print(f"\rwritten {written} of {count}", end="", file=sys.stderr)
        print(file=sys.stderr)
        cursor.execute(
            "update collection c set passages = n.n from"
            " (select collection_id, count(*) n from passage group by 1) n"
            " where n.collection_id = c.id"
        )
    connection.commit()
    connection.execute("set session_replication_role = default")
    connection.commit()
    connection.autocommit = True
    connection.execute("vacuum (analyze)")
    connection.autocommit = False


def _write(cursor, batch, passages, vectors, words, generation, draw) -> None:  # type: ignore[no-untyped-def]
    with cursor.copy(
        "copy document (id, collection_id, external_id, kind, name, state) from stdin"
    ) as copy:
        for number, key, collection, own, _ in batch:
            document = passages[own[0]].document
            copy.write_row(
                (key, collection, f"{document.external_id}-{number}", document.kind,
                 document.title, "ready")
            )  # fmt: skip
    with cursor.copy(
        "copy document_version (id, document_id, number, title, url, date, text, metadata,"
        " content_hash, read_at) from stdin"
    ) as copy:
        for number, key, _, own, _ in batch:
            document = passages[own[0]].document
            copy.write_row(
                (number, key, 1, document.title, document.url, document.date, document.text,
                 json.dumps(document.metadata), "h", dt.datetime.now(dt.UTC))
            )  # fmt: skip
    with cursor.copy(
        "copy passage (id, document_id, version_id, collection_id, ordinal, start_at, end_at,"
        " heading_path, terms, body_length, context_length, analysis) from stdin"
    ) as copy:
        for number, key, collection, own, before in batch:
            for ordinal, place in enumerate(own):
                passage = passages[place]
                packed, body, around = perturbed_terms(passage, words, draw)
                copy.write_row(
                    (before + ordinal + 1, key, number, collection, ordinal, passage.span.start,
                     passage.span.end, list(passage.span.heading_path), packed, body, around,
                     ANALYSIS)
                )  # fmt: skip
    rows = io.BytesIO()
    rows.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for _, _, _, own, before in batch:
        for ordinal, place in enumerate(own):
            half = to_halves(perturbed_vector(vectors, place, draw).astype("<f4").tobytes())
            rows.write(struct.pack(">hiqih", 3, 8, before + ordinal + 1, 2, generation))
            rows.write(struct.pack(">i", len(half)) + half)
    rows.write(struct.pack(">h", -1))
    with cursor.copy(
        "copy embedding (passage_id, generation_id, vector) from stdin (format binary)"
    ) as copy:
        copy.write(rows.getvalue())
