"""French analysis: what must be one term is one term."""

import pytest

from chappe.knowledge.analysis import fold, identifiers, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("l'identité", "identités"),
        ("l’identité", "IDENTITE"),
        ("renouvellement", "renouvellements"),
        ("L. 1222-10", "L1222-10"),
        ("article l 1222-10", "article L.1222-10"),
        ("R*112-9-1", "R. 112-9-1"),
        ("1 000 euros", "1000 euros"),
        ("cerfa 12100*02", "CERFA 12100 * 02"),
        ("qu'aujourd'hui", "aujourd’hui"),
        ("l'œuvre", "oeuvre"),
        ("C.D.D.", "CDD"),
    ],
)
def test_same_terms(one: str, other: str) -> None:
    assert terms(one) == terms(other)
    assert terms(one)


def test_function_words_weigh_nothing() -> None:
    assert terms("est-ce que je peux l'avoir dans les") == []


def test_a_hyphenated_word_is_found_by_its_parts_and_whole() -> None:
    assert set(terms("demande")) <= set(terms("pré-demande"))
    assert set(terms("prédemande")) <= set(terms("pré-demande"))


def test_a_number_is_not_an_article() -> None:
    assert identifiers("payer 12 € à la mairie, l'art. L. 112-3 et D1142-2-1") == [
        "l112-3",
        "d1142-2-1",
    ]


@pytest.mark.parametrize("text", ["Mon fils a 2 ans", "il y a 1200 salariés", "plan d 3", "A 4-5"])
def test_a_letter_and_a_number_are_not_an_article(text: str) -> None:
    assert identifiers(text) == []


def test_accents_of_all_kinds_go() -> None:
    assert fold("Çà où Œuvre ﬁn été naïf") == "ca ou oeuvre fin ete naif"
