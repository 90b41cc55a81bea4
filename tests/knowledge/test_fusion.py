"""Fusion keeps what each half knows."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.fusion import DENSE_SHARE, calibrated_share, fuse

rankings = st.dictionaries(
    st.integers(0, 50), st.integers(1, 10_000).map(lambda score: score / 100), max_size=20
).map(lambda found: sorted(found.items(), key=lambda item: -item[1]))


@given(rankings, rankings)
def test_every_candidate_once_best_first(
    lexical: list[tuple[int, float]], dense: list[tuple[int, float]]
) -> None:
    fused = fuse(lexical, dense)
    assert {key for key, _ in fused} == {key for key, _ in [*lexical, *dense]}
    assert len({key for key, _ in fused}) == len(fused)
    assert [s for _, s in fused] == sorted((s for _, s in fused), reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for _, score in fused)


@given(rankings)
def test_one_half_alone_keeps_its_order(ranking: list[tuple[int, float]]) -> None:
    scores = dict(ranking)
    for fused in (fuse(ranking, []), fuse([], ranking)):
        ordered = [scores[key] for key, _ in fused]
        assert ordered == sorted(ordered, reverse=True)


def test_agreement_wins() -> None:
    lexical = [(1, 10.0), (2, 9.9), (3, 1.0)]
    dense = [(2, 0.9), (3, 0.5), (1, 0.1)]
    assert fuse(lexical, dense)[0][0] == 2


def test_a_passage_without_the_words_is_worth_less_than_one_with_some() -> None:
    lexical, dense = [(1, 10.0), (2, 5.0)], [(2, 0.9), (3, 0.9), (1, 0.8)]
    scores = dict(fuse(lexical, dense, 0.5))
    assert scores[2] > scores[3]


def test_the_share_follows_the_encoder() -> None:
    one, other = [(1, 3.0)], [(2, 0.9), (1, 0.1)]
    assert calibrated_share([(one, other, 2)] * 20) > DENSE_SHARE
    one, other = [(1, 3.0), (2, 1.0)], [(2, 0.9), (1, 0.1)]
    assert calibrated_share([(one, other, 1)] * 20) < DENSE_SHARE
    assert calibrated_share([(one, one, 1)] * 20) == DENSE_SHARE
    assert calibrated_share([]) == DENSE_SHARE
