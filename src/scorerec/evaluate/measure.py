"""All metrics of one set of scores in one record; what cannot be computed is None, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scorerec.core.metrics import auc, calibration_error, checked, log_loss, summarise, user_auc
from scorerec.evaluate.results import LeftOut, Measured


def measure(users: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> Measured:
    """Return every metric of one method on some rows.

    Args:
        users: who each row belongs to, (N,).
        labels: 0 or 1, (N,).
        scores: (N,) float64; log loss and calibration only where all lie in [0, 1].

    Raises:
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, or lengths differ.

    >>> result = measure(["a", "a", "b"], [1, 0, 1], [2.5, 0.5, 0.1])
    >>> result.auc, result.uauc, result.left_out.one_row
    (0.5, 1.0, 1)
    >>> result.reasons["log_loss"]
    'scores lie outside [0, 1]'
    """
    label, score = checked(labels, scores)
    within = summarise(user_auc(users, label, score))
    n_positive = int(label.sum())
    reasons: dict[str, str] = {}
    values: dict[str, Any] = {"uauc": within.value}
    if 0 < n_positive < len(label):
        values["auc"] = auc(label, score)
    else:
        reasons["auc"] = f"all rows are labelled {int(n_positive > 0)}" if len(label) else "no rows"
    if within.value is None:
        reasons["uauc"] = "no user has rows of both classes"
    if len(label) and not np.any((score < 0) | (score > 1)):
        values["log_loss"] = log_loss(label, score)
        values["calibration_error"] = calibration_error(label, score)
    else:
        why = "scores lie outside [0, 1]" if len(label) else "no rows"
        reasons["log_loss"] = reasons["calibration_error"] = why
    return Measured(
        n_rows=len(label),
        n_positive=n_positive,
        n_users=within.n_users,
        n_users_counted=within.n_users_counted,
        n_rows_counted=within.n_rows_counted,
        left_out=LeftOut(one_row=within.n_one_row, one_class=within.n_one_class),
        auc=values.get("auc"),
        uauc=values["uauc"],
        log_loss=values.get("log_loss"),
        calibration_error=values.get("calibration_error"),
        reasons=reasons,
    )
