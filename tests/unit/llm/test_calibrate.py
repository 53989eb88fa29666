"""The slope is the best one, and never turns the order round."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from scorerec.llm.calibrate import calibration_slope


@pytest.mark.parametrize("true_slope", [0.1, 0.7, 1.0, 3.0])
def test_it_is_what_a_search_finds(true_slope: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 3000)
    labels = (rng.random(3000) < 1 / (1 + np.exp(-true_slope * logits))).astype(int)

    def loss(slope: float) -> float:
        return float(np.sum(np.logaddexp(0, slope * logits) - labels * slope * logits))

    wanted = minimize_scalar(loss, bounds=(0.01, 30), method="bounded").x
    assert calibration_slope(1 / (1 + np.exp(-logits)), labels) == pytest.approx(wanted, rel=1e-3)


def test_who_is_wrong_is_hardly_sure_and_who_is_always_right_is_not_infinitely() -> None:
    p_yes = np.array([0.2, 0.3, 0.7, 0.8])
    assert calibration_slope(p_yes, np.array([1, 1, 0, 0])) == 0.05
    assert calibration_slope(p_yes, np.array([0, 0, 1, 1])) == 20
    assert calibration_slope(np.full(4, 0.5), np.array([0, 1, 1, 1])) == 1
    assert np.isfinite(calibration_slope(np.array([0.0, 1.0]), np.array([1, 0])))
