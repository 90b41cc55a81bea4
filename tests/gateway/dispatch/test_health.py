"""Ejection, half-open trial, draining; and the learned limit."""

from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.dispatch import DispatchSettings
from chappe.gateway.dispatch.capacity import Limit, tolerance
from chappe.gateway.dispatch.health import Health

SETTINGS = DispatchSettings(failures_to_eject=3, ejection_seconds=5.0, ejection_limit=40.0)


def test_failures_in_a_row_eject_and_one_trial_brings_back() -> None:
    health = Health(SETTINGS)
    assert not health.failed(0.0, 0.0, False)
    assert not health.failed(0.0, 0.0, False)
    health.succeeded()
    assert not health.failed(0.0, 0.0, False)
    assert not health.failed(0.0, 0.0, False)
    assert health.failed(0.0, 0.0, False)
    assert not health.usable(False)
    assert not health.wake(4.9)
    assert health.wake(5.0)
    assert health.usable(False)
    assert not health.usable(True), "one trial at a time"
    assert health.failed(5.0, 0.0, False)
    assert health.until == 15.0, "twice as long"
    assert health.wake(15.0)
    assert health.succeeded()
    assert health.state == "healthy"


def test_probes_eject_and_hold_out_until_they_succeed() -> None:
    health = Health(SETTINGS)
    assert not health.probed(False, 0.0)
    assert health.probed(False, 1.0)
    assert not health.wake(100.0), "its probes still fail"
    assert health.probed(True, 101.0)
    assert health.state == "trial"


def test_an_outlier_is_ejected_only_where_others_can_do_its_work() -> None:
    def mixed(may_eject: bool) -> Health:
        health = Health(SETTINGS)
        for number in range(100):
            if number % 3 == 0:
                health.succeeded()
            else:
                health.failed(0.0, 0.02, may_eject)
        return health

    assert mixed(True).state == "ejected"
    assert mixed(False).state == "healthy"


@given(st.lists(st.sampled_from(["ok", "fail", "probe", "noprobe", "wait"]), max_size=80))
def test_it_is_never_shut_out_for_ever(events: list[str]) -> None:
    health, now = Health(SETTINGS), 0.0
    for event in events:
        now += 1.0
        if event == "ok":
            health.succeeded()
        elif event == "fail":
            health.failed(now, 0.0, True)
        elif event == "wait":
            health.wake(now)
        else:
            health.probed(event == "probe", now)
        assert health.until <= now + 40.0
    health.probed(True, now + 41.0)
    health.wake(now + 41.0)
    assert health.usable(False)


def test_the_limit_follows_the_objective() -> None:
    """An endpoint whose token interval passes its objective at 40 requests."""
    limit, now = Limit(16, 4, 512), 0.0
    for _ in range(4_000):
        now += 1.0
        load = int(limit.value)
        limit.served(load, 0.4 + 0.6 * load / 40, now, 2.0)
    assert 30 <= limit.value <= 42


def test_the_limit_follows_the_engine_queue_and_its_bounds() -> None:
    limit = Limit(64, 4, 512)
    for now in range(40):
        limit.queued(10, 20, float(now))
    assert limit.value == 12
    for now in range(40, 400):
        limit.queued(1, 5, float(now))
    assert limit.value == 4
    fixed = Limit(64, 4, 512, fixed=7)
    fixed.queued(3, 20, 0.0)
    fixed.served(7, 9.0, 1.0, 0.0)
    assert fixed.value == 7


@given(st.lists(st.tuples(st.integers(0, 600), st.floats(0.1, 5.0)), max_size=300))
def test_the_limit_keeps_within_its_bounds(served: list[tuple[int, float]]) -> None:
    limit = Limit(16, 4, 64)
    for now, (load, ratio) in enumerate(served):
        limit.served(load, ratio, float(now), 1.0)
        assert 4 <= limit.value <= 64


@given(st.floats(0, 100), st.floats(0.1, 60))
def test_how_far_the_interval_may_go_beyond_its_objective(waited: float, objective: float) -> None:
    found = tolerance(waited, objective)
    assert 1.0 <= found <= 3.0
    if waited > objective or waited <= 0.05 * objective:
        assert found == 1.0
    else:
        assert found == min(3.0, waited / (0.05 * objective))


def test_a_limit_is_not_cut_while_people_wait_a_little() -> None:
    limit, patient = Limit(64, 4, 512), Limit(64, 4, 512)
    for second in range(60):
        limit.served(int(limit.value), 1.3, second, 0.5)
        patient.served(int(patient.value), 1.3, second, 0.5, tolerance(0.5, 2.0))
    assert limit.value < 32
    assert patient.value > 64
    # Their objective is lost: the interval is kept for those who are served.
    before = patient.value
    for second in range(60, 120):
        patient.served(int(patient.value), 1.3, second, 0.5, tolerance(2.5, 2.0))
    assert patient.value < before / 2
