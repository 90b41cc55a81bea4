"""Fusion keeps what each half knows."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.fusion import fuse

rankings = st.dictionaries(
    st.integers(0, 50), st.floats(0.01, 100, allow_nan=False), max_size=20
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
