"""What limits SCORE with the toy LM: tuning, length of prompts, retrieval, or reading? Validation rows alone.

python benchmarks/limits.py --path FOLDER

Each row changes one thing of the preset and is tuned anew; what does not change is reused, and a second call goes on
where the first one ended. An hour or so on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scorerec.reproduce.plan import SCORE, SHOWN, Row
from scorerec.reproduce.records import read_records
from scorerec.reproduce.run import Job, Reproduction

ROWS = (
    Row("item-mean", "item-mean", (), "item mean"),
    Row("llm", "llm", (), "LM without CI"),
    Row("llm-epochs", "llm", ("llm.epochs=8",), "... 8 epochs instead of 3"),
    Row("llm-decay-0", "llm", ("llm.weight_decay=0.0",), "... no weight decay"),
    Row("llm-decay-1", "llm", ("llm.weight_decay=1.0",), "... weight decay 1.0"),
    Row(
        "llm-history",
        "llm",
        ("llm.history_titles=30", "prompt.history_titles=40"),
        "... 30 titles of history instead of 10",
    ),
    SCORE,
    Row("score-decay-0", "score", ("llm.weight_decay=0.0",), "... no weight decay"),
    Row("score-shown", "score", SHOWN, "... titles up to the target, where liked"),
    Row("cf-lightgcn", "cf", ("crm.model=lightgcn", *SHOWN), "... LightGCN's nearest users instead, likewise"),
    Row("oracle-shown", "oracle", SHOWN, "... users chosen by the label, likewise (a bound)"),
    Row("oracle-epochs", "oracle", (*SHOWN, "llm.epochs=8"), "... the same, 8 epochs"),
)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=Path, required=True, help="folder with ratings.dat and movies.dat")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="runs and records")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    changes = [f"data.path={given.path}", "evaluation.split=valid"]
    job = Reproduction("ml-1m-toy", changes, given.out, given.out / "limits.md", print)
    failures = job.make(Job(row, seed) for seed in given.seeds for row in ROWS)
    records = read_records(job.kept)
    table = Table("", *(f"seed {seed}: AUC / UAUC" for seed in given.seeds), "seconds")
    for row in ROWS:
        kept = [records.get((row.key, seed)) for seed in given.seeds]
        cells = [
            failures.get(row.key, "–") if one is None else f"{one.measured.auc:.4f} / {one.measured.uauc:.4f}"
            for one in kept
        ]
        table.add_row(row.name, *cells, "–" if kept[0] is None else f"{kept[0].seconds:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
