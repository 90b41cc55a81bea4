"""Generations of embeddings: which model's vectors are searched, and which ones are being made.

One serves; another may be filled beside it and takes its place once every passage has its vector.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM

State = Literal["filling", "serving", "retired"]

_DELETED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Generation:
    """The vectors of one model; `dimensions` numbers each."""

    id: int
    model: str
    dimensions: int
    state: State


async def active(session: AsyncSession) -> list[Generation]:
    """The serving generation, then the one that is being filled, where there are."""
    rows = await session.execute(
        text("""
            select id, model, dimensions, state from embedding_generation
            where state <> 'retired' order by state desc
        """)
    )
    return [Generation(*row) for row in rows]


def usable(gateway: Gateway, generation: Generation) -> bool:
    """Whether questions can still be encoded as its vectors were: its model is in the catalogue."""
    known = gateway.catalogue.get(generation.model)
    return known is not None and known.kind == "embedding"


async def begin(database: Database, gateway: Gateway, model: str) -> Generation:
    """Begin vectors of another model; the first of all serve at once.

    So do those that come after a model which is gone from the catalogue: no question could be
    compared with its vectors any more. One that was being filled with another model is given up.
    The same model again is gone on with.

    Raises:
        ChappeError: `unknown_embedding_model` (404), or the model can't be used.
    """
    known = gateway.catalogue.get(model)
    if known is None or known.kind != "embedding":
        raise ChappeError("unknown_embedding_model", 404, model=model)
    vector = (await gateway.embed(SYSTEM, ["dimensions"], "batch", model=known.name))[0]
    async with database.session() as session:
        # Two who begin at once must not both begin.
        await session.execute(text("select one from index_state for update"))
        there = await active(session)
        for generation in there:
            if generation.model == known.name and generation.dimensions == len(vector) // 4:
                return generation
        await session.execute(
            text("update embedding_generation set state = 'retired' where state = 'filling'")
        )
        serves = any(g.state == "serving" and usable(gateway, g) for g in there)
        state: State = "filling" if serves else "serving"
        if not serves:
            await session.execute(
                text("update embedding_generation set state = 'retired' where state = 'serving'")
            )
        result = await session.execute(
            text("""
                insert into embedding_generation (model, dimensions, state, serving_at)
                values (:model, :dimensions, :state,
                        case when :state = 'serving' then now() end) returning id
            """),
            {"model": known.name, "dimensions": len(vector) // 4, "state": state},
        )
        return Generation(int(result.scalar_one()), known.name, len(vector) // 4, state)


async def missing(session: AsyncSession, generation: int) -> int:
    """Passages that have no vector of this generation yet."""
    result = await session.execute(
        text("""
            select count(*) from passage p where not exists (
                select from embedding e
                where e.passage_id = p.id and e.generation_id = :generation)
        """),
        {"generation": generation},
    )
    return int(result.scalar_one())


async def take_over(database: Database, generation: int) -> bool:
    """Let a complete generation serve instead of the one that does; False: it isn't complete."""
    async with database.session() as session:
        await session.execute(text("select one from index_state for update"))
        if await missing(session, generation):
            return False
        await session.execute(
            text("update embedding_generation set state = 'retired' where state = 'serving'")
        )
        await session.execute(
            text("""
                update embedding_generation set state = 'serving', serving_at = now()
                where id = :id and state = 'filling'
            """),
            {"id": generation},
        )
    await sweep(database)
    return True


async def sweep(database: Database) -> None:
    """Delete the vectors of retired generations, some at a time."""
    while True:
        async with database.session() as session:
            result = await session.execute(
                text("""
                    delete from embedding where ctid = any(array(
                        select e.ctid from embedding e
                        join embedding_generation g on g.id = e.generation_id
                        where g.state = 'retired' limit :most)) returning 1
                """),
                {"most": _DELETED_AT_ONCE},
            )
            if not result.all():
                await session.execute(
                    text("""
                        delete from embedding_generation g where state = 'retired'
                            and not exists (select from embedding where generation_id = g.id)
                    """)
                )
                return
