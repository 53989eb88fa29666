"""The number is the best one, and never turns the order round."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from scorerec.core.odds import log_odds as odds_of
from scorerec.llm.calibrate import Calibration, OneNumber, calibration


@pytest.mark.parametrize("true", [Calibration(slope=slope) for slope in (0.1, 0.7, 1.0, 3.0)])
def test_the_slope_is_what_a_search_finds(true: Calibration) -> None:
    _as_searched("slope", true, (0.01, 30.0))


@pytest.mark.parametrize("true", [Calibration(level=level) for level in (-6.0, -0.3, 0.0, 1.0, 9.0)])
def test_the_level_is_what_a_search_finds(true: Calibration) -> None:
    _as_searched("level", true, (-30.0, 30.0))


def _as_searched(number: OneNumber, true: Calibration, bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 2, 3000)
    labels = (rng.random(3000) < true(log_odds)).astype(float)

    def loss(value: float) -> float:
        given = Calibration(**{number: value})
        tried = given.slope * log_odds + given.level
        return float(np.sum(np.logaddexp(0, tried) - labels * tried))

    wanted = minimize_scalar(loss, bounds=bounds, method="bounded").x
    found = calibration(number, log_odds, labels)
    assert getattr(found, number) == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    assert found == Calibration(**{number: getattr(found, number)})  # and nothing else


def test_a_level_makes_the_mean_what_is_wanted() -> None:
    wanted = np.array([0.2, 0.3, 0.9, 0.8])
    log_odds = odds_of(np.array([0.5, 0.6, 0.99, 0.97]), 1e-12)
    assert calibration("level", log_odds, wanted)(log_odds).mean() == pytest.approx(0.55)


def test_who_is_wrong_is_hardly_sure_and_who_is_always_right_is_not_infinitely() -> None:
    log_odds = odds_of(np.array([0.2, 0.3, 0.7, 0.8]), 1e-12)
    assert calibration("slope", log_odds, np.array([1.0, 1, 0, 0])).slope == 0.05
    assert calibration("slope", log_odds, np.array([0.0, 0, 1, 1])).slope == 20
    assert calibration("slope", np.zeros(4), np.array([0.0, 1, 1, 1])).slope == 1
    assert np.isfinite(calibration("slope", odds_of(np.array([0.0, 1.0]), 1e-12), np.array([1.0, 0])).slope)


def test_small_probabilities_keep_their_order() -> None:
    found = Calibration(level=-40.0)(np.array([-2.0, -1.0]))
    assert 0 < found[0] < found[1]
