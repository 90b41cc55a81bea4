"""The prefix index agrees with a plain model of it."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.dispatch.prefix import BLOCK_BYTES, MAX_BYTES, PrefixIndex, chain


@given(st.binary(max_size=64), st.integers(0, 20_000), st.integers(0, 20_000))
def test_chains_share_exactly_the_common_blocks(piece: bytes, first: int, second: int) -> None:
    base = (piece + b"x") * 700
    one, two = base[:first], base[:second]
    common = min(len(one), len(two), MAX_BYTES) // BLOCK_BYTES
    assert chain(one)[:common] == chain(two)[:common]
    assert len(chain(one)) == min(len(one), MAX_BYTES) // BLOCK_BYTES
    changed = b"y" + one[1:] if one[:1] != b"y" else b"z" + one[1:]
    assert not set(chain(one)) & set(chain(changed)) or len(one) < BLOCK_BYTES


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(1, 6), st.integers(0, 4)),
        max_size=40,
    )
)
def test_depth_is_the_longest_prefix_read_since(
    requests: list[tuple[int, int, int, int]],
) -> None:
    index = PrefixIndex(10_000)
    seen: dict[tuple[int, int], int] = {}
    for moment, (endpoint, family, blocks, since) in enumerate(requests):
        hashes = tuple(family * 100 + number for number in range(6))
        oldest = moment - since * 5
        expected = 0
        while expected < 6 and seen.get((endpoint, hashes[expected]), -1) >= max(oldest, 0):
            expected += 1
        assert index.depth(hashes, endpoint, max(oldest, 0)) == expected
        index.record(hashes[:blocks], endpoint, moment)
        for value in hashes[:blocks]:
            seen[endpoint, value] = moment
        deepest = max(b for (_, b) in seen if b in hashes)
        readers = {e for (e, b) in seen if b == deepest}
        assert set(index.holders(hashes, 9)) == readers
        assert set(index.holders(hashes, 2)) <= readers
        assert endpoint in readers or deepest > hashes[blocks - 1]
    assert len(index) == len(seen)


@given(st.lists(st.integers(0, 50), min_size=30, max_size=200))
def test_it_stays_bounded_and_forgets_the_oldest(families: list[int]) -> None:
    index = PrefixIndex(40)
    for moment, family in enumerate(families):
        hashes = tuple(family * 100 + number for number in range(4))
        index.record(hashes, 0, moment)
        assert len(index) <= 40
        assert index.depth(hashes, 0, 0) == 4
