"""The scores of a run as one table, and as a file for other programs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl
import pyarrow as pa

from scorerec.core.columns import ITEM_ID, LABEL, METHOD, P_YES, ROW_ID, SPLIT, TARGET_ID, TIMESTAMP, USER_ID
from scorerec.core.errors import ArtifactError, ConfigError, DataError
from scorerec.core.storage import told_clearly
from scorerec.evaluate.rows import as_frame
from scorerec.experiment.run import Run

COLUMNS = (ROW_ID, USER_ID, ITEM_ID, TIMESTAMP, SPLIT, LABEL, METHOD, "score")
ENDINGS = (".csv", ".parquet")


def run_scores(run: Run, methods: Collection[str] | None = None) -> pa.Table:
    """Return the scores that a run has so far, for the rows that it judges.

    Args:
        run: a run.
        methods: keys of the methods wanted; None: all that have scores.

    Returns:
        ``COLUMNS``; ``method`` is the method's key, ``score`` the probability of Yes. One row per judged row and
        method, methods in the order of tables.

    Raises:
        ConfigError: the run has no such method.
        ArtifactError: a method that was asked for has no scores yet.
    """
    chosen = {method.key: method for method in run.config.chosen_methods}
    if unknown := [key for key in methods or () if key not in chosen]:
        raise ConfigError(f"{run.folder}: no method {', '.join(unknown)}; it has {', '.join(chosen)}")
    rows = _judged(run)
    found = [rows.clear().with_columns(method=pl.lit(""), score=pl.lit(0.0))]
    for key, method in chosen.items():
        if methods is not None and key not in methods:
            continue
        if method.stage not in run.artifacts and methods is not None:
            raise ArtifactError(f"{run.folder}: {key} has no scores yet; `scorerec run --to {method.stage}` first")
        if method.stage in run.artifacts:
            scores = as_frame(run.scores(method.stage, key))
            wanted = scores.select(TARGET_ID, pl.col(P_YES).alias("score"))
            own = rows.join(wanted, on=TARGET_ID, maintain_order="left")
            found.append(own.with_columns(method=pl.lit(key)).select(found[0].columns))
    return pl.concat(found).select(COLUMNS).to_arrow()


def _judged(run: Run) -> pl.DataFrame:
    targets = as_frame(run.all_targets).select(TARGET_ID, ROW_ID, SPLIT)
    interactions = as_frame(run.interactions).drop(SPLIT)
    judged = targets.filter(pl.col(SPLIT) == run.config.evaluation.split, pl.col(ROW_ID).is_not_null())
    return judged.join(interactions, on=ROW_ID).sort(ROW_ID).select(TARGET_ID, *COLUMNS[:-2])


def write_scores(folder: Path, out: Path, methods: Collection[str] | None = None) -> int:
    """Write the scores of a run into a new CSV or Parquet file; return the number of its rows.

    Args:
        folder: of the run.
        out: ends in ``.csv`` or ``.parquet``.
        methods: keys of the methods wanted; None: all that have scores.

    Raises:
        ConfigError: the file is there already, has another ending, or a method is unknown.
        ArtifactError: no run, no scores, or the file cannot be written.
    """
    if out.suffix not in ENDINGS:
        raise ConfigError(f"{out}: wanted a file that ends in {' or '.join(ENDINGS)}")
    if out.exists():
        raise ConfigError(f"{out}: is there already; delete it, or name another file")
    scores = as_frame(run_scores(Run.open(folder), methods))
    if not scores.height:
        raise DataError(f"{folder}: no method has scores yet; `scorerec run` it")
    with told_clearly(out.parent):
        if out.suffix == ".csv":
            scores.write_csv(out)
        else:
            scores.write_parquet(out)
    return scores.height
