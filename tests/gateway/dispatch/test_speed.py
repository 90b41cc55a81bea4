"""Speeds are found from noisy measures, forgotten when they change, and not spoilt by outliers."""

import random

import pytest

from chappe.gateway.dispatch.speed import Line, step


def observe(line: Line, draw: random.Random, intercept: float, slope: float, count: int) -> None:
    for _ in range(count):
        x = draw.lognormvariate(6.5, 1.0)
        line.learn(x, (intercept + slope * x) * draw.lognormvariate(0, 0.15))


def test_learns_forgets_and_learns_again() -> None:
    draw = random.Random(1)
    line = Line(0.04, 1 / 5_000)
    observe(line, draw, 0.02, 1 / 20_000, 300)
    assert line.at(2_000) == pytest.approx(0.02 + 0.1, rel=0.15)
    observe(line, draw, 0.1, 1 / 1_000, 300)
    assert line.at(2_000) == pytest.approx(2.1, rel=0.15)
    assert line.at(10) == pytest.approx(0.11, rel=0.35)


def test_one_odd_measure_changes_little() -> None:
    line = Line(0.04, 1 / 5_000)
    observe(line, random.Random(2), 0.04, 1 / 5_000, 100)
    before = line.at(1_000)
    line.learn(1_000, 900.0)
    assert line.at(1_000) < 1.1 * before


def test_a_whole_step_explains_the_observation() -> None:
    intercept, slope, error = step(0.1, 0.001, 100, 0.21, 1.0)
    assert intercept + slope * 100 == pytest.approx(0.21, rel=0.01)
    assert error == pytest.approx(0.0488, rel=0.01)
