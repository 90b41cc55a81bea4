"""The order of the best passages: what each sign does, and what it never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.ranking import (
    Candidate,
    Weights,
    diversify,
    letters,
    neighbours,
    rerank,
    spelled,
    with_model,
)

ONLY_LETTERS = Weights(section=0, cited=0)
NOTHING = Weights(letters=0, section=0, cited=0)

WORDS = st.lists(
    st.sampled_from(["congé", "préavis", "L. 12-3", "indemnité", "salaire"]), max_size=6
)


@st.composite
def grounds(draw: st.DrawFn) -> tuple[list[Candidate], list[tuple[int, float]]]:
    """Candidates, and a fused ranking in which all of them are."""
    size = draw(st.integers(0, 8))
    candidates = [
        Candidate(
            number,
            draw(st.integers(0, 3)),
            " ".join(draw(WORDS)),
            section=draw(st.sampled_from([None, "a", "b"])),
            numbers=draw(st.sampled_from([frozenset(), frozenset({"l12-3"})])),
            code="c",
        )
        for number in range(size)
    ]
    scores = [draw(st.integers(0, 100)) / 100 for _ in range(size)]
    fused = sorted(enumerate(scores), key=lambda item: (-item[1], item[0]))
    return candidates, fused


@given(grounds(), st.text(max_size=40))
def test_every_candidate_once_best_first_and_never_below_its_fused_score(
    ground: tuple[list[Candidate], list[tuple[int, float]]], query: str
) -> None:
    candidates, fused = ground
    ranked = rerank(query, candidates, fused)
    assert sorted(key for key, _ in ranked) == [item.passage for item in candidates]
    assert [score for _, score in ranked] == sorted((s for _, s in ranked), reverse=True)
    base = dict(fused)
    assert all(score >= base[key] for key, score in ranked)
    assert rerank(query, candidates[::-1], fused) == ranked
    assert rerank(query, candidates, fused, NOTHING) == fused


def test_the_form_of_a_word_tells_passages_of_one_stem_apart() -> None:
    candidates = [Candidate(1, 1, "Le travail de nuit."), Candidate(2, 2, "Les travailleuses.")]
    ranked = rerank("travailleuse", candidates, [(1, 0.5), (2, 0.5)], ONLY_LETTERS)
    assert [key for key, _ in ranked] == [2, 1]


def test_letters_of_words_whatever_their_accents() -> None:
    assert letters("Élève") == letters("eleve") == {" ele", "elev", "leve"}
    assert letters("le de pour") == frozenset()


@given(
    st.lists(
        st.text(
            st.one_of(
                st.sampled_from("abcdefçéèôœŒÉ’«»\u00a0\u202f\u2011\u0301-_12²½™…ßøµ€ "),
                st.characters(codec="cp1252"),
            ),
            max_size=30,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_text_has_the_same_letters_beside_a_word_of_another_script(texts: list[str]) -> None:
    # The table for texts in French only against what folds every script.
    query = " ".join(texts) + " garde d’enfant"
    alone = [Candidate(key, key, words) for key, words in enumerate(texts)]
    beside = [Candidate(key, key, f"{words} Ж") for key, words in enumerate(texts)]
    assert spelled(query, alone) == pytest.approx(spelled(query, beside))


def test_what_all_candidates_have_weighs_less_than_what_one_has() -> None:
    candidates = [
        Candidate(1, 1, "congé parental"),
        Candidate(2, 2, "congé sabbatique"),
        Candidate(3, 3, "congé"),
    ]
    found = spelled("congé sabbatique", candidates)
    assert found[2] == pytest.approx(1.0)
    assert found[1] < 0.5
    assert abs(found[1] - found[3]) < 1e-12
    assert spelled("zzzz", candidates) == {1: 0.0, 2: 0.0, 3: 0.0}


def test_a_section_that_answers_together_goes_ahead_of_a_lone_passage() -> None:
    candidates = [
        Candidate(1, 1, "", section="lone"),
        Candidate(2, 2, "", section="grève"),
        Candidate(3, 3, "", section="grève"),
        Candidate(4, 4, "", section="grève"),
    ]
    fused = [(1, 0.8), (2, 0.75), (3, 0.75), (4, 0.7)]
    ranked = rerank("", candidates, fused)
    assert [key for key, _ in ranked] == [2, 3, 4, 1]


def test_an_article_that_an_answer_refers_to_rises_within_its_code() -> None:
    source = Candidate(1, 1, "Sous réserve de l'article L. 12-3.", code="travail")
    named = frozenset({"l12-3"})
    candidates = [
        source,
        Candidate(2, 2, "", code="travail"),
        Candidate(3, 3, "", numbers=named, code="travail"),
        Candidate(4, 4, "", numbers=named, code="rural"),
    ]
    ranked = rerank("", candidates, [(1, 1.0), (2, 0.5), (3, 0.4), (4, 0.4)])
    assert [key for key, _ in ranked] == [1, 3, 2, 4]


def test_an_article_does_not_refer_to_itself() -> None:
    own = Candidate(1, 1, "L. 12-3", numbers=frozenset({"l12-3"}), code="travail")
    assert rerank("", [own], [(1, 0.5)]) == [(1, 0.5)]


def test_a_model_orders_what_it_read_ahead_of_the_rest() -> None:
    ranked = [(1, 1.0), (2, 0.8), (3, 0.5)]
    assert with_model(ranked, {1: -2.0, 2: 4.0}) == [(2, 1.0), (1, 0.75), (3, 0.5)]
    assert with_model(ranked, {}) == ranked


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4))
def test_diversity_keeps_all_and_the_best_of_each_document(documents: list[int], most: int) -> None:
    ranked = [(place, 1.0 - place / 100) for place in range(len(documents))]
    spread = diversify(ranked, dict(enumerate(documents)), most)
    assert sorted(spread) == sorted(ranked)
    for document in set(documents):
        own = [item for item in ranked if documents[item[0]] == document]
        assert [item for item in spread if documents[item[0]] == document] == own
        assert spread.index(own[0]) <= ranked.index(own[0])
    head = [documents[key] for key, _ in spread[: len(set(documents))]]
    assert all(head.count(document) <= most for document in head)


def test_neighbours_are_beside_and_given_once() -> None:
    beside = neighbours([("v", 3), ("v", 5), ("w", 0)])
    assert beside == {("v", 3): [2, 4], ("v", 5): [6], ("w", 0): [1]}
