"""A model that is asked whether a passage says a sentence, where words leave it open."""

import pytest

from assistant.world import CARD, World, first, item, world
from chappe.assistant.passage import Passage
from chappe.assistant.review import Review
from chappe.assistant.understanding import Question
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import PAGE

SUPPORTED = "La carte d'identité d'un mineur est valable dix ans"
PARTLY = (
    "Le mineur apporte une photo récente, la carte d'identité du parent et son livret de famille"
)
QUESTION = "Quelles pièces faut-il pour la carte d'identité d'un mineur ?"


def answer_of(number: int) -> str:
    """An answer whose second sentence its source says in part."""
    return f"{SUPPORTED} [{number}]. {PARTLY} [{number}]."


@pytest.fixture
async def passages(database: Database, database_url: str, tmp_path, endpoint) -> list[Passage]:  # type: ignore[no-untyped-def]
    async with world(database, database_url, tmp_path, endpoint) as made:
        await made.load("c", [item(CARD)])
        asked = await made.assistant.retrieve(PAGE, Question(QUESTION))
        return list(asked.passages)


def number_of(passages: list[Passage]) -> int:
    """The passage on minors."""
    return next(p.number for p in passages if "du parent" in p.shown)


async def test_what_waits_is_judged_once_in_the_end(passages: list[Passage]) -> None:
    asked: list[str] = []

    async def agree(claim: str, passage: str) -> bool:
        asked.append(claim)
        return True

    review = Review(passages, second_opinion=True)
    shown = [*review.feed(answer_of(number_of(passages))), *review.close()]
    assert [data["index"] for _, data in shown] == [0] and not asked
    settled = [event async for event in review.settle(agree)]
    assert [(data["index"], data["status"]) for _, data in settled] == [(1, "supported")]
    assert len(asked) == 1 and review.verdict() == "supported"
    assert [c["sentence"] for c in review.citations()] == [0, 1]


async def test_a_model_that_cannot_be_asked_leaves_the_rules(passages: list[Passage]) -> None:
    async def fail(claim: str, passage: str) -> bool:
        raise ChappeError("engine_unavailable", 503, model="m")

    review = Review(passages, second_opinion=True)
    review.feed(answer_of(number_of(passages)))
    review.close()
    with pytest.raises(ChappeError):
        _ = [event async for event in review.settle(fail)]
    assert [data["status"] for _, data in review.give_up()] == ["partly"]
    assert review.give_up() == [] and review.verdict() == "partly_supported"


async def test_it_is_asked_through_the_gateway(
    database: Database,
    database_url: str,
    tmp_path,
    endpoint,  # type: ignore[no-untyped-def]
) -> None:
    endpoint.requests.clear()
    endpoint.script = [answer_of(1)]
    async with world(database, database_url, tmp_path, endpoint, citation_model="m") as made:
        await made.load("c", [item(CARD)])
        events = await _ask(made)
        # What it is told is the answer again, which isn't the JSON that was asked for: no.
        assert first(events, "done")["status"] == "partly_supported"
        assert first(events, "done")["second_opinion_refused"] is None
        assert "PASSAGE" in str(endpoint.requests[-1]["messages"])
    async with world(database, database_url, tmp_path, endpoint, citation_model="none") as made:
        assert first(await _ask(made), "done")["second_opinion_refused"] == "unknown_model"


async def _ask(made: World) -> list[tuple[str, dict[str, object]]]:
    return await made.ask(QUESTION)
