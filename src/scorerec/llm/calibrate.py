"""One number, fitted on validation rows, that makes what an LM says as sure as it is right (temperature scaling)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STEPS = 50
_SMALLEST, _LARGEST = 0.05, 20.0


def calibration_slope(p_yes: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Return what the log odds of Yes are multiplied by for the least log loss: 1 / temperature (Guo et al., 2017).

    The order of scores never changes: where less than nothing would be best, as little as is allowed is taken.

    Args:
        p_yes: probabilities of Yes, (N,).
        labels: 0 or 1, (N,).

    >>> labels = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> slope = calibration_slope(np.repeat([0.01, 0.99], 4), labels)
    >>> print(f"{1 / (1 + 99**-slope):.2f}")
    0.75
    """
    safe = np.clip(p_yes, 1e-9, 1 - 1e-9)
    logits, slope = np.log(safe) - np.log1p(-safe), 1.0
    for _ in range(_STEPS):  # the loss is convex in the slope: Newton, held within the bounds
        expected = 0.5 * (1 + np.tanh(0.5 * slope * logits))
        gradient = float(((expected - labels) * logits).sum())
        curvature = float((expected * (1 - expected) * logits**2).sum())
        step = gradient / max(curvature, 1e-12)
        slope = float(np.clip(slope - step, max(_SMALLEST, slope / 2), min(_LARGEST, slope * 2)))
    return slope
