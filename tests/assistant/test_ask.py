"""Questions from end to end: a real database, a real search, a model that obeys the test."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import support
from assistant.world import CARD, LAW, LEAVE, OLD_LAW, World, first, item, names, world
from chappe.assistant.understanding import ChosenCase, Question
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import PAGE

LAW_QUESTION = "Quel est le délai de réponse de l'administration ?"


@pytest.fixture
async def asked(
    database: Database, database_url: str, tmp_path: Path, endpoint: support.ScriptedEndpoint
) -> AsyncIterator[World]:
    endpoint.script = ["Bonjour."]
    endpoint.requests.clear()
    async with world(database, database_url, tmp_path, endpoint) as made:
        await made.load("fiches", [item(CARD), item(LEAVE)])
        await made.load("loi", [item(OLD_LAW, "1"), item(LAW, "2")])
        yield made


async def test_a_follow_up_is_searched_whole(asked: World) -> None:
    asked.model.script = ["Combien coûte la carte d'identité ?"]
    events = await asked.ask("Combien ça coûte ?", turns=["Comment refaire sa carte d'identité ?"])
    searched = first(events, "search")
    assert (searched["by"], searched["question"]) == ("model", asked.model.script[0])
    assert first(events, "sources")["sources"][0]["document"]["external_id"] == "carte"


async def test_the_sources_decide_whether_a_question_follows(asked: World) -> None:
    asked.model.script = ["Bonjour."]  # no rewriting: the rules decide
    turns = ["Quelle est la durée du congé de paternité ?"]
    events = await asked.ask("Quand le salarié prévient-il son employeur ?", turns=turns)
    assert first(events, "search")["follows"]
    assert "congé de paternité" in first(events, "search")["question"]
    events = await asked.ask("Comment renouveler une carte perdue ?", turns=turns)
    assert not first(events, "search")["follows"]
    assert first(events, "search")["question"] == "Comment renouveler une carte perdue ?"


async def test_what_a_model_invents_is_not_searched(asked: World) -> None:
    asked.model.script = ["Combien coûte le passeport de Brigitte Durand en 2024 ?"]
    events = await asked.ask("Combien ça coûte ?", turns=["Comment refaire sa carte d'identité ?"])
    searched = first(events, "search")
    assert (searched["by"], searched["refused"]) == ("rules", "not_of_the_conversation")
    assert searched["question"] == "Combien ça coûte (refaire sa carte d'identité)\u00a0?"
    assert first(events, "sources")["sources"][0]["document"]["external_id"] == "carte"


async def test_a_double_question_is_searched_in_parts(asked: World) -> None:
    events = await asked.ask(
        "Combien coûte la carte d'identité et quelle est la durée du congé de paternité ?"
    )
    assert len(first(events, "search")["queries"]) == 2
    sources = first(events, "sources")["sources"]
    assert {source["document"]["external_id"] for source in sources[:2]} == {"carte", "conge"}
    assert [source["number"] for source in sources] == list(range(1, len(sources) + 1))


async def test_what_the_sources_do_not_hold_is_said(asked: World) -> None:
    events = await asked.ask("Comment régler le carburateur d'un tracteur Zéphyr d'occasion ?")
    assert names(events)[-2:] in (["no_answer", "done"], ["sources", "done"])
    assert first(events, "done")["status"] in ("no_answer", "no_sources")
    assert not asked.model.requests, "no model is asked"


async def test_a_model_that_admits_gives_no_answer(asked: World) -> None:
    asked.model.script = ["Les sources ne permettent pas de répondre à cette question."]
    events = await asked.ask("Combien coûte la carte d'identité ?")
    assert first(events, "done")["status"] == "no_answer"
    closest = first(events, "no_answer")["closest"]
    assert closest[0]["external_id"] == "carte"
    assert "extracts" not in names(events)


async def test_the_law_is_that_of_the_date(asked: World) -> None:
    asked.model.script = ["Le délai de réponse est de deux mois [1]."]
    events = await asked.ask(LAW_QUESTION)
    (citation,) = first(events, "done")["citations"]
    assert (citation["version"], citation["valid_from"]) == (2, "2014-11-12")
    assert citation["valid_to"] is None
    for more in ({"date": dt.date(2010, 5, 1)}, {}):
        asked.model.script = ["Le délai de réponse est de quatre mois [1]."]
        question = LAW_QUESTION if more else LAW_QUESTION.replace(" ?", " en 2010 ?")
        events = await asked.ask(question, **more)
        (citation,) = first(events, "done")["citations"]
        assert (citation["version"], citation["valid_to"]) == (1, "2014-11-12")
        told = asked.told()
        assert "quatre mois" in told and "deux mois" not in told


async def test_a_date_stays_for_what_follows(asked: World) -> None:
    asked.model.script = ["Le délai de réponse est de quatre mois [1]."]
    events = await asked.ask("Et le délai de réponse ?", turns=["L'administration en 2010 ?"])
    assert first(events, "search")["date"] == "2010-12-31"


async def test_a_time_that_is_not_a_date_is_told(asked: World) -> None:
    question = LAW_QUESTION.replace(" ?", " avant la réforme de 2014 ?")
    searched = first(await asked.ask(question), "search")
    assert searched["date_words"] == "avant la réforme de 2014"
    assert searched["date_origin"] == "today"


CARD_QUESTION = "Quelles pièces faut-il pour la carte d'identité ?"


async def test_cases_that_differ_are_asked_about(asked: World) -> None:
    events = await asked.ask(CARD_QUESTION)
    choices = first(events, "clarification")["choices"]
    assert [choice["label"] for choice in choices] == ["Pour un majeur", "Pour un mineur"]
    assert choices[1]["path"] == ["Pièces à fournir", "Pour un mineur"]
    case = ChosenCase(choices[1]["document"], tuple(choices[1]["path"]))
    asked.model.script = ["La carte d'identité d'un mineur est valable dix ans [1]."]
    events = await asked.ask(CARD_QUESTION, case=case)
    assert "clarification" not in names(events)
    assert first(events, "done")["status"] == "supported"
    assert "quinze ans" not in asked.told()


async def test_a_question_that_names_its_case_is_not_asked_back(asked: World) -> None:
    for question in (
        "la carte d'identité d'un mineur",
        "la carte d'identité de mon fils de 12 ans",
    ):
        events = await asked.ask(f"Quelles pièces faut-il pour {question} ?")
        assert "clarification" not in names(events)


async def test_a_case_that_is_not_there_is_refused(asked: World) -> None:
    events = await asked.ask(CARD_QUESTION)
    card = first(events, "clarification")["choices"][0]["document"]
    with pytest.raises(ChappeError) as caught:
        await asked.ask(CARD_QUESTION, case=ChosenCase(card, ("Pour un chat",)))
    assert caught.value.code == "unknown_case"
    for unknown in ("00000000-0000-0000-0000-000000000000", "x"):
        with pytest.raises(ChappeError) as caught:
            await asked.ask(CARD_QUESTION, case=ChosenCase(unknown))
        assert caught.value.code == "not_found"


async def test_a_table_is_told_with_its_header(asked: World) -> None:
    asked.model.script = ["Pour des naissances multiples, la durée du congé est de 32 jours [1]."]
    events = await asked.ask("Quelle durée du congé de paternité pour des naissances multiples ?")
    assert "Situation | Durée du congé" in asked.told()
    assert first(events, "done")["status"] == "supported"


async def test_passages_raise_the_level_of_the_question(asked: World) -> None:
    model = asked.gateway.catalogue.get("m")
    assert model is not None
    model.endpoints[0].clearance = 1
    await asked.load("secret", [item(replace(CARD, external_id="secrete"))], level=2)
    events = await asked.ask(CARD_QUESTION, collections=["secret"])
    assert not asked.model.requests, "an endpoint that isn't cleared was told"
    assert first(events, "error")["code"] == "not_cleared"
    assert first(events, "extracts")["extracts"]
    await asked.ask(CARD_QUESTION, collections=["fiches"])
    assert asked.model.requests


async def test_the_answer_speaks_the_language_of_the_question(asked: World) -> None:
    asked.model.script = ["Combien coûte la carte d'identité ?"]
    await asked.ask("How much is the carte d'identité?")
    assert "Answer in English" in asked.told()
    assert first(await asked.ask("Wie viel kostet die Karte?"), "search")["by"] == "model"
    assert "Answer in German" in asked.told()
    await asked.ask("carte d'identité", reader="en")
    assert "Answer in English" in asked.told()
    await asked.ask("How much is the carte d'identité?", language="fr")
    assert "Réponds en français" in asked.told()


async def test_the_whole_answer_says_what_the_events_say(asked: World) -> None:
    asked.model.script = ["En cas de perte, son renouvellement coûte 25 € [1]."]
    question = Question("Combien coûte la carte d'identité en cas de perte ?")
    retrieved = await asked.assistant.retrieve(PAGE, question)
    whole = await asked.assistant.whole(PAGE, retrieved, "fr", "r")
    assert whole["answer"] == asked.model.script[0] and whole["status"] == "supported"
    (citation,) = whole["citations"]
    assert citation["state"] == "supported" and "25 €" in citation["quote"]
    source = whole["sources"][citation["number"] - 1]
    passage = source["passage"]
    start = citation["start"] - passage["start"]
    assert passage["text"][start : citation["end"] - passage["start"]] == citation["quote"]
