"""One number, fitted on validation rows, that makes what an LM says as sure as it is right (Guo et al., 2017)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

_STEPS = 50
_SMALLEST, _LARGEST = 0.05, 20.0
_LEVEL_STEP = 2.0
SUREST = 1e-12  # nearer to 0 and 1 no p(Yes) is calibrated

Floats = npt.NDArray[np.float64]
OneNumber = Literal["slope", "level"]


class Calibration(NamedTuple):
    """What is done to the log odds of Yes; the order of scores never changes.

    Attributes:
        slope: what they are multiplied by: 1 / temperature.
        level: what is then added to them.
    """

    slope: float = 1.0
    level: float = 0.0

    def __call__(self, log_odds: Floats) -> Floats:
        """Return probabilities of Yes of log odds, in the same shape."""
        return np.asarray(np.exp(-np.logaddexp(0.0, -(self.slope * log_odds + self.level))), np.float64)


def calibration(number: OneNumber, log_odds: Floats, wanted: Floats) -> Calibration:
    """Return the calibration with the least log loss that has one number other than that of none.

    Where a slope less than nothing would be best, as little as is allowed is taken.

    Args:
        number: which.
        log_odds: of Yes, (N,).
        wanted: labels, or how probable Yes is to a teacher, (N,).

    >>> labels = np.array([0.0, 0, 0, 1, 0, 1, 1, 1])
    >>> too_sure = np.repeat([-5.0, 5.0], 4)
    >>> print(calibration("slope", too_sure, labels)(too_sure).round(2)[[0, -1]])
    [0.25 0.75]
    >>> too_high = np.full(4, 2.0)
    >>> print(calibration("level", too_high, np.array([0.0, 0, 1, 1]))(too_high).round(2)[0])
    0.5
    """
    found = Calibration()
    for _ in range(_STEPS):  # the loss is convex in either number: Newton, held within bounds
        expected = found(log_odds)
        excess, spread = expected - wanted, expected * (1 - expected)
        if number == "level":
            step = float(excess.sum()) / max(float(spread.sum()), 1e-12)
            found = Calibration(level=found.level - float(np.clip(step, -_LEVEL_STEP, _LEVEL_STEP)))
        else:
            step = float((excess * log_odds).sum()) / max(float((spread * log_odds**2).sum()), 1e-12)
            least, most = max(_SMALLEST, found.slope / 2), min(_LARGEST, found.slope * 2)
            found = Calibration(slope=float(np.clip(found.slope - step, least, most)))
    return found
