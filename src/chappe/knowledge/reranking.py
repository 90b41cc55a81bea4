"""A reranking model of the catalogue, where there is one: it reads the best passages again."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from chappe.core.errors import ChappeError
from chappe.gateway import Gateway
from chappe.identity.access import SYSTEM, Actor

log = logging.getLogger(__name__)

# Passages that the model reads: it is slow, and what it doesn't read keeps its place after them.
READ = 30


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]


async def relevance(
    gateway: Gateway, actor: Actor, level: int, query: str, texts: Sequence[str]
) -> list[float] | None:
    """How relevant each text is to the query; None: no model is there, or it can't be used.

    Args:
        level: highest sensitivity among the texts: the model must be cleared for it.
    """
    model = gateway.catalogue.default("rerank")
    if model is None or not texts:
        return None
    asker = replace(SYSTEM, level=max(actor.level, level))
    body = msgspec.json.encode({"model": model.name, "query": query, "documents": list(texts)})
    try:
        status, answer, _, _ = await gateway.call(asker, "rerank", body, "interactive")
        if status != 200:
            raise ChappeError("engine_refused", 502, reason=str(status))
        results = msgspec.json.decode(answer, type=_Answer).results
        scores = {result.index: result.relevance_score for result in results}
        return [scores[index] for index in range(len(texts))]
    except (ChappeError, msgspec.DecodeError, KeyError) as error:
        # The order without it is good too; the answer says that it had no part in it.
        reason = error.code if isinstance(error, ChappeError) else type(error).__name__
        log.warning("search_without_reranking", extra={"reason": reason})
        return None
