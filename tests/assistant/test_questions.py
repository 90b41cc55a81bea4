import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.questions import MOST_PARTS, split_questions


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            "Quel est le prix du passeport et combien de temps faut-il pour l'avoir ?",
            ["Quel est le prix du passeport ?", "Combien de temps faut-il pour l'avoir ?"],
        ),
        (
            "Quel est le prix du passeport ? Et combien de temps faut-il ?",
            ["Quel est le prix du passeport ?", "Et combien de temps faut-il ?"],
        ),
        (
            "Puis-je voyager avec une carte périmée ou dois-je la refaire ?",
            ["Puis-je voyager avec une carte périmée ?", "Dois-je la refaire ?"],
        ),
        (
            "Si je déménage, comment changer mon adresse et qui prévenir ?",
            ["Si je déménage, comment changer mon adresse ?", "Qui prévenir ?"],
        ),
        (
            "How much is a passport and where can I apply?",
            ["How much is a passport?", "Where can I apply?"],
        ),
    ],
)
def test_a_double_question_is_cut(message: str, parts: list[str]) -> None:
    found = split_questions(message)
    assert [part.replace("\u00a0", " ") for part in found.questions] == parts


@pytest.mark.parametrize(
    "message",
    [
        "Quelles sont les conditions et la durée du RSA ?",
        "Comment savoir quand et où voter ?",
        "Quelle aide pour un étudiant qui travaille et qui habite seul ?",
        "Quelles sont les démarches quand on se marie et quand on divorce ?",
        "Dans quels cas et comment saisir le juge ?",
        "Peut-on cumuler retraite et emploi ?",
        "passeport prix",
    ],
)
def test_one_question_is_left_as_it_is(message: str) -> None:
    assert split_questions(message).questions == (message,)


def test_what_is_stated_first_goes_with_every_question() -> None:
    found = split_questions("Je suis salarié. Puis-je partir ? Qui dois-je prévenir ?")
    assert found.context == "Je suis salarié."
    assert found.questions == ("Puis-je partir ?", "Qui dois-je prévenir ?")


def test_more_questions_than_are_searched_stay_together() -> None:
    found = split_questions("Un permis ? Un visa ? Une carte ? Un timbre ?")
    assert found.questions[-1] == "Une carte ? Un timbre ?"


@given(st.text(alphabet=st.sampled_from(list("où et comment? .,\n'")), max_size=80))
def test_nothing_is_lost_but_spaces_and_joints(message: str) -> None:
    found = split_questions(message)
    assert 1 <= len(found.questions) <= MOST_PARTS
    if len(found.questions) == 1:
        assert found.questions[0] == " ".join(message.split())
