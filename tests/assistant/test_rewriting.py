import pytest

from chappe.assistant.conversation import Turn
from chappe.assistant.rewriting import accepted, rewriting_messages

TURNS = [Turn("Comment refaire sa carte d'identité ?", "Il faut une photo. Elle coûte 25 €.")]


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("Quel est le délai pour refaire sa carte d'identité ?",) * 2,
        (
            "Question complète : « Quel est le délai pour refaire la carte d'identité ? »",
            "Quel est le délai pour refaire la carte d'identité ?",
        ),
    ],
)
def test_a_faithful_rewriting_is_used(written: str, whole: str) -> None:
    assert accepted(written, "Quel est le délai ?", TURNS, translated=False) == whole


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Bonjour.",
        "Comment refaire sa carte d'identité ?",
        "Quel est le délai pour refaire sa carte d'identité à Rennes ?",
        "Quel est le délai de 3 semaines pour refaire sa carte d'identité ?",
        "Quel est le délai pour obtenir un passeport biométrique luxembourgeois ?",
        "Voici la question :\nQuel est le délai ?",
        "Comment refaire sa carte d'identité ? " * 20,
    ],
)
def test_what_is_invented_is_not(written: str) -> None:
    assert accepted(written, "Quel est le délai ?", TURNS, translated=False) is None


def test_a_translation_keeps_numbers_and_names() -> None:
    question = "How long for a child of 12 in Rennes?"
    for written, used in (
        ("Quel délai pour un enfant de 12 ans à Rennes ?", True),
        ("Quel délai pour un enfant de 13 ans à Rennes ?", False),
        ("Quel délai pour un enfant de 12 ans à Brest ?", False),
    ):
        assert (accepted(written, question, TURNS, translated=True) is not None) is used


def test_the_model_is_told_the_conversation_and_no_more_than_it_needs() -> None:
    turns = [Turn(f"question {n} ?", "mot " * 1000) for n in range(20)]
    system, user = rewriting_messages("Et pour lui ?", turns)
    assert "une seule question" in system.content
    assert "question 19 ?" in user.content and "question 2 ?" not in user.content
    assert len(user.content) < 6_000
