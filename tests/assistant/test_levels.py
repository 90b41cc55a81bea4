"""What a question may say to which models: the levels that searches ask them with."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import support
from assistant.world import CARD, World, first, item, world
from chappe.assistant.conversation import Turn
from chappe.assistant.understanding import ChosenCase
from chappe.core.database import Database
from chappe.identity.access import Actor


@pytest.fixture
async def asked(
    database: Database,
    database_url: str,
    tmp_path: Path,
    endpoint: support.ScriptedEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[World, list[int]]]:
    """A world whose only collection is of level 1, and the levels of what is searched."""
    levels: list[int] = []
    async with world(database, database_url, tmp_path, endpoint) as made:
        await made.load("fiches", [item(CARD)], level=1)
        search = made.search

        async def watched(actor: Actor, *given: Any, **more: Any) -> Any:
            levels.append(actor.level)
            return await search(actor, *given, **more)

        monkeypatch.setattr(made.assistant.retrieve, "_search", watched)
        watched.summary = search.summary  # type: ignore[attr-defined]
        yield made, levels


async def test_the_name_of_a_case_is_as_sensitive_as_its_document(
    asked: tuple[World, list[int]],
) -> None:
    there, levels = asked
    there.model.script = ["Bonjour."]
    events = await there.ask("Quelle est la durée de validité de la carte d'identité ?")
    assert levels == [0]
    card = first(events, "sources")["sources"][0]["document"]["id"]
    case = ChosenCase(card, ("Pièces à fournir", "Pour un mineur"))
    await there.ask("Quelle est la durée de validité de la carte d'identité ?", case=case)
    assert levels == [0, 1]


async def test_a_question_rewritten_from_answers_is_as_sensitive_as_they_may_be(
    asked: tuple[World, list[int]],
) -> None:
    there, levels = asked
    there.model.script = ["Combien coûte la carte d'identité gratuite ?"]
    turn = Turn("Comment refaire sa carte ?", "La carte d'identité est gratuite.")
    events = await there.ask("Combien ça coûte ?", turns=[turn])
    assert first(events, "search")["by"] == "model"
    assert set(levels) == {1}
