"""What holds for every sentence: figures, spans, states, and the second opinion of a model."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.assistant.citations import CitationChecker, Source, check_answer
from chappe.assistant.entailment import check_with, read_opinion
from chappe.assistant.facts import find_facts
from chappe.assistant.sentences import SentenceSpan, split_sentences

SOURCE = Source(
    1,
    "Le salarié peut contester la décision dans un délai de 45 jours.\n"
    "La demande coûte 128,50 € et doit être envoyée avant le 31 mars 2026.\n"
    "Selon l'article L. 1226-17 du code du travail, l'indemnité représente 35 % du salaire brut.\n"
    "L'employeur ne peut pas refuser le congé d'un salarié qui a plus de 3 ans d'ancienneté.",
    "Indemnité de congé",
)
SAID = (
    "La décision peut être contestée par le salarié dans les 45 jours [1].",
    "La demande coûte 128,50 € [1].",
    "Il faut envoyer la demande avant le 31 mars 2026 [1].",
    "L'indemnité est de 35 % du salaire brut, selon l'article L. 1226-17 du code du travail [1].",
    "L'employeur ne peut pas refuser le congé d'un salarié qui a plus de 3 ans d'ancienneté [1].",
)
DENIED = (
    "La décision ne peut pas être contestée par le salarié dans les 45 jours [1].",
    "La demande ne coûte pas 128,50 € [1].",
    "Il ne faut pas envoyer la demande avant le 31 mars 2026 [1].",
    "L'employeur peut refuser le congé d'un salarié qui a plus de 3 ans d'ancienneté [1].",
)


def whole(sentence: str) -> SentenceSpan:
    return SentenceSpan(0, 0, len(sentence))


def status(sentence: str) -> str:
    return check_answer(sentence, [whole(sentence)], [SOURCE])[0].status


@pytest.mark.parametrize("sentence", SAID)
def test_said(sentence: str) -> None:
    (check,) = check_answer(sentence, split_sentences(sentence), [SOURCE])
    assert check.status == "supported", check
    assert check.missing == ()
    (citation,) = check.citations
    assert citation.span is not None
    assert SOURCE.text[citation.span.start : citation.span.end] == citation.quote


@pytest.mark.parametrize("sentence", DENIED)
def test_denied(sentence: str) -> None:
    assert status(sentence) != "supported"


@given(st.sampled_from(SAID), st.integers(0, 30), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_any_changed_digit_is_caught(sentence: str, place: int, step: int) -> None:
    digits = [m.start() for m in re.finditer(r"\d", sentence.removesuffix("[1]."))]
    digits = [place for place in digits if place < sentence.rindex("[")]
    at = digits[place % len(digits)]
    changed = f"{sentence[:at]}{(int(sentence[at]) + step) % 10}{sentence[at + 1 :]}"
    assert status(changed) != "supported", changed


@given(st.text(max_size=80), st.text(max_size=120))
@settings(deadline=None, max_examples=60)
def test_whatever_the_texts_spans_are_exact(sentence: str, text: str) -> None:
    answer = f"{sentence} [1]"
    source = Source(1, text)
    for check in check_answer(answer, split_sentences(answer), [source]):
        for citation in check.citations:
            assert (citation.status == "checked") == (citation.span is not None)
            if citation.span is not None:
                assert text[citation.span.start : citation.span.end] == citation.quote


def test_words_that_the_source_lacks_are_named() -> None:
    sentence = "La demande coûte 128,50 € et doit être envoyée au guichet unique [1]."
    (check,) = check_answer(sentence, [whole(sentence)], [SOURCE])
    assert check.status == "partly"
    assert "guichet" in check.missing
    assert [citation.status for citation in check.citations] == ["failed"]
    assert [citation.reason for citation in check.citations] == ["partly_supported"]


def test_a_changed_figure_is_named() -> None:
    sentence = "La demande coûte 182,50 € [1]."
    (check,) = check_answer(sentence, [whole(sentence)], [SOURCE])
    assert check.status == "unsupported"
    assert check.missing == ("182,50 €",)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("au moins 3 mois", "least"),
        ("3 mois minimum", "least"),
        ("26 salariés et plus", "least"),
        ("ne peut pas dépasser 3 mois", "most"),
        ("ne travaille pas plus de 40 heures", "most"),
        ("ne peut pas être inférieure à 3 mois", "least"),
        ("5 000 € ou moins", "most"),
        ("dans la limite de 10 %", "most"),
        ("pendant 3 mois", None),
    ],
)
def test_bounds(text: str, bound: str | None) -> None:
    assert [fact.bound for fact in find_facts(text)] == [bound]


def test_fractions_and_birthdays_are_figures() -> None:
    assert find_facts("la moitié")[0].matches(find_facts("50 %")[0])
    assert find_facts("un tiers des voix")[0].matches(find_facts("⅓ des voix")[0])
    assert find_facts("jusqu'aux 3 ans")[0].matches(find_facts("jusqu'au 3e anniversaire")[0])
    assert not find_facts("un tiers désigné")


async def test_a_model_may_raise_what_is_partly_supported() -> None:
    sentence = "La demande coûte 128,50 € et doit être envoyée au guichet unique [1]."
    asked: list[tuple[str, str]] = []

    async def agrees(claim: str, passage: str) -> bool:
        asked.append((claim, passage))
        return True

    checker = CitationChecker([SOURCE])
    check = await check_with(checker, sentence, whole(sentence), agrees)
    assert check.status == "supported"
    assert [citation.quote for citation in check.citations] == [SOURCE.text]
    assert "[1]" not in asked[0][0]


async def test_a_model_cannot_overrule_a_changed_figure() -> None:
    async def agrees(claim: str, passage: str) -> bool:
        raise AssertionError("not asked")

    sentence = "La demande coûte 182,50 € [1]."
    check = await check_with(CitationChecker([SOURCE]), sentence, whole(sentence), agrees)
    assert check.status == "unsupported"


async def test_a_strict_model_may_lower_what_is_supported() -> None:
    async def disagrees(claim: str, passage: str) -> bool:
        return False

    checker = CitationChecker([SOURCE])
    assert (await check_with(checker, SAID[0], whole(SAID[0]), disagrees)).status == "supported"
    lowered = await check_with(checker, SAID[0], whole(SAID[0]), disagrees, strict=True)
    assert lowered.status == "partly"


@pytest.mark.parametrize("answer", ["", "true", "oui", '{"supported": "true"}', '{"supported": 1}'])
def test_an_opinion_that_is_not_the_json_asked_for_is_a_no(answer: str) -> None:
    assert not read_opinion(answer)


def test_an_opinion() -> None:
    assert read_opinion(' {"supported": true}\n')
