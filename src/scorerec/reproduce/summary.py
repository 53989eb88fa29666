"""From kept records to the rows of one table: means, intervals, differences to SCORE, and the paper's numbers."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from scorerec.evaluate.health import mean_health
from scorerec.evaluate.results import Health, PairedDifference, Spread
from scorerec.evaluate.seeds import Seeded, difference, spread
from scorerec.evaluate.significance import METRICS, holm
from scorerec.reproduce.plan import Row, compared_in
from scorerec.reproduce.records import Part, Record

NOT_RUN = "not run"
Records = Mapping[tuple[str, int], Record]


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        row: what it is.
        seeds: that it was measured on.
        wanted: seeds that the table should have; a row that is not complete has fewer.
        spreads: metric -> mean, deviation and interval; None where it could not be measured.
        differences: metric -> SCORE minus this row; empty for SCORE.
        adjusted: metric -> p-value of that difference after Holm's correction for the table.
        improvement: SCORE over this row, of the mean of both metrics, as in the paper's Rel. Imp.
        paper: AUC and UAUC in the paper.
        seconds: training and scoring, mean over seeds.
        failure: why there is nothing, where there is nothing.
        health: whether its language model reads, mean over seeds; None where none is asked, or it was not measured.
    """

    row: Row
    seeds: tuple[int, ...]
    wanted: tuple[int, ...]
    spreads: Mapping[str, Spread | None]
    differences: Mapping[str, PairedDifference]
    adjusted: Mapping[str, float]
    improvement: float | None
    paper: tuple[float, float] | None
    seconds: float | None
    failure: str = ""
    health: Health | None = None

    def mean(self, metric: str) -> float | None:
        """Return the mean over seeds, or None."""
        found = self.spreads.get(metric)
        return None if found is None else found.mean


def summarise(
    table: str,
    rows: Sequence[Row],
    seeds: Sequence[int],
    records: Records,
    failures: Mapping[str, str],
    dataset: str,
) -> list[Line]:
    """Return the lines of a table.

    Args:
        table: its name, for the paper's numbers.
        rows: its rows.
        seeds: wanted; a row may have fewer. Nothing of other seeds is shown. A difference is over the seeds that the
            row and SCORE both have; it is left out where they were measured on different rows of the data.
        records: what is kept.
        failures: row -> why it failed this time.
        dataset: "ml-1m", "games" or another, for the paper's numbers.
    """
    ours = compared_in(table)
    found = {row.key: seeded(records, row.key, seeds) for row in rows}
    compared = seeded(records, ours.key, seeds)
    paper = paper_numbers(dataset, table)
    differences = {
        key: {metric: difference(compared, one, metric) for metric in METRICS}
        for key, one in found.items()
        if one is not None and compared is not None and key != ours.key and one.rows == compared.rows
    }
    adjusted = _adjusted(differences)
    lines = []
    for row in rows:
        one = found[row.key]
        kept = [records[row.key, seed] for seed in seeds if (row.key, seed) in records]
        spreads = {metric: None if one is None else spread(one, metric) for metric in METRICS}
        lines.append(
            Line(
                row=row,
                seeds=tuple(record.seed for record in kept),
                wanted=tuple(seeds),
                spreads=spreads,
                differences={m: d for m, d in differences.get(row.key, {}).items() if d is not None},
                adjusted=adjusted.get(row.key, {}),
                improvement=_improvement(compared, one) if row.key in differences else None,
                paper=paper.get(row.in_paper),
                seconds=float(np.mean([record.seconds for record in kept])) if kept else None,
                failure=failures.get(row.key, "" if kept else NOT_RUN),
                health=mean_health([record.health for record in kept if record.health is not None]),
            )
        )
    return lines


def seeded(records: Records, key: str, seeds: Sequence[int]) -> Seeded | None:
    """Return one row over seeds; None where nothing is kept of it.

    Args:
        records: all that is kept.
        key: of the row.
        seeds: those that count; some may be missing.
    """
    return seeded_parts({seed: records[key, seed] for seed in seeds if (key, seed) in records})


def seeded_parts(kept: Mapping[int, Record | Part]) -> Seeded | None:
    """Return records, or parts of them, by seed as one row over seeds; None where there are none.

    Which rows a part has may hang on the seed, as evidence does.
    """
    if not kept:
        return None
    values = {
        "auc": {seed: _or_nan(one.measured.auc) for seed, one in kept.items()},
        "uauc": {seed: _or_nan(one.measured.uauc) for seed, one in kept.items()},
    }
    draws = {
        metric: {seed: np.array(one.draws[metric], float) for seed, one in kept.items()} for metric in METRICS
    }  # None becomes NaN
    return Seeded(" ".join(dict.fromkeys(one.rows_fingerprint for one in kept.values())), values, draws)


def paper_numbers(dataset: str, table: str) -> dict[str, tuple[float, float]]:
    """Return row -> (AUC, UAUC) of one of the paper's tables; empty for other data and for figures."""
    text = resources.files("scorerec.reproduce").joinpath("paper.toml").read_text(encoding="utf-8")
    return {key: (auc, uauc) for key, (auc, uauc) in tomllib.loads(text).get(dataset, {}).get(table, {}).items()}


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _improvement(ours: Seeded | None, one: Seeded | None) -> float | None:
    """Return by how much ours is better in the mean of both metrics, over the seeds that both have."""
    if ours is None or one is None:
        return None
    common = ours.values[METRICS[0]].keys() & one.values[METRICS[0]].keys()
    if not common:
        return None
    means = [np.mean([which.values[metric][seed] for metric in METRICS for seed in common]) for which in (ours, one)]
    return None if np.isnan(means).any() else float(means[0] / means[1] - 1)


def _adjusted(differences: Mapping[str, Mapping[str, PairedDifference | None]]) -> dict[str, dict[str, float]]:
    """Correct the p-values of a table, of each metric for itself."""
    found: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        known = {key: entry.p_value for key, by in differences.items() if (entry := by[metric]) is not None}
        for key, value in zip(known, holm(list(known.values())), strict=True):
            found.setdefault(key, {})[metric] = value
    return found
