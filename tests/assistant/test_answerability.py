import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.answerability import (
    LEAST_LOGIT,
    Evidence,
    covers,
    logit,
    passage_keys,
    question_weights,
)

CARD = "Carte d'identité\nCoût\nLa carte d'identité est gratuite, sauf en cas de perte : 25 €."


def answers(question: str, passage: str, size: int = 100) -> bool:
    value = logit(question, Evidence([passage], None), size, None)
    return value is not None and value >= LEAST_LOGIT


def test_a_passage_that_says_the_question_answers_it() -> None:
    for question in (
        "Combien coûte la carte d'identité ?",
        "la carte d'identité est-elle payante ?",
    ):
        assert answers(question, CARD)


@pytest.mark.parametrize(
    "question",
    ["Comment planter des tomates en pot ?", "Quel est le cours de l'action Airbus ?",
     "Combien coûte un billet de train pour Lyon ?"],
)  # fmt: skip
def test_a_passage_of_something_else_does_not(question: str) -> None:
    assert not answers(question, CARD)


def test_an_article_that_is_not_there_is_not_answered() -> None:
    article = "Article L1234-1 – Code du travail\nLe préavis de licenciement dure un mois."
    assert answers("Que dit l'article L1234-1 ?", article)
    assert not answers("Que dit l'article L9999-9 ?", article)


def test_more_passages_say_more_by_chance() -> None:
    evidence = Evidence([CARD], None)
    values = [logit("la carte bleue", evidence, size, None) for size in (1, 1_000, 1_000_000)]
    assert values == sorted(values, reverse=True)  # type: ignore[type-var]


def test_a_question_without_a_word_is_left_open() -> None:
    assert logit("et ?", Evidence([CARD], None), 10, None) is None
    assert logit("la carte", Evidence([], None), 10, None) is not None


@given(st.text(max_size=80), st.text(max_size=200))
def test_a_share_is_a_share(question: str, passage: str) -> None:
    assert 0 <= covers(question, passage) <= 1
    if question_weights(question).keys() <= passage_keys(question):
        assert covers(question, question) in (0, pytest.approx(1))
