"""How sure the numbers are: intervals and paired differences by resampling users.

A user's rows belong together, so whole users are drawn, with replacement. Every method sees the same draws; a
difference between two methods is then far better known than either of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scorerec.core.errors import ConfigError, DataError
from scorerec.core.metrics import Floats, ScoredPairs, checked, user_auc
from scorerec.core.progress import progress
from scorerec.core.randomness import generator
from scorerec.evaluate.results import Difference, Interval

METRICS = ("auc", "uauc")
LEVEL = 0.95
_FEWEST_USERS = 2  # draws of one user always agree, which says nothing of how sure they are


@dataclass(frozen=True)
class Resamples:
    """Metrics of several methods under the same draws of users.

    Attributes:
        values: (metric, method) -> (n_resamples,) float64, NaN where a draw lacks a class, or too few users count for
            draws of them to say anything.
    """

    values: Mapping[tuple[str, str], Floats]

    def interval(self, metric: str, method: str) -> Interval | None:
        """Return the 95% percentile interval, or None where no draw could be measured."""
        return _interval(self.values[metric, method])

    def difference(self, metric: str, method: str, against: str, value: float) -> Difference:
        """Return ``method`` minus ``against``, interval and p-value.

        Args:
            metric: auc or uauc.
            method: its key.
            against: key of the other.
            value: the difference on all users, without draws.
        """
        differences = self.values[metric, method] - self.values[metric, against]
        return Difference(
            method=method,
            against=against,
            metric=metric,
            value=value,
            interval=_interval(differences),
            p_value=_p_value(differences),
        )


def resample_users(
    users: ArrayLike,
    labels: ArrayLike,
    scores: Mapping[str, ArrayLike],
    n_resamples: int = 1000,
    seed: int = 0,
    among: ArrayLike | None = None,
) -> Resamples:
    """Measure AUC and UAUC of every method on ``n_resamples`` draws of as many users as there are.

    Nothing is sorted again: a draw is a weight per user, the AUC a weighted AUC on rows sorted once, the UAUC
    a weighted mean of per-user AUCs. Time grows with rows x methods x resamples, memory with rows x methods.

    Args:
        users: who each row belongs to, (N,).
        labels: 0 or 1, (N,).
        scores: method -> (N,).
        n_resamples: draws.
        seed: the draws depend on it and on the number of users alone.
        among: whom to draw from, each as often as they like, where that is more users than those of the rows: so that
            different rows of the same users have the same draws.

    Raises:
        ConfigError: fewer than one resample.
        ModelError: a score is not a number.
        DataError: labels are not 0 or 1, lengths differ, or a row is of somebody else.
    """
    if n_resamples < 1:
        raise ConfigError(f"n_resamples: wanted at least 1, got {n_resamples}")
    own, codes = np.unique(np.asarray(users), return_inverse=True)
    distinct = own if among is None else np.unique(np.asarray(among))
    if not np.isin(own, distinct).all():
        raise DataError("rows are of users who are not among those to draw from; give all users")
    places = np.searchsorted(distinct, own)  # of the rows' users among all
    pairs = {method: ScoredPairs(*checked(labels, score)) for method, score in scores.items()}
    within = {method: user_auc(codes, labels, score) for method, score in scores.items()}
    can_draw = {method: one.counted.sum() >= _FEWEST_USERS for method, one in within.items()}
    values = {(metric, method): np.full(n_resamples, np.nan) for metric in METRICS for method in scores}
    random = generator(seed, "resample users")
    for draw in progress(range(n_resamples), "resampling users"):
        drawn = random.integers(len(distinct), size=len(distinct))
        weight = np.bincount(drawn, minlength=len(distinct))[places]
        row_weight = weight[codes]
        for method in scores:
            if len(own) >= _FEWEST_USERS:
                values["auc", method][draw] = pairs[method].auc(row_weight)
            counted = within[method].counted
            total = weight[counted].sum()
            if total and can_draw[method]:
                values["uauc", method][draw] = weight[counted] @ within[method].auc[counted] / total
    return Resamples(values)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given: the family-wise error stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    return [float(value) for value in adjusted]


def _interval(values: Floats) -> Interval | None:
    usable = _usable(values)
    if not len(usable):
        return None
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high), n_resamples=len(usable))


def _p_value(differences: Floats) -> float | None:
    """Twice the share of draws on the rarer side of 0, one added so that it is never 0."""
    usable = _usable(differences)
    if not len(usable):
        return None
    rarer = min(int((usable <= 0).sum()), int((usable >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(usable) + 1))


def _usable(values: NDArray[np.float64]) -> Floats:
    return values[~np.isnan(values)]
