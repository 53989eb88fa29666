"""A recommender beside the mean of the item: what it adds to what everybody knows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from scorerec.core.errors import DataError
from scorerec.core.odds import log_odds

Floats = npt.NDArray[np.float64]


def combine(
    item_mean: Floats, model: Floats, labels: npt.NDArray[np.int8], is_valid: npt.NDArray[np.bool_]
) -> tuple[Floats, dict[str, float]]:
    """Fit the log odds of a like to those of the item mean and of a model, on validation rows.

    A recommender that ranks the catalogue well says little of how liked an item is; the item mean says nothing else.

    Args:
        item_mean: probabilities, (N,).
        model: probabilities, (N,).
        labels: 0 or 1, (N,); those outside validation are not looked at.
        is_valid: which rows are of the validation split, (N,).

    Returns:
        Probabilities of all rows, (N,), and facts: the two weights.

    Raises:
        DataError: the validation rows are not of both labels.
    """
    if len(np.unique(labels[is_valid])) < 2:
        raise DataError(f"CRM + item mean: wanted validation rows of both labels, got {int(is_valid.sum())} of one")
    features = np.column_stack([log_odds(item_mean, 1e-9), log_odds(model, 1e-9)])
    spread = features[is_valid].std(0)
    scale = np.where(spread > 1e-9, spread, np.inf)  # what says the same of every row weighs nothing
    fitted = LogisticRegression(C=100.0).fit(features[is_valid] / scale, labels[is_valid])
    weights = fitted.coef_[0] / scale
    found = np.asarray(fitted.predict_proba(features / scale)[:, 1], np.float64)
    return found, {"item_weight": float(weights[0]), "model_weight": float(weights[1])}
