"""Anybody's scores from a file: ``scorerec evaluate --predictions FILE``."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from scorerec.core.errors import DataError
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import Measured
from scorerec.evaluate.rows import codes
from scorerec.evaluate.significance import METRICS, resample_users

COLUMNS = ("user_id", "label", "score")
CSV_ENDINGS = (".csv", ".csv.gz")
PARQUET_ENDINGS = (".parquet", ".pq")


class PredictionsResult(Measured):
    """The metrics of one file of scores."""

    file: str
    n_resamples: int

    def to_json(self) -> str:
        """Return indented JSON; a metric that cannot be computed is null, and ``reasons`` says why."""
        return self.model_dump_json(indent=2)


def evaluate_predictions(
    path: Path, method: str | None = None, n_resamples: int = 1000, seed: int = 0
) -> PredictionsResult:
    """Measure the scores in a CSV or Parquet file with the columns user_id, label (0 or 1) and score.

    A column ``method`` says whose scores they are. Further columns are ignored. User ids are kept as text: ``007`` and
    ``7`` are two users in a CSV file.

    Args:
        path: ``.csv``, ``.csv.gz``, ``.parquet`` or ``.pq``.
        method: whose scores are measured, where the file has those of several.
        n_resamples: draws of users behind the intervals.
        seed: seed of the draws.

    Raises:
        DataError: the file cannot be read, lacks a column or rows, or a row has no user, a label other than 0
            and 1, or a score that is not a number; or all rows have one label; or the file has scores of several
            methods and not that of ``method``.
    """
    frame = _of_method(path, _read(path), method)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)}; wanted {', '.join(COLUMNS)}, it has {', '.join(frame.columns)}"
        )
    if not frame.height:
        raise DataError(f"{path}: no rows below the header; wanted one row per scored (user, item)")
    users = _users(path, frame["user_id"])
    labels = _labels(path, frame["label"])
    scores = _scores(path, frame["score"])
    if labels.n_unique() == 1:
        raise DataError(f"{path}: all {len(labels)} labels are {labels[0]:.0f}; AUC needs rows of both classes")
    user, label, score = codes(users), labels.to_numpy(), scores.to_numpy()
    measured = measure(user, label, score)
    draws = resample_users(user, label, {"score": score}, n_resamples, seed)
    intervals = {f"{metric}_interval": draws.interval(metric, "score") for metric in METRICS}
    return PredictionsResult(file=str(path), n_resamples=n_resamples, **{**measured.model_dump(), **intervals})


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    name = path.name.lower()
    try:
        if name.endswith(PARQUET_ENDINGS):
            # One file, so no hive columns out of folder names such as split=test/.
            return pl.read_parquet(path, hive_partitioning=False)
        if name.endswith(CSV_ENDINGS):
            # Everything as text first, so that a bad value can be shown as it stands in the file.
            return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty; wanted a header with {', '.join(COLUMNS)}") from None
    except (pl.exceptions.PolarsError, OSError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cannot be read as {name.rpartition('.')[2]}: {error}") from None
    raise DataError(f"{path}: wanted a file that ends in {', '.join(CSV_ENDINGS + PARQUET_ENDINGS)}")


def _of_method(path: Path, frame: pl.DataFrame, method: str | None) -> pl.DataFrame:
    known = frame["method"].unique(maintain_order=True).to_list() if "method" in frame.columns else []
    if method is None and len(known) < 2:
        return frame
    if method not in known:
        wanted = "wanted the name of one with --method" if method is None else f"wanted those of {method!r}"
        raise DataError(f"{path}: has scores of {', '.join(map(str, known)) or 'no named method'}; {wanted}")
    return frame.filter(pl.col("method") == method)


def _users(path: Path, column: pl.Series) -> pl.Series:
    if not (column.dtype == pl.String or column.dtype.is_integer()):
        raise DataError(f"{path}: user_id is {column.dtype}; wanted text or whole numbers")
    text = column.cast(pl.String)
    _refuse(path, column, text.is_null() | (text == ""), "a user id")
    return text


def _labels(path: Path, column: pl.Series) -> pl.Series:
    values = _numbers(path, column)
    _refuse(path, column, ~values.is_in([0.0, 1.0]).fill_null(value=False), "a label of 0 or 1")
    return values


def _scores(path: Path, column: pl.Series) -> pl.Series:
    values = _numbers(path, column)
    _refuse(path, column, values.is_null() | values.is_nan(), "a number as score")
    return values


def _numbers(path: Path, column: pl.Series) -> pl.Series:
    if not (column.dtype in (pl.String, pl.Boolean) or column.dtype.is_numeric()):
        raise DataError(f"{path}: {column.name} is {column.dtype}; wanted numbers")
    text = column.str.strip_chars() if column.dtype == pl.String else column
    return text.cast(pl.Float64, strict=False)


def _refuse(path: Path, column: pl.Series, wrong: pl.Series, wanted: str) -> None:
    rows = wrong.arg_true()
    if len(rows):
        came = column[int(rows[0])]
        raise DataError(
            f"{path}: row {rows[0] + 1} (the header not counted): wanted {wanted}, "
            f"got {'nothing' if came is None or came == '' else repr(came)}; {len(rows)} such rows"
        )
