"""What verdicts are worth without a language model: a logistic regression on their counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.crm.calibration import platt_scaling

Floats = npt.NDArray[np.float64]

_PRIORS = (1.0, 2.0, 5.0, 10.0, 20.0)  # raters of the average on top of an item's own
_SIMILAR_PRIOR = 2.0  # and raters like all of the item's on top of the similar ones


def fit_counts(
    counts: Mapping[str, Floats], labels: Mapping[str, npt.NDArray[np.int8]]
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Fit the training rows, choose the prior by AUC on the validation rows, and calibrate on these.

    Args:
        counts: split -> raters, those who liked, similar raters, those of them who liked: (N, 4).
        labels: of train and valid, (N,).

    Returns:
        Probabilities of every split, (N,), of the training rows by a model that saw them; and facts: the prior and its
        validation AUC.

    Raises:
        DataError: the training rows, or the validation rows, are not of both labels.
    """
    for split in ("train", "valid"):
        if len(np.unique(labels[split])) < 2:
            raise DataError(
                f"regression on counts: wanted {split} rows of both labels, got {len(labels[split])} rows with labels "
                f"{np.unique(labels[split]).tolist()}; change the split"
            )
    average, tried = float(labels["train"].mean()), []
    for prior in _PRIORS:
        known = {split: _features(part, average, prior) for split, part in counts.items()}
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(known["train"], labels["train"])
        logits = {split: _log_odds(model, part) for split, part in known.items()}
        tried.append((auc(labels["valid"], logits["valid"]), prior, logits))
    best, prior, logits = max(tried, key=lambda one: one[0])
    slope, offset = platt_scaling(logits["valid"], labels["valid"].astype(np.float32))
    p_yes = {split: 0.5 * (1 + np.tanh(0.5 * (slope * values + offset))) for split, values in logits.items()}
    return p_yes, {"prior": prior, "valid_auc": best}


def _features(counts: Floats, average: float, prior: float) -> Floats:
    """Return (N, 7): log odds of all raters and how those of the similar ones differ, each alone and by its number."""
    raters, liked, similar, similar_liked = counts.T
    of_all = np.log(liked + prior * average) - np.log(raters - liked + prior * (1 - average))
    share = (liked + prior * average) / (raters + prior)
    for_it, against = similar_liked + _SIMILAR_PRIOR * share, similar - similar_liked + _SIMILAR_PRIOR * (1 - share)
    differing = np.log(for_it) - np.log(against) - of_all
    many, several = np.log1p(raters), np.log1p(similar)
    columns = [of_all, many, of_all * many, of_all * several, differing, several, differing * several]
    return np.stack(columns, axis=1)


def _log_odds(model: Any, features: Floats) -> Floats:
    return np.asarray(model.decision_function(features), np.float64) if len(features) else np.zeros(0)
