"""Which settings find users that know the target? `scorerec signal` for several variants, in one table.

python benchmarks/sources.py ml-1m --path FOLDER --vary "evidence.item_sets=0" --vary "sare.teacher=assessment"

Validation rows alone. Every variant is the experiment with its changes (several in one go: separate them by a space);
what variants share is made once. No language model is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scorerec.experiment.config import load_experiment
from scorerec.experiment.plan import stages_of
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.nn.devices import use_threads

_COLUMNS = ("variant", "users from", "users", "named", "AUC of count", "UAUC", "item mean", "with count", "gain")


def main() -> None:
    """Print one table for all variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="preset or file")
    parser.add_argument("--path", help="folder of the data")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="root of runs")
    parser.add_argument("--vary", action="append", default=[], help="changes of one variant")
    parser.add_argument("--users", type=int, nargs="+", default=[2, 10])
    arguments = parser.parse_args()
    common = ["evaluation.split=valid", *([f"data.path={arguments.path}"] if arguments.path else [])]
    console = Console(width=170)
    table = Table(*_COLUMNS)
    for variant in ["", *arguments.vary]:
        config = load_experiment(arguments.source, [*common, *variant.split()])
        use_threads(config.threads)
        console.print(f"{variant or 'as it is'} ...")
        runner = Runner(stages_of(config), config, arguments.out)
        made = runner.made("signal")
        add_rows(table, variant or "as it is", made, arguments.users)
        recall = {name: value for name, value in made.artifact("car").facts.items() if name.startswith("recall")}
        quality = made.artifact("sare").facts["quality"]["tuned"] or {}
        console.print(f"  CAR {recall}; SARE, pairs in order: {quality.get('pairwise_accuracy', float('nan')):.3f}")
    console.print(table)


def add_rows(table: Table, variant: str, run: Run, numbers: list[int]) -> None:
    """Add the rows of one variant."""
    for one in run.signal().counts:
        if one.split != "valid" or one.n_users not in numbers or None in (one.auc, one.mean_auc, one.added_auc):
            continue
        gain = "" if one.gain is None else f"{one.gain.low:+.4f} to {one.gain.high:+.4f}"
        shown = (f"{one.named:.1%}", f"{one.auc:.3f}", f"{one.uauc:.3f}", f"{one.mean_auc:.4f}", f"{one.added_auc:.4f}")
        table.add_row(variant, one.source, str(one.n_users), *shown, gain)
    table.add_section()


if __name__ == "__main__":
    main()
