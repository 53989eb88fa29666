"""One number out of several seeds: mean, deviation, and intervals that know of seeds and of users.

A run is one draw of what chance does in training, a test set one draw of users. Both are drawn again here: seeds with
replacement, and under each draw of seeds the draw of users that ``significance.resample_users`` made. Few seeds say
little of the chance between seeds: with three, its share of the variance comes out a third too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from scorerec.core.errors import DataError
from scorerec.core.randomness import generator
from scorerec.evaluate.metrics import Floats
from scorerec.evaluate.results import Interval, PairedDifference, Spread

LEVEL = 0.95
_POWER = 1.959964 + 0.841621  # quantiles of the normal for a two-sided test at 5% that finds a difference 4 times in 5


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


def spread(method: Seeded, metric: str) -> Spread | None:
    """Return mean, deviation and interval of one metric; None where a seed has none."""
    values = list(method.values[metric].values())
    if not values or any(np.isnan(values)):
        return None
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(mean=float(np.mean(values)), deviation=deviation, interval=_interval(_means(method, metric)))


def difference(method: Seeded, against: Seeded, metric: str) -> PairedDifference | None:
    """Return ``method`` minus ``against`` over the seeds that both have, on the same rows, users and draws.

    The p-value is that of a normal distribution with the deviation of the draws: it has no smallest value, as shares
    of draws have, so that a correction for many comparisons is possible.

    Raises:
        DataError: they were measured on different rows.
    """
    if method.rows != against.rows:
        raise DataError(
            f"measured on different rows ({method.rows} and {against.rows}): a difference would say nothing; reproduce "
            "both from the same data and settings"
        )
    common = method.values[metric].keys() & against.values[metric].keys()
    values = [method.values[metric][seed] - against.values[metric][seed] for seed in sorted(common)]
    if not values or any(np.isnan(values)):
        return None
    paired = Seeded(
        method.rows,
        {metric: dict(zip(sorted(common), values, strict=True))},
        {metric: {seed: method.draws[metric][seed] - against.draws[metric][seed] for seed in sorted(common)}},
    )
    draws = _means(paired, metric)
    mean, error = float(np.mean(values)), float(np.nanstd(draws))
    return PairedDifference(
        value=mean,
        interval=_interval(draws),
        p_value=erfc(abs(mean) / error / sqrt(2)) if error > 0 else float(mean == 0),
        detectable=_POWER * error,
        n_seeds=len(common),
    )


def _means(method: Seeded, metric: str) -> Floats:
    """Return the mean over a draw of seeds, under each draw of users, (B,)."""
    draws = np.stack(list(method.draws[metric].values()))  # (S, B)
    n_seeds, n_draws = draws.shape
    chosen = generator(0, "resample seeds", n_seeds).integers(n_seeds, size=(n_seeds, n_draws))
    return np.asarray(draws[chosen, np.arange(n_draws)].mean(axis=0))


def _interval(draws: Floats) -> Interval | None:
    usable = draws[~np.isnan(draws)]
    if not len(usable):
        return None
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high), n_resamples=len(usable))
