"""How many requests run at once, and which are made again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.core.errors import ChappeError
from chappe.gateway.batches.lane import Lane
from chappe.gateway.batches.verdict import ATTEMPTS, Answer, Later, judge, judge_error


@given(
    st.integers(1, 64),
    st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.none() | st.floats(0, 1e6))),
)
def test_a_lane_stays_between_one_and_its_most(
    most: int, events: list[tuple[bool, float, float | None]]
) -> None:
    lane, now = Lane(most), 0.0
    for good, elapsed, retry_after in events:
        now += elapsed
        assert 0 <= lane.free(now) <= most
        if good:
            lane.answered()
        else:
            wait = lane.refused(now, retry_after)
            assert 1 <= wait <= 300 and lane.resumes_at >= now + wait
            assert lane.free(now) == 0
    assert 1 <= lane.free(lane.resumes_at) <= most


def test_a_lane_grows_fast_then_is_halved_once_a_burst_then_grows_slowly() -> None:
    lane = Lane(32)
    for _ in range(14):
        lane.answered()
    assert lane.free(0) == 16
    for _ in range(5):
        lane.refused(10.0, 2.0)
    assert lane.free(12) == 8
    for _ in range(8):
        lane.answered()
    assert lane.free(12) == 8  # not quite one more in a round, as 1/w grows by less than 1/8
    lane.answered()
    assert lane.free(12) == 9


def refused(code: str, status: int, retry_after: float | None = None) -> ChappeError:
    error = ChappeError(code, status, model="m", seconds=1, position=1, charge=1, left=0, limit="l")
    error.retry_after = retry_after
    return error


def test_what_finds_no_room_is_made_again_however_often() -> None:
    for attempts in (1, ATTEMPTS, 100):
        assert judge_error(refused("queue_full", 429, 7.0), attempts) == Later(7.0, False)
        assert judge_error(refused("database_unreachable", 503), attempts) == Later(None, False)
        assert judge(429, b"", "r", 7.0, attempts) == Later(7.0, False)


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_what_fails_is_made_again_a_few_times(status: int) -> None:
    assert judge(status, b"", "r", None, ATTEMPTS - 1) == Later(None, True)
    last = judge(status, b'{"error": {"message": "out of memory"}}', "r", None, ATTEMPTS)
    assert isinstance(last, Answer) and last.status == status
    assert "out of memory" in json.loads(last.body)["error"]["message"]


def test_what_waiting_cannot_help_is_a_result() -> None:
    for error in (refused("quota_too_small", 429), refused("unknown_model", 404)):
        answer = judge_error(error, 1)
        assert isinstance(answer, Answer) and answer.status == error.status
        assert json.loads(answer.body)["error"]["code"]
    answer = judge(400, b'{"error": {"message": "too long", "code": "context"}}', "r", None, 1)
    assert isinstance(answer, Answer) and json.loads(answer.body)["error"]["code"] == "context"
