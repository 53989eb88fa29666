"""How much can evidence add to the item mean? Validation rows of runs, without any language model.

python benchmarks/evidence.py runs/ml-1m

For the users that each run would show, as many as asked for: how often one of them is seen to have liked the target,
the AUC of their number alone, and what a logistic regression gains from it over the item mean, fitted on half of the
users and judged on the others, both ways. What two features cannot use, a small language model will hardly use either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from scorerec.core.randomness import generator
from scorerec.core.tables import BEHAVIOURS, CANDIDATES, INTERACTIONS, SCORES, TARGETS
from scorerec.evaluate.informativeness import evidence_matches
from scorerec.evaluate.metrics import auc, uauc
from scorerec.evaluate.rows import as_frame
from scorerec.experiment.methods import ITEM_MEAN
from scorerec.experiment.runner import Run

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Print one table for all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--users", type=int, nargs="+", default=[2, 4, 10], help="users shown, the most similar first")
    parser.add_argument("--titles", type=int, nargs="+", default=[8, 10**6], help="most recent titles of each")
    arguments = parser.parse_args()
    columns = ("run", "users from", "CRM", "users", "titles", "target seen", "AUC alone", "AUC added", "UAUC added")
    table = Table(*columns)
    for folder in arguments.runs:
        run = Run.open(folder)
        rows = validation_rows(run)
        for stage in sorted(name for name in run.artifacts if name.startswith("candidates")):
            for n_users in arguments.users:
                for n_titles in arguments.titles:
                    shown = [folder.name, stage, run.config.crm.label, str(n_users)]
                    table.add_row(
                        *shown,
                        f"last {n_titles}" if n_titles < 10**6 else "all",
                        *row(run, stage, rows, n_users, n_titles),
                    )
    Console(width=160).print(table)


def validation_rows(run: Run) -> pl.DataFrame:
    """Return target_id, user_id, label and the item mean of the validation rows."""
    users = as_frame(run.artifact("data").table(INTERACTIONS)).select("row_id", "user_id")
    means = as_frame(run.artifact("references").table(SCORES)).filter(pl.col("method") == ITEM_MEAN)
    targets = as_frame(run.artifact("corpus").table(TARGETS)).filter(pl.col("split") == "valid")
    joined = targets.join(users, on="row_id").join(means.select("target_id", "p_yes"), on="target_id")
    return joined.select("target_id", "user_id", "label", "p_yes").sort("target_id")


def row(run: Run, stage: str, rows: pl.DataFrame, n_users: int, n_titles: int) -> list[str]:
    """Return the last four columns of the table."""
    corpus = run.artifact("corpus")
    behaviours = as_frame(corpus.table(BEHAVIOURS)).with_columns(pl.col("item_ids").list.tail(n_titles))
    found = as_frame(run.artifact(stage).table(CANDIDATES)).filter(pl.col("rank") <= n_users)
    counts = as_frame(evidence_matches(corpus.table(TARGETS), *map(pl.DataFrame.to_arrow, (found, behaviours))))
    joined = rows.join(counts.select("target_id", "n_with_target"), on="target_id", maintain_order="left")
    labels, users = joined["label"].to_numpy(), joined["user_id"].to_numpy()
    liked, mean = joined["n_with_target"].to_numpy().astype(float), joined["p_yes"].to_numpy()
    known = np.log(mean / (1 - mean))
    without = quality(known[:, None], labels, users)
    gained = quality(np.column_stack([known, np.log1p(liked)]), labels, users)
    added = [f"{before:.4f} -> {after:.4f}" for before, after in zip(without, gained, strict=True)]
    return [f"{np.mean(liked > 0):.1%}", f"{auc(labels, liked):.4f}", *added]


def quality(features: Floats, labels: npt.NDArray[np.int_], users: npt.NDArray[np.str_]) -> tuple[float, float]:
    """Return AUC and UAUC of a logistic regression, each the mean over two halves of the users."""
    everybody = np.unique(users)
    first = everybody[generator(0, "halves").random(len(everybody)) < 0.5]
    half = np.isin(users, first)
    found = []
    for judged in (half, ~half):
        model = LogisticRegression(C=10.0).fit(features[~judged], labels[~judged])
        scores = model.decision_function(features[judged])
        found.append((auc(labels[judged], scores), uauc(users[judged], labels[judged], scores).value))
    means = np.mean(found, axis=0)
    return float(means[0]), float(means[1])


if __name__ == "__main__":
    main()
