"""From scores of any scale to probabilities: two numbers, fitted on validation rows (Platt, 1999)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression


def platt_scaling(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return slope and offset such that sigmoid(slope * logit + offset) fits the labels best.

    The order of scores never changes: where the best slope is not positive, the logits are left as they are.

    Args:
        logits: (N,) float64.
        labels: 0 or 1, both occur, (N,).

    >>> labels = np.array([0, 0, 0, 1, 0, 1, 1, 1], np.float32)
    >>> slope, offset = platt_scaling(np.repeat([-5.0, 5.0], 4), labels)
    >>> print(f"{1 / (1 + np.exp(-(5 * slope + offset))):.2f}")
    0.75
    """
    deviation = float(logits.std())
    if deviation == 0:
        return 1.0, 0.0
    # A trace of regularisation: for perfectly ordered rows no slope would be steep enough.
    model = LogisticRegression(C=1000.0).fit((logits / deviation)[:, None], labels)
    slope, offset = float(model.coef_[0, 0]) / deviation, float(model.intercept_[0])
    return (slope, offset) if slope > 0 else (1.0, 0.0)
