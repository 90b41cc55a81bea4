import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.extracts import RankedPassage, choose_extracts

FILLER = "Cette fiche est mise à jour chaque trimestre par le service compétent.\n"
RENEWAL = RankedPassage(
    1,
    "fiche-a",
    FILLER
    * 6
    + "Pièces à fournir pour refaire la carte :\nAncienne carte d'identité\nPhoto récente\n"
    "Justificatif de domicile\n\nLe guichet est ouvert le samedi.",
    "Renouvellement de la carte d'identité",
)
OTHER = RankedPassage(2, "fiche-a", "La carte d'identité se retire en mairie.", "Carte d'identité")
LOST = RankedPassage(3, "fiche-b", "En cas de perte de la carte d'identité, payez un timbre.", "")
FAR = RankedPassage(4, "fiche-c", "Le chien doit être tenu en laisse dans le parc.", "Animaux")
QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"


def test_list_is_kept_with_its_introduction() -> None:
    first = choose_extracts(QUESTION, [RENEWAL, LOST])[0]
    assert first.number == 1
    assert first.text.startswith("Pièces à fournir")
    assert first.text.endswith("Justificatif de domicile")


def test_different_documents_come_first() -> None:
    chosen = choose_extracts(QUESTION, [RENEWAL, OTHER, LOST], limit=2)
    assert {extract.number for extract in chosen} == {1, 3}


def test_unrelated_passages_are_left_out() -> None:
    numbers = {extract.number for extract in choose_extracts(QUESTION, [RENEWAL, LOST, FAR])}
    assert 4 not in numbers


def test_there_is_always_an_extract() -> None:
    assert len(choose_extracts("xyz", [FAR])) == 1
    assert choose_extracts(QUESTION, []) == ()
    assert choose_extracts(QUESTION, [RankedPassage(1, "a", "  \n ")]) == ()


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="limit"):
        choose_extracts(QUESTION, [FAR], limit=0)


@given(
    st.lists(
        st.text(alphabet=st.sampled_from(list("carte pièce.:\n 1é👋")), max_size=300), max_size=5
    ),
    st.integers(20, 200),
)
def test_extracts_are_verbatim_and_bounded(texts: list[str], length: int) -> None:
    passages = [RankedPassage(n, f"d{n % 2}", text) for n, text in enumerate(texts)]
    chosen = choose_extracts(QUESTION, passages, limit=3, max_length=length)
    assert len(chosen) <= 3
    assert bool(chosen) == any(text.strip() for text in texts)
    for extract in chosen:
        assert texts[extract.number][extract.start : extract.end] == extract.text
        assert 0 < len(extract.text) <= length
