"""Does the tuned LM notice when a similar user liked the very item that it is asked about? Test rows of runs.

python benchmarks/reading.py runs/ml-1m

The last title that the prompt shows of the last similar user is replaced by the target, in rows whose evidence does not
name it. An LM that reads its evidence answers Yes more often then; one that does not move cannot use any evidence.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from scorerec.core.artifacts import MODEL
from scorerec.core.tables import PROMPTS, TARGETS
from scorerec.experiment.run import Run
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import Scorer
from scorerec.text.segments import Segment


def main() -> None:
    """Print one table for all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--methods", nargs="+", default=["score"], help="methods of the runs whose prompts show others")
    parser.add_argument("--rows", type=int, default=3000, help="test rows, the first ones")
    given = parser.parse_args()
    table = Table("run", "method", "rows", "p(Yes)", "with the target named", "share of rows raised")
    for folder in given.runs:
        run = Run.open(folder)
        for method in given.methods:
            table.add_row(folder.name, method, *measured(run, method, given.rows))
    Console(width=110).print(table)


def measured(run: Run, method: str, most: int) -> list[str]:
    """Return rows, mean probability of Yes without and with the target in the evidence, and how often it rose."""
    scorer = Scorer.load(run.artifact(f"tuned-{method}").path / MODEL, run.config.llm, run.config.device)
    targets = run.artifact("corpus").table(TARGETS)
    asked = targets.filter(pc.equal(targets["split"], "test")).slice(0, most)["target_id"].combine_chunks()
    prompts = run.artifact(f"prompts-{method}").table(PROMPTS)
    shown = scorer.encoder.as_read(read_prompts(prompts.filter(pc.is_in(prompts["target_id"], asked))))
    pairs = [(segments, named) for segments in shown if (named := with_target(segments)) is not None]
    before, after = (scorer.p_yes(scorer.encoder.encode(list(side)).tokens) for side in zip(*pairs, strict=True))
    return [f"{len(pairs):,}", f"{before.mean():.4f}", f"{after.mean():.4f}", f"{(after > before).mean():.1%}"]


def with_target(segments: list[Segment]) -> list[Segment] | None:
    """Return a prompt with the target in place of the last evidence title; None where it shows none, or names it."""
    (target,) = (part for part in segments if part.kind == "target")
    places = [place for place, part in enumerate(segments) if part.kind == "evidence"]
    if not places or any(segments[place].item_id == target.item_id for place in places):
        return None
    last = segments[places[-1]]._replace(text=target.text, item_id=target.item_id)
    return [*segments[: places[-1]], last, *segments[places[-1] + 1 :]]


if __name__ == "__main__":
    main()
