"""The metrics: AUC, UAUC with its count of users left out, log loss and calibration error.

All are vectorised over rows: no Python loop over users, so millions of rows take seconds. Scores need only an
order for AUC and UAUC; log loss and calibration need probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorerec.core.errors import DataError, ModelError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# What a probability of 0 or 1 is clipped to, so that one wrong certainty does not make the log loss infinite.
SMALLEST_PROBABILITY = 1e-15


@dataclass(frozen=True)
class UserAUC:
    """The AUC within each user.

    Attributes:
        users: the distinct users, sorted, (U,).
        auc: (U,) float64, NaN where the user has one row or one class.
        n_rows: (U,) int64.
        n_positive: (U,) int64.
    """

    users: NDArray[np.generic]
    auc: Floats
    n_rows: Integers
    n_positive: Integers

    @property
    def counted(self) -> NDArray[np.bool_]:
        """The users with rows of both classes, (U,)."""
        return (self.n_positive > 0) & (self.n_positive < self.n_rows)


@dataclass(frozen=True)
class UAUC:
    """Unweighted mean of the users' AUCs, and who is in it.

    Attributes:
        value: None where no user has rows of both classes.
        n_users: all users.
        n_users_counted: users with both classes.
        n_one_row: users left out because they have a single row.
        n_one_class: users left out because their rows (two or more) have one label.
        n_rows_counted: rows of the users counted.
    """

    value: float | None
    n_users: int
    n_users_counted: int
    n_one_row: int
    n_one_class: int
    n_rows_counted: int


def auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the probability that a positive row scores above a negative one; a tie counts one half.

    Args:
        labels: 0 or 1, (N,).
        scores: any scale, (N,).
        weights: how often each row counts, not negative, (N,); None = once.

    Raises:
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, all (weighted) rows are of one class, or lengths differ.

    >>> auc([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.4])
    0.875
    """
    label, score = checked(labels, scores)
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != label.shape or not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise DataError(f"weights: wanted {len(label)} finite numbers, none below 0, got shape {weight.shape}")
    pairs = ScoredPairs(label, score)
    value = pairs.auc(weight)
    if np.isnan(value):
        raise DataError(f"AUC needs rows of both classes; the {len(label)} rows given have only one")
    return value


class ScoredPairs:
    """Rows sorted once, so that the AUC under many weightings costs one pass each.

    Args:
        labels: (N,) bool.
        scores: (N,) float64, no NaN.
    """

    def __init__(self, labels: NDArray[np.bool_], scores: Floats):
        order = np.argsort(scores, kind="stable")
        self._positive = order[labels[order]]  # row numbers, lowest score first
        self._negative = order[~labels[order]]
        below = scores[self._negative]
        # The number of negatives below, and not above, each positive: where cumulated weight is looked up.
        self._below = np.searchsorted(below, scores[self._positive], side="left")
        self._not_above = np.searchsorted(below, scores[self._positive], side="right")

    def auc(self, weights: NDArray[np.float64] | Integers) -> float:
        """Return the AUC with row weights (N,), or NaN where one class has no weight."""
        positive = weights[self._positive]
        cumulated = np.concatenate([weights[:0], [0], np.cumsum(weights[self._negative])])
        total = 2.0 * float(positive.sum()) * float(cumulated[-1])
        if total == 0:
            return float("nan")
        won_twice = positive @ (cumulated[self._below] + cumulated[self._not_above])
        return float(won_twice) / total


def user_auc(users: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> UserAUC:
    """Return the AUC within each user, from the ranks of the positives among the user's rows.

    Tied rows share their middle rank.

    Args:
        users: who each row belongs to, numbers or text, (N,).
        labels: 0 or 1, (N,).
        scores: any scale, (N,).

    Raises:
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, or lengths differ.
    """
    label, score = checked(labels, scores)
    distinct, codes = np.unique(np.asarray(users), return_inverse=True)
    if codes.shape != label.shape:
        raise DataError(f"users: wanted one for each of the {len(label)} rows, got {codes.shape}")
    n_rows = np.bincount(codes, minlength=len(distinct)).astype(np.int64)
    n_positive = np.bincount(codes[label], minlength=len(distinct)).astype(np.int64)
    order = np.lexsort((score, codes))
    codes, label, score = codes[order], label[order], score[order]
    is_new = np.ones(len(codes), bool)  # a new run: another user, or another score of the same user
    is_new[1:] = (codes[1:] != codes[:-1]) | (score[1:] != score[:-1])
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], len(codes))
    first_of_user = (np.cumsum(n_rows) - n_rows)[codes[starts]]
    # The middle rank of a run, doubled to stay whole: (first + last), counted from 1 within the user.
    doubled = np.repeat(starts + ends + 1 - 2 * first_of_user, ends - starts)
    rank_sum = np.bincount(codes[label], weights=doubled[label], minlength=len(distinct))
    n_pairs = n_positive * (n_rows - n_positive)
    won = rank_sum / 2 - n_positive * (n_positive + 1) / 2
    within = np.divide(won, n_pairs, out=np.full(len(distinct), np.nan), where=n_pairs > 0)
    return UserAUC(distinct, within, n_rows, n_positive)


def uauc(users: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> UAUC:
    """Return the unweighted mean of the users' AUCs over users that have rows of both classes.

    The mask is our own: newer versions of scikit-learn return NaN, with a warning, for a user with one class,
    and one such NaN would turn the mean into NaN.

    Args:
        users: who each row belongs to, (N,).
        labels: (N,), 0 or 1.
        scores: (N,), any scale that rises with liking.

    Raises:
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, or lengths differ.

    >>> uauc(["a", "a", "b", "b", "c"], [1, 0, 1, 1, 0], [0.9, 0.1, 0.5, 0.6, 0.3])
    UAUC(value=1.0, n_users=3, n_users_counted=1, n_one_row=1, n_one_class=1, n_rows_counted=2)
    """
    return summarise(user_auc(users, labels, scores))


def summarise(within: UserAUC) -> UAUC:
    """Return the UAUC of per-user AUCs."""
    counted = within.counted
    n_counted = int(counted.sum())
    n_one_row = int((within.n_rows == 1).sum())
    return UAUC(
        value=float(within.auc[counted].mean()) if n_counted else None,
        n_users=len(counted),
        n_users_counted=n_counted,
        n_one_row=n_one_row,
        n_one_class=len(counted) - n_counted - n_one_row,
        n_rows_counted=int(within.n_rows[counted].sum()),
    )


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean of -ln p(label), in nats; probabilities are clipped to [1e-15, 1 - 1e-15].

    Raises:
        ModelError: a probability is not a number, or lies outside [0, 1].
        DataError: labels are not 0 or 1, there are no rows, or lengths differ.

    >>> round(log_loss([1, 0], [0.8, 0.5]), 4)
    0.4581
    """
    label, probability = _probabilities(labels, probabilities)
    clipped = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(np.log(np.where(label, clipped, 1 - clipped))))


@dataclass(frozen=True)
class CalibrationBins:
    """Rows of similar predicted probability: what was predicted and what happened, each (n_bins,)."""

    predicted: Floats
    observed: Floats
    n_rows: Integers


def calibration_bins(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 10) -> CalibrationBins:
    """Return mean prediction and share of positives in bins that hold about equally many rows.

    Borders are quantiles of the predictions. Equal predictions always share a bin, so a predictor with few
    distinct values has fewer bins, and the order of rows does not matter.

    Args:
        labels: (N,), 0 or 1.
        probabilities: of 1, (N,).
        n_bins: how many at most.

    Raises:
        ModelError: a probability is not a number, or lies outside [0, 1].
        DataError: labels are not 0 or 1, there are no rows, or lengths differ.
    """
    label, probability = _probabilities(labels, probabilities)
    borders = np.quantile(probability, np.arange(1, n_bins) / n_bins)
    _, code = np.unique(np.searchsorted(borders, probability, side="left"), return_inverse=True)
    n_rows = np.bincount(code)
    predicted = np.bincount(code, weights=probability) / n_rows
    observed = np.bincount(code, weights=label) / n_rows
    return CalibrationBins(predicted, observed, n_rows.astype(np.int64))


def calibration_error(labels: ArrayLike, probabilities: ArrayLike, n_bins: int = 10) -> float:
    """Return the expected calibration error: mean over rows of |predicted - observed| of the row's bin.

    Bins hold about equally many rows (``calibration_bins``). 0 = the predictions are frequencies.

    Args:
        labels: (N,), 0 or 1.
        probabilities: of 1, (N,).
        n_bins: how many at most.

    Raises:
        ModelError: a probability is not a number, or lies outside [0, 1].
        DataError: labels are not 0 or 1, there are no rows, or lengths differ.

    >>> round(calibration_error([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], n_bins=2), 4)
    0.2
    """
    bins = calibration_bins(labels, probabilities, n_bins)
    gaps = np.abs(bins.predicted - bins.observed)
    return float(np.average(gaps, weights=bins.n_rows))


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Return labels as bool and scores as float64, both (N,).

    Raises:
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, or lengths differ.
    """
    label, score = np.asarray(labels), np.asarray(scores, np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise DataError(f"wanted one label and one score per row, got {label.shape} and {score.shape}")
    wrong = np.flatnonzero((label != 0) & (label != 1))
    if len(wrong):
        raise DataError(f"row {wrong[0]}: label {label[wrong[0]]!r} is neither 0 nor 1")
    missing = np.flatnonzero(np.isnan(score))
    if len(missing):
        raise ModelError(
            f"{len(missing)} of {len(score)} scores are not a number (NaN), the first in row {missing[0]}; "
            "mend the model that made them: dropping rows would change the comparison"
        )
    return label.astype(bool), score


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    label, probability = checked(labels, probabilities)
    if not len(label):
        raise DataError("no rows: nothing to measure")
    outside = np.flatnonzero((probability < 0) | (probability > 1))
    if len(outside):
        raise ModelError(
            f"row {outside[0]}: {probability[outside[0]]} is not a probability; "
            "log loss and calibration need scores in [0, 1]"
        )
    return label, probability
