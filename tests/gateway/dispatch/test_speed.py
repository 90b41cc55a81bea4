"""Speeds are found from noisy measures, forgotten when they change, and not spoilt by outliers."""

import random

import pytest

from chappe.gateway.dispatch.speed import Reading, Writing, step


def observe(
    line: Reading, draw: random.Random, base: float, by_token: float, by_stream: float, count: int
) -> None:
    for _ in range(count):
        tokens, streams = draw.lognormvariate(6.5, 1.0), draw.randrange(60)
        seconds = base + tokens * (by_token + by_stream * streams)
        line.learn(tokens, streams, seconds * draw.lognormvariate(0, 0.1))


def test_learns_forgets_and_learns_again() -> None:
    draw = random.Random(1)
    line = Reading(0.04, 1 / 5_000, 1 / 500_000)
    observe(line, draw, 0.02, 1 / 20_000, 1 / 1_000_000, 600)
    assert line.at(2_000, 0) == pytest.approx(0.12, rel=0.2)
    assert line.at(2_000, 50) == pytest.approx(0.22, rel=0.15)
    observe(line, draw, 0.1, 1 / 1_000, 1 / 50_000, 600)
    assert line.at(2_000, 30) == pytest.approx(3.3, rel=0.15)
    assert line.at(2_000, 50) > line.at(2_000, 10)


def test_one_odd_measure_changes_little() -> None:
    line = Reading(0.04, 1 / 5_000, 1 / 500_000)
    observe(line, random.Random(2), 0.04, 1 / 5_000, 1 / 500_000, 100)
    before = line.at(1_000, 10)
    line.learn(1_000, 10, 900.0)
    assert line.at(1_000, 10) < 1.1 * before


def test_a_prior_that_is_far_off_is_left_in_a_few_steps() -> None:
    line = Reading(0.04, 1 / 5_000, 1 / 500_000)
    for _ in range(40):
        line.learn(1_000, 1, 5.0)
    assert line.at(1_000, 1) == pytest.approx(5.0, rel=0.1)


def test_the_interval_grows_with_the_streams() -> None:
    draw = random.Random(3)
    line = Writing(0.02, 0.000_5)
    for _ in range(600):
        streams = draw.randint(1, 60)
        line.learn(streams, (0.03 + 0.001 * streams) * draw.lognormvariate(0, 0.1))
    assert line.at(1) == pytest.approx(0.031, rel=0.15)
    assert line.at(60) == pytest.approx(0.09, rel=0.1)


def test_a_whole_step_explains_the_observation() -> None:
    first, second = step((0.1, 0.001), (1.0, 100.0), 0.21, 1.0)
    assert first + second * 100 == pytest.approx(0.21, rel=0.01)
