import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.conversation import Turn, standalone


def whole(*questions: str) -> str:
    """The last question, made whole, with plain spaces."""
    *earlier, last = questions
    return standalone(last, [Turn(question) for question in earlier]).text.replace("\u00a0", " ")


CARD = "Comment renouveler ma carte d'identité ?"


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        ((CARD, "Et pour un mineur ?"), "Comment renouveler ma carte d'identité, pour un mineur ?"),
        ((CARD, "Combien ça coûte ?"), "Combien ça coûte (renouveler ma carte d'identité) ?"),
        (
            (CARD, "Et pour un mineur ?", "Combien ça coûte ?", "Et à l'étranger ?"),
            "Combien ça coûte (renouveler ma carte d'identité, pour un mineur, à l'étranger) ?",
        ),
        (
            ("Quelles pièces faut-il pour refaire sa carte d'identité ?", "Où dois-je aller ?"),
            "Où dois-je aller (refaire sa carte d'identité) ?",
        ),
        (
            ("Quel est le préavis de démission pour un cadre ?", "Et pour un employé ?"),
            "Quel est le préavis de démission, pour un employé ?",
        ),
        (
            ("Quel est le préavis de démission ?", "Puis-je le réduire ?"),
            "Puis-je le réduire (le préavis de démission) ?",
        ),
        (
            ("Comment demander un passeport pour un majeur ?", "un mineur"),
            "Comment demander un passeport, un mineur ?",
        ),
        (
            ("Comment s'inscrire sur les listes électorales ?", "Merci, et jusqu'à quand ?"),
            "jusqu'à quand (s'inscrire sur les listes électorales) ?",
        ),
        (
            ("How do I renew my passport?", "And for a child?", "How much is it?"),
            "How much is it (do I renew my passport, for a child)?",
        ),
        (("Bonjour", CARD), CARD),
    ],
)  # fmt: skip
def test_a_follow_up_is_made_whole(questions: tuple[str, ...], expected: str) -> None:
    assert whole(*questions) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Quelles sont les conditions du RSA ?",
        "Et les APL à Paris ?",
        "Quelles aides la région Bretagne verse-t-elle aux apprentis ?",
    ],
)
def test_a_question_with_a_topic_of_its_own_is_left(question: str) -> None:
    found = standalone(question, [Turn(CARD)])
    assert (found.text, found.follows) == (question, "no")


def test_what_may_open_a_topic_is_left_to_the_sources() -> None:
    assert standalone("Comment divorcer ?", [Turn(CARD)]).follows == "perhaps"


def test_what_was_searched_is_taken_over_from_the_client() -> None:
    turn = Turn("Et pour lui ?", searched="Combien ça coûte (passeport, pour un mineur) ?")
    assert (
        standalone("Quel délai ?", [turn]).text == "Quel délai (passeport, pour un mineur)\u00a0?"
    )


def test_a_vague_question_takes_its_topic_from_what_was_cited() -> None:
    turn = Turn("Quelles sont les démarches ?", titles=("Carte grise",))
    assert standalone("Quel délai ?", [turn]).topic == "Carte grise"


WORDS = st.lists(
    st.sampled_from(
        [
            "et",
            "pour un mineur",
            "combien",
            "ça coûte",
            "?",
            "RSA",
            "carte d'identité",
            "(",
            ")",
            ",",
        ]
    ),
    max_size=12,
).map(" ".join)


@given(st.lists(WORDS, max_size=6), WORDS)
def test_it_stays_bounded_and_keeps_the_question(earlier: list[str], last: str) -> None:
    found = standalone(last, [Turn(question) for question in earlier])
    assert len(found.text) <= 600
    if found.follows == "no":
        assert found.text == " ".join(last.split())


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=60))
def test_any_text_is_taken(earlier: list[str], last: str) -> None:
    standalone(last, [Turn(question) for question in earlier])
