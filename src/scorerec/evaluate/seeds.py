"""One table out of several seeds: mean and deviation of every metric, over comparisons of the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scorerec.core.errors import DataError
from scorerec.evaluate.results import Comparison, MethodResult, SeedSummary, Spread


def over_seeds(comparisons: Sequence[Comparison]) -> list[SeedSummary]:
    """Return each method's metrics over the seeds, in the order of the first comparison.

    Raises:
        DataError: there are none, two have the same seed, or they differ in rows or methods.
    """
    if not comparisons:
        raise DataError("no comparisons: give the results of at least one seed")
    first = comparisons[0]
    names = [result.method for result in first.methods]
    seeds = tuple(comparison.seed for comparison in comparisons)
    if len(set(seeds)) < len(seeds):
        raise DataError(f"the seeds {seeds} are not all different; give one result per seed")
    for other in comparisons[1:]:
        if other.rows_fingerprint != first.rows_fingerprint:
            raise DataError(
                f"seeds {first.seed} and {other.seed} were measured on different rows "
                f"({first.rows_fingerprint} and {other.rows_fingerprint}); a mean over them says nothing"
            )
        if {result.method for result in other.methods} != set(names):
            raise DataError(f"seeds {first.seed} and {other.seed} do not compare the same methods")
    return [_summary(name, seeds, [comparison.method(name) for comparison in comparisons]) for name in names]


def _summary(method: str, seeds: tuple[int, ...], results: Sequence[MethodResult]) -> SeedSummary:
    return SeedSummary(
        method=method,
        seeds=seeds,
        auc=_spread(result.auc for result in results),
        uauc=_spread(result.uauc for result in results),
        log_loss=_spread(result.log_loss for result in results),
        calibration_error=_spread(result.calibration_error for result in results),
        seconds=_spread(result.seconds for result in results),
    )


def _spread(values: Iterable[float | None]) -> Spread | None:
    known = list(values)
    numbers = [value for value in known if value is not None]
    if len(numbers) < len(known):
        return None
    deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return Spread(mean=float(np.mean(numbers)), deviation=deviation)
