"""Two runs side by side: every method that both scored, on the rows that both judged, and what they set differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from scorerec.core.errors import ArtifactError, DataError
from scorerec.core.metrics import auc, uauc
from scorerec.evaluate.results import Difference
from scorerec.evaluate.rows import as_frame
from scorerec.evaluate.significance import resample_users
from scorerec.evaluate.tables import number, p_value, signed
from scorerec.experiment.run import Run
from scorerec.serve.scores import run_scores

_ROW = ["user_id", "item_id", "label"]


@dataclass(frozen=True)
class MethodPair:
    """One method in two runs, on the same rows.

    Attributes:
        key: what configuration calls it.
        name: as the second run's tables show it.
        metric: auc or uauc.
        first: the metric in the first run.
        second: in the second.
        difference: second minus first, with its interval over resamples of users.
    """

    key: str
    name: str
    metric: str
    first: float
    second: float
    difference: Difference


@dataclass(frozen=True)
class RunComparison:
    """What two runs have in common, and where they differ.

    Attributes:
        split: whose rows were judged.
        n_rows: rows that both judged.
        n_users: of them.
        only_first: rows that the first run judged alone.
        only_second: rows that the second run judged alone.
        pairs: one per method and metric.
        settings: setting -> (first, second) where they differ.
    """

    split: str
    n_rows: int
    n_users: int
    only_first: int
    only_second: int
    pairs: tuple[MethodPair, ...]
    settings: Mapping[str, tuple[Any, Any]]

    @property
    def headlines(self) -> list[str]:
        """Lines that stand above the table."""
        left_out = f"; left out: {self.only_first} and {self.only_second} that one of them judges alone"
        rows = f"{self.n_rows:,} {self.split} rows of {self.n_users:,} users, judged by both"
        changes = [f"{key}: {first} -> {second}" for key, (first, second) in self.settings.items()]
        return [rows + (left_out if self.only_first or self.only_second else ""), *(changes or ["equal settings"])]

    @property
    def rows(self) -> list[list[str]]:
        """The table: method, metric, both values, their difference with its interval, and p."""
        return [
            [
                pair.name,
                pair.metric.upper(),
                number(pair.first),
                number(pair.second),
                signed(pair.difference),
                p_value(pair.difference.p_value),
            ]
            for pair in self.pairs
        ]


def compare_runs(first: Path, second: Path, n_resamples: int = 1000) -> RunComparison:
    """Compare every method that two runs have scored, row by row and user by user.

    Args:
        first: folder of a run.
        second: folder of another.
        n_resamples: draws of users behind the intervals; those of equal numbers of users are equal.

    Raises:
        ArtifactError: a run is not there, or has no scores.
        DataError: the runs judge different splits, other rows, or have no method in common.
    """
    runs = Run.open(first), Run.open(second)
    splits = [run.config.evaluation.split for run in runs]
    if splits[0] != splits[1]:
        raise DataError(f"{first} judges {splits[0]} rows and {second} {splits[1]} rows; set evaluation.split alike")
    names = [{method.key: method.label for method in run.config.chosen_methods} for run in runs]
    frames = [_wide(run) for run in runs]
    keys = [key for key in names[1] if key in frames[0].columns and key in frames[1].columns]
    if not keys:
        raise DataError(f"{first} and {second} have no method in common; run both as far as their scores")
    joined = _joined(frames, (first, second))
    return RunComparison(
        split=splits[0],
        n_rows=joined.height,
        n_users=joined["user_id"].n_unique(),
        only_first=frames[0].height - joined.height,
        only_second=frames[1].height - joined.height,
        pairs=tuple(_pairs(joined, {key: names[1][key] for key in keys}, n_resamples)),
        settings=_different(runs[0].config.model_dump(mode="json"), runs[1].config.model_dump(mode="json")),
    )


def _wide(run: Run) -> pl.DataFrame:
    """Return the judged rows with one column of scores per method."""
    scores = as_frame(run_scores(run))
    if not scores.height:
        raise ArtifactError(f"{run.folder}: no method has scores yet; `scorerec run` it")
    return scores.pivot("method", index=["row_id", *_ROW], values="score")


def _joined(frames: list[pl.DataFrame], folders: tuple[Path, Path]) -> pl.DataFrame:
    joined = frames[0].join(frames[1], on="row_id", suffix=" of second", maintain_order="left")
    if not joined.height:
        raise DataError(f"{folders[0]} and {folders[1]} judge no row in common")
    for column in _ROW:
        other = joined.filter(pl.col(column) != pl.col(f"{column} of second"))
        if other.height:
            row = other.row(0, named=True)
            raise DataError(
                f"row {row['row_id']}: {column} is {row[column]!r} in {folders[0]} and {row[f'{column} of second']!r} "
                f"in {folders[1]} ({other.height} such rows); compare runs on the same data"
            )
    return joined


def _pairs(joined: pl.DataFrame, names: Mapping[str, str], n_resamples: int) -> Iterator[MethodPair]:
    users, labels = joined["user_id"].to_numpy(), joined["label"].to_numpy()
    columns = [column for key in names for column in (key, f"{key} of second")]
    scores = {column: joined[column].to_numpy() for column in columns}
    draws = resample_users(users, labels, scores, n_resamples)
    for key, name in names.items():
        both = scores[key], scores[f"{key} of second"]
        for metric, values in (
            ("auc", [auc(labels, score) for score in both]),
            ("uauc", [uauc(users, labels, score).value for score in both]),
        ):
            before, after = values
            if before is not None and after is not None:
                difference = draws.difference(metric, f"{key} of second", key, after - before)
                yield MethodPair(key, name, metric, before, after, difference)


def _different(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Return dotted setting -> both values, where they differ."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys((*first, *second)):
        values = first.get(key), second.get(key)
        if isinstance(values[0], Mapping) and isinstance(values[1], Mapping):
            found |= _different(values[0], values[1], f"{prefix}{key}.")
        elif values[0] != values[1]:
            found[prefix + key] = values
    return found
