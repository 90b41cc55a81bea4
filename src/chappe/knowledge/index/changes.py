"""What the database tells the index: events in the order of commits, and rows as they are now.

Events say which passages changed, not how: what is read is always the present state, so that
reading an event twice, or a state that is newer than its event, does no harm.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chappe.core.connections import Connection
from chappe.knowledge.index.lexical import PassageTerms
from chappe.knowledge.index.rows import RowKey
from chappe.knowledge.index.store import Position

CHANNEL = "chappe_index"

_KEY = """
    p.id, p.version_id, p.collection_id, d.kind, v.media_type, v.date, p.valid_from, p.valid_to
"""
_TABLES = """
    passage p join document_version v on v.id = p.version_id
    join document d on d.id = v.document_id
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Passages that changed, or whose vectors of one generation did."""

    seq: int
    token: str
    generation: int | None
    passages: list[int]


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A passage and its vector, (d,) float32."""

    key: RowKey
    vector: npt.NDArray[np.float32]


async def head(connection: Connection) -> Position:
    """The last event that was committed."""
    cursor = await connection.execute("""
        select s.identity, coalesce(e.seq, 0), coalesce(e.token::text, '')
        from index_state s left join lateral (
            select seq, token from index_event where seq is not null order by seq desc limit 1
        ) e on true
    """)
    row = await cursor.fetchone()
    assert row is not None
    return Position(str(row[0]), row[1], row[2])


async def continues(connection: Connection, position: Position) -> bool:
    """Does the database's history hold this position, and all that came after it."""
    cursor = await connection.execute(
        "select identity = %s and case when %s = 0 then swept_to = 0 else exists ("
        " select from index_event where seq = %s and token::text = %s) end from index_state",
        (_uuid(position.identity), position.seq, position.seq, position.token),
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


async def since(connection: Connection, seq: int, most: int) -> list[Event]:
    """The next events after `seq`: at most so many, at least one if there is any."""
    cursor = await connection.execute(
        "select seq, token::text, generation_id, passages from index_event"
        " where seq > %s order by seq limit %s",
        (seq, most),
    )
    return [Event(*row) for row in await cursor.fetchall()]


async def sweep(connection: Connection, days: int) -> None:
    """Let old events go; who was away for longer makes its index anew."""
    await connection.execute(
        """
        with gone as (
            delete from index_event where at < now() - make_interval(days => %s)
                and seq < (select max(seq) from index_event) returning seq
        )
        update index_state set swept_to = greatest(swept_to, (select max(seq) from gone))
        where exists (select from gone)
        """,
        (days,),
    )


async def generations(connection: Connection) -> list[int]:
    """Embedding generations that are being searched or filled."""
    cursor = await connection.execute(
        "select id from embedding_generation where state <> 'retired' order by id"
    )
    return [row[0] for row in await cursor.fetchall()]


async def passages(connection: Connection, ids: Sequence[int]) -> list[PassageTerms]:
    """Those of these passages that are there, in increasing order."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        f"select {_KEY}, p.terms, p.body_length, p.context_length"  # noqa: S608
        f" from {_TABLES} where p.id = any(%s) and p.analysis > 0 order by p.id",
        (list(ids),),
    )
    return [_terms(row) for row in await cursor.fetchall()]


async def passages_after(connection: Connection, after: int, most: int) -> list[PassageTerms]:
    """The next passages after one, in increasing order."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        f"select {_KEY}, p.terms, p.body_length, p.context_length"  # noqa: S608
        f" from {_TABLES} where p.id > %s and p.analysis > 0 order by p.id limit %s",
        (after, most),
    )
    return [_terms(row) for row in await cursor.fetchall()]


async def vectors(connection: Connection, generation: int, ids: Sequence[int]) -> list[VectorRow]:
    """The vectors of those of these passages that have one, in increasing order."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        f"select {_KEY}, e.vector from {_TABLES} join embedding e on e.passage_id = p.id"  # noqa: S608
        " where e.generation_id = %s and e.passage_id = any(%s) order by p.id",
        (generation, list(ids)),
    )
    return [_vector(row) for row in await cursor.fetchall()]


async def vectors_after(
    connection: Connection, generation: int, after: int, most: int
) -> list[VectorRow]:
    """The next vectors after a passage, in increasing order of passages."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        f"select {_KEY}, e.vector from {_TABLES} join embedding e on e.passage_id = p.id"  # noqa: S608
        " where e.generation_id = %s and e.passage_id > %s order by e.passage_id limit %s",
        (generation, after, most),
    )
    return [_vector(row) for row in await cursor.fetchall()]


def _terms(row: tuple[Any, ...]) -> PassageTerms:
    return PassageTerms(RowKey(*row[:8]), row[8], row[9], row[10])


def _vector(row: tuple[Any, ...]) -> VectorRow:
    return VectorRow(RowKey(*row[:8]), halves(row[8]))


def halves(sent: bytes) -> npt.NDArray[np.float32]:
    """A halfvec in pgvector's binary form: its length, an unused number, big-endian halves."""
    return np.frombuffer(sent, ">f2", offset=4).astype(np.float32)


def to_halves(vector: bytes) -> bytes:
    """pgvector's binary form of a vector given as little-endian float32."""
    values = np.frombuffer(vector, "<f4").astype(">f2")
    return len(values).to_bytes(2, "big") + b"\0\0" + values.tobytes()
