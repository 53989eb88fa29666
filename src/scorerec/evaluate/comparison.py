"""Several methods on the same rows: metrics, intervals, paired differences and slices in one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from scorerec.core.errors import DataError
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import Comparison, Difference, MethodResult
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.significance import METRICS, Resamples, resample_users
from scorerec.evaluate.slices import Slice, measure_slices

# Two predictors without a model. A table without them hides that they are hard to beat, so there is none.
REFERENCES = ("item-mean", "item+user-mean")


def compare(
    rows: JudgedRows,
    against: str,
    *,
    slices: Sequence[Slice] = (),
    seconds: Mapping[str, float] = MappingProxyType({}),
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Measure every method of ``rows`` and its paired differences, to the method ``against`` and to the references.

    Args:
        rows: the rows and every method's scores.
        against: the method that the others are compared with.
        slices: parts of the rows to measure as well.
        seconds: method -> seconds of training and scoring, where known.
        n_resamples: draws of users behind the intervals.
        seed: seed of the run; the draws come from it too.

    Raises:
        DataError: a reference (item-mean, item+user-mean) is missing, ``against`` has no scores, or seconds
            are given for a method that has none.
        ModelError: a score is not a number.
    """
    _check_methods(rows, against, seconds)
    draws = resample_users(rows.users, rows.labels, rows.scores, n_resamples, seed)
    methods = tuple(_method(rows, method, draws, seconds.get(method)) for method in rows.scores)
    return Comparison(
        split=rows.split,
        seed=seed,
        rows_fingerprint=rows.fingerprint,
        against=against,
        n_resamples=n_resamples,
        methods=methods,
        differences=tuple(
            entry for base in dict.fromkeys((against, *REFERENCES)) for entry in _differences(methods, base, draws)
        ),
        slices=tuple(measure_slices(rows, slices)),
    )


def _check_methods(rows: JudgedRows, against: str, seconds: Mapping[str, float]) -> None:
    missing = [name for name in REFERENCES if name not in rows.scores]
    if missing:
        raise DataError(
            f"no scores of {' and '.join(missing)}: every comparison shows both references "
            f"({', '.join(REFERENCES)}); fit them on the same data and add their scores"
        )
    for name in (against, *seconds):
        if name not in rows.scores:
            raise DataError(f"method {name!r} has no scores; those that have: {', '.join(rows.scores)}")


def _method(rows: JudgedRows, method: str, draws: Resamples, seconds: float | None) -> MethodResult:
    measured = measure(rows.users, rows.labels, rows.scores[method])
    intervals = {f"{metric}_interval": draws.interval(metric, method) for metric in METRICS}
    return MethodResult(method=method, seconds=seconds, **{**measured.model_dump(), **intervals})


def _differences(methods: Sequence[MethodResult], against: str, draws: Resamples) -> list[Difference]:
    base = next(result for result in methods if result.method == against)
    differences = []
    for result in methods:
        for metric in METRICS:
            own, other = getattr(result, metric), getattr(base, metric)
            if result is not base and own is not None and other is not None:
                differences.append(draws.difference(metric, result.method, against, own - other))
    return differences
