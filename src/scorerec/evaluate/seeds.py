"""One number out of several seeds: mean, deviation, and intervals that know of seeds and of users.

A run is one draw of what chance does in training, a test set one draw of users. The error of a mean over S seeds is

    error^2 = Var over draws of users (mean over seeds) + s^2 / S,

s being the deviation between seeds on the same users. So few values tell s badly: intervals and p-values are those of
Student's t, with the degrees of freedom that Welch and Satterthwaite give for such a sum. (Seeds drawn with replacement
would make the second part a third too small for three seeds, and the normal distribution its tails too thin.) One seed
says nothing of the second part, which is then left out: such an interval is that of this one training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct as noncentral
from scipy.stats import t as student

from scorerec.core.errors import DataError
from scorerec.core.metrics import Floats
from scorerec.evaluate.results import Interval, PairedDifference, Spread

LEVEL = 0.95
_NEARLY_NORMAL = 200  # degrees of freedom
_POWER = 0.8  # how often a difference of the smallest size that is told as detectable would be found


@dataclass(frozen=True)
class Seeded:
    """One method over seeds.

    Attributes:
        rows: fingerprint of the rows that it was measured on.
        values: metric -> seed -> the metric on all users.
        draws: metric -> seed -> the metric under each draw of users, (B,), NaN where a draw lacks a class.
    """

    rows: str
    values: Mapping[str, Mapping[int, float]]
    draws: Mapping[str, Mapping[int, Floats]]


@dataclass(frozen=True)
class _Error:
    """Attributes: ``size``: standard error of a mean; ``freedom``: of Student's t; ``n_draws``: of users."""

    size: float
    freedom: float
    n_draws: int

    @property
    def is_known(self) -> bool:
        """Whether there were draws enough to know the part of the users."""
        return self.n_draws > 1

    def quantile(self, share: float) -> float:
        """Return the quantile of the mean around the truth, in units of the metric."""
        return float(student.ppf(share, self.freedom)) * self.size

    def interval(self, mean: float) -> Interval | None:
        """Return the 95% interval; None where no draw could be measured."""
        if not self.is_known:
            return None
        half = self.quantile((1 + LEVEL) / 2)
        return Interval(low=mean - half, high=mean + half, n_resamples=self.n_draws)

    def p_value(self, mean: float) -> float:
        """Return how often chance alone leads as far from 0, on either side."""
        if not self.size > 0:
            return float(mean == 0)
        return float(2 * student.sf(abs(mean) / self.size, self.freedom))


def spread(method: Seeded, metric: str) -> Spread | None:
    """Return mean, deviation and interval of one metric; None where a seed has none."""
    values = np.array(list(method.values[metric].values()))
    if not len(values) or np.isnan(values).any():
        return None
    mean = float(values.mean())
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    error = _error(values, list(method.draws[metric].values()))
    return Spread(mean=mean, deviation=deviation, interval=error.interval(mean))


def difference(method: Seeded, against: Seeded, metric: str) -> PairedDifference | None:
    """Return ``method`` minus ``against`` over the seeds that both have, on the same rows, users and draws.

    Args:
        method: one row over seeds.
        against: another.
        metric: auc or uauc.

    Returns:
        None where no seed is common, a value is missing, or the spread of seeds is not known.

    Raises:
        DataError: they were measured on different rows.
    """
    if method.rows != against.rows:
        raise DataError(
            f"measured on different rows ({method.rows} and {against.rows}): a difference would say nothing; reproduce "
            "both from the same data and settings"
        )
    common = sorted(method.values[metric].keys() & against.values[metric].keys())
    values = np.array([method.values[metric][seed] - against.values[metric][seed] for seed in common])
    if not len(values) or np.isnan(values).any():
        return None
    draws = [method.draws[metric][seed] - against.draws[metric][seed] for seed in common]
    mean, error = float(values.mean()), _error(values, draws)
    if not error.is_known:
        return None
    return PairedDifference(
        value=mean,
        interval=error.interval(mean),
        p_value=error.p_value(mean),
        detectable=error.size * _detectable(error.freedom),
        n_seeds=len(common),
    )


@cache
def _detectable(freedom: float) -> float:
    """Return the true difference, in standard errors, that the two-sided t-test finds with the power wanted."""
    limit = float(student.ppf((1 + LEVEL) / 2, freedom))
    if freedom > _NEARLY_NORMAL:  # where the library's noncentral distribution is no longer exact
        return limit + float(student.ppf(_POWER, freedom))
    return float(brentq(lambda true: noncentral.sf(limit, freedom, true) - _POWER, 0.0, 2 * limit + 5))


def _error(values: Floats, draws: Sequence[Floats]) -> _Error:
    """Return the error of a mean over seeds.

    Args:
        values: of each seed on all users, (S,).
        draws: of each seed under each draw of users, S times (B,); NaN where a draw lacks a class.
    """
    means = np.mean(draws, axis=0)  # (B,)
    usable = means[~np.isnan(means)]
    of_users = float(usable.var(ddof=1)) if len(usable) > 1 else 0.0
    of_seeds = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    total = of_users + of_seeds
    freedom = np.inf if of_seeds == 0 else (len(values) - 1) * (total / of_seeds) ** 2
    return _Error(float(np.sqrt(total)), float(freedom), len(usable))
