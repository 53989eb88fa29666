"""Does new data help without retraining? SCORE with frozen weights and fresh evidence, month by month after training,
beside recommenders that are trained anew every month.

python benchmarks/fresh.py ml-1m --set data.path=FOLDER --record docs/results/score-b-seed0.json

The record is of `scorerec reproduce beyond` (regime B): the LM was tuned once, on the training months. Every month each
recommender learns from all months before it but the last, which selects its epoch, and scores the month's rows.
*Updating* is what a month costs before anything is scored: training for a recommender, nothing for SCORE, whose counts
are of whatever rows there are.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from scorerec.core.columns import ITEM_ID, LABEL, P_YES, ROW_ID, SPLIT, TARGET_ID, TIMESTAMP, USER_ID
from scorerec.core.errors import ConfigError, DataError
from scorerec.core.metrics import auc, uauc
from scorerec.data.prepare import prepare
from scorerec.data.splits import MonthsSplit
from scorerec.experiment.config import load_experiment
from scorerec.experiment.methods import ALWAYS
from scorerec.experiment.plan import stages_of
from scorerec.experiment.runner import Runner
from scorerec.reproduce.records import Record

METHODS = {"crm-scores": "crm", "crm-item-scores": "crm+item"}
Key = tuple[str, str, int]  # user, item, second


def main() -> None:
    """Print one table: months in its rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("preset")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings, such as data.path")
    parser.add_argument("--record", type=Path, required=True, help="of SCORE with an as-of corpus")
    parser.add_argument("--models", nargs="+", default=["sasrec", "lightgcn"], help="recommenders")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--json", action="store_true", help="print one object per method and month instead")
    given = parser.parse_args()
    record = Record.model_validate_json(given.record.read_text(encoding="utf-8"))
    config = load_experiment(given.preset, given.set)
    interactions = prepare(config.data).interactions.sort_by(ROW_ID)
    judged = interactions.filter(pc.equal(interactions[SPLIT], record.split))
    if record.split != "test":
        raise DataError(f"{given.record}: wanted scores of test rows, got those of {record.split} rows")
    if judged.num_rows != record.measured.n_rows:
        raise DataError(f"{given.record}: wanted scores of {judged.num_rows} rows, got {record.measured.n_rows}")
    scores = {"SCORE, frozen": dict(zip(keys(judged), record.row_scores().tolist(), strict=True))}
    split = config.data.split
    if not isinstance(split, MonthsSplit):
        raise ConfigError(
            f"data.split: wanted calendar months, of which there are several to test, got {split.describe()}"
        )
    updating: dict[str, float] = defaultdict(float)
    month_of: dict[Key, int] = {}
    for model in given.models:
        for month in range(split.test[0], split.test[1] + 1):
            ends = f"train=[{split.train[0]}, {month - 2}], valid=[{month - 1}, {month - 1}], test=[{month}, {month}]"
            told = f"methods={json.dumps([*ALWAYS, *METHODS.values()])}"
            changes = (f'data.split={{by="months", {ends}}}', f"crm.model={model}", told, "name=fresh")
            changed = load_experiment(given.preset, [*given.set, *changes])
            run = Runner(stages_of(changed), changed, given.out).made(*METHODS)
            updating[model] += float(run.artifact("crm").manifest["cpu_seconds"])
            tested = run.targets("test")
            of_row = dict(zip(run.interactions[ROW_ID].to_pylist(), keys(run.interactions), strict=True))
            names = (tested[name].to_pylist() for name in (TARGET_ID, ROW_ID))
            of_target = {name: of_row[row] for name, row in zip(*names, strict=True)}
            month_of |= dict.fromkeys(of_target.values(), month - split.train[1])
            for stage, method in METHODS.items():
                found = run.scores(stage, method)
                told = scores.setdefault(f"{model}{' + item mean' if method == 'crm+item' else ''}, retrained", {})
                columns = (found[name].to_pylist() for name in (TARGET_ID, P_YES))
                told |= {of_target[name]: p_yes for name, p_yes in zip(*columns, strict=True) if name in of_target}
    show(judged, month_of, scores, updating, given.json)


def keys(rows: pa.Table) -> list[Key]:
    """Return what names each row, whatever its number is under other settings."""
    return list(zip(*(rows[name].to_pylist() for name in (USER_ID, ITEM_ID, TIMESTAMP)), strict=True))


def show(
    judged: pa.Table,
    month_of: dict[Key, int],
    scores: dict[str, dict[Key, float]],
    updating: dict[str, float],
    as_json: bool,
) -> None:
    """Print AUC and UAUC of each method, month by month and over all."""
    named = keys(judged)
    months = np.array([month_of[key] for key in named])
    labels, users = judged[LABEL].to_numpy(), np.array(judged[USER_ID].to_pylist())
    table = Table("months after training", "rows", *scores)
    every: list[tuple[str, npt.NDArray[np.bool_]]] = [
        *((str(month), months == month) for month in sorted(set(months.tolist()))),
        ("all", np.ones(len(months), bool)),
    ]
    for name, chosen in every:
        cells = []
        for method, of_row in scores.items():
            p_yes = np.array([of_row[key] for key in named])[chosen]
            values = auc(labels[chosen], p_yes), uauc(users[chosen], labels[chosen], p_yes).value
            cells.append(f"{values[0]:.3f} / {values[1] or float('nan'):.3f}")
            if as_json:
                print(json.dumps({"month": name, "method": method, "auc": values[0], "uauc": values[1]}))
        table.add_row(name, f"{chosen.sum():,}", *cells)
    if as_json:
        print(json.dumps({"processor seconds of updating": {"SCORE, frozen": 0.0, **updating}}))
        return
    Console().print(table)
    took = ", ".join(f"{model} {seconds:.0f}" for model, seconds in updating.items())
    Console().print(f"updating, processor seconds over all months: {took}")


if __name__ == "__main__":
    main()
