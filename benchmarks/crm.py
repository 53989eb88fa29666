"""How long each conventional recommender trains, and what reading each sequence once saves over reading it row by row.

python benchmarks/crm.py --path FOLDER          # of MovieLens-1M: all six, to the end
python benchmarks/crm.py                        # a synthetic world: the forms alone
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from scorerec.core.randomness import generator
from scorerec.crm.config import CRMConfig
from scorerec.crm.histories import Prefixes, Rows, split_rows, training_catalogue
from scorerec.crm.registry import MODULES, model_class
from scorerec.crm.sequence import SequenceRecommender
from scorerec.crm.train import fit_crm
from scorerec.data.prepare import prepare
from scorerec.experiment.config import load_experiment

SAMPLE = 2000  # rows that are read row by row
SYNTHETIC = [
    'data.source={name="synthetic", n_users=500, n_items=1000}',
    'data.split={by="months", train=[0, 9], valid=[10, 10], test=[11, 11]}',
]


def main() -> None:
    """Measure each model on one thread, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="folder with ratings.dat and movies.dat")
    parser.add_argument("--models", nargs="+", default=sorted(MODULES), choices=sorted(MODULES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    changes = [f"data.path={arguments.path}"] if arguments.path else SYNTHETIC
    interactions = prepare(load_experiment("ml-1m", changes).data).interactions
    rows = split_rows(interactions, training_catalogue(interactions), "train")
    table = Table("model", "training, s", "epochs", "valid AUC", "one pass, s/epoch", "row by row, s/epoch", "ratio")
    for name in arguments.models:
        shown = [name, "-", "-", "-"]
        if arguments.path:
            start = time.perf_counter()
            _, facts = fit_crm(interactions, CRMConfig(model=name), seed=0)
            seconds = time.perf_counter() - start
            shown = [name, f"{seconds:.0f}", str(facts["epochs"]), f"{facts['valid_auc']:.4f}"]
        if issubclass(model_class(name), SequenceRecommender):
            shared = epoch_seconds(name, interactions, rows)
            chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])
            alone = epoch_seconds(name, interactions, apart(rows.take(chosen))) * len(rows) / len(chosen)
            shown += [f"{shared:.1f}", f"{alone:.1f}", f"{alone / shared:.1f}"]
        else:
            shown += ["-"] * 3
        table.add_row(*shown)
    Console().print(f"{len(rows):,} training rows, one thread")
    Console().print(table)


def apart(rows: Rows) -> Rows:
    """Return the same rows, each with a history of its own: nothing is read for several rows at once."""
    prefixes = rows.prefixes
    parts = [
        prefixes.items[prefixes.starts[history] :][:length]
        for history, length in zip(prefixes.history, prefixes.length, strict=True)
    ]
    starts = np.concatenate([[0], np.cumsum(prefixes.length)])
    own = Prefixes(np.concatenate(parts), starts, np.arange(len(parts)), prefixes.length)
    return Rows(own, rows.item, rows.label)


def epoch_seconds(name: str, interactions: pa.Table, rows: Rows) -> float:
    """Return the seconds of one pass over the rows, forward and backward; the better of two."""
    config = CRMConfig(model=name)
    catalogue = training_catalogue(interactions)
    torch.manual_seed(0)
    model = model_class(name)(catalogue, config.settings).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    best = float("inf")
    for turn in range(2):
        start = time.perf_counter()
        for batch in model.batches(rows, config.batch_size, generator(turn, "benchmark")):
            optimiser.zero_grad()
            model.loss(batch).backward()
            optimiser.step()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
