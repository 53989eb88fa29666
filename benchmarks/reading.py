"""Does an LM notice what its evidence says of the very item that it is asked about? Rows of runs, read again.

python benchmarks/reading.py runs/ml-1m --model embedded:smollm2 tuned

*Named*: the last title that the prompt shows of the last similar user is replaced by the target, in rows whose evidence
does not name it. An LM that reads its evidence answers Yes more often then. *Exchanged*: in the verdicts on the target,
those who liked it and those who did not change places; the change counts upwards where most had not liked it,
downwards where most had. An LM that does not move cannot use any evidence. A run that has come to the prompts is enough
for a model as it is; `tuned` is the run's own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from scorerec.core.columns import N_LIKED, N_RATERS, N_SIMILAR, N_SIMILAR_LIKED, TARGET_ID, USER_ID
from scorerec.core.randomness import generator
from scorerec.core.tables import PROMPTS, VERDICTS
from scorerec.experiment.run import Run
from scorerec.experiment.stages.judged import prompts_of, with_users
from scorerec.llm.encode import read_prompts
from scorerec.llm.score import PromptGroup, Scorer
from scorerec.text.exchange import names_target
from scorerec.text.prompts import mark
from scorerec.text.segments import Segment, place_of_target
from scorerec.text.verdicts import Verdict, verdict

TUNED = "tuned"
DRAWS = 1000  # of users, for intervals

Changed = tuple[list[Segment], int] | None  # a prompt, and where p(Yes) should go: 1 up, -1 down


class Look(NamedTuple):
    """What one LM makes of one change, on rows whose prompts it can be made in.

    Attributes:
        what: was changed.
        users: of the rows, (N,) text.
        before: p(Yes), (N,).
        after: the same of the changed prompts.
        towards: 1 where it should rise, -1 where it should fall, (N,).
    """

    what: str
    users: npt.NDArray[np.str_]
    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]
    towards: npt.NDArray[np.int64]

    def cells(self) -> list[str]:
        """Return the look as cells of the table."""
        change = self.towards * (self.after - self.before)
        low, high = interval(change, self.users)
        of_rows = (f"{len(change):,}", f"{self.before.mean():.4f}", f"{self.after.mean():.4f}")
        return [self.what, *of_rows, f"{change.mean():+.4f} [{low:+.4f}, {high:+.4f}]", f"{(change > 0).mean():.1%}"]


def main() -> None:
    """Print one table for all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--methods", nargs="+", default=["score"], help="methods of the runs whose prompts show others")
    parser.add_argument(
        "--model", nargs="+", default=[TUNED], help=f"ids or folders, untuned; {TUNED}: as the run has it"
    )
    parser.add_argument("--rows", type=int, default=100, help="drawn at random; each is read up to four times")
    parser.add_argument("--split", default="valid", choices=("valid", "test"), help="of the rows")
    given = parser.parse_args()
    headings = ("run", "method", "model", "changed", "rows", "p(Yes)", "then", "mean change, 95%", "rows that follow")
    table = Table(*headings)
    for folder in given.runs:
        run = Run.open(folder)
        for method in given.methods:
            for model in given.model:
                for look in looks(run, method, model, given.rows, given.split):
                    table.add_row(folder.name, method, model, *look.cells())
    Console(width=160).print(table)


def looks(run: Run, method: str, model: str, most: int, split: str) -> Iterator[Look]:
    """Yield what an LM makes of each change that the prompts of a method allow.

    Args:
        run: with the prompts.
        method: whose prompts.
        model: an id or folder; ``tuned``: what the run tuned for the method.
        most: rows that are drawn.
        split: of the rows.
    """
    run.compute()
    own = run.model(f"tuned-{method}") if model == TUNED else model
    scorer = Scorer.load(own, run.config.llm, run.config.device)
    targets = with_users(run.targets(split), run.queries)
    drawn = targets.take(np.sort(generator(0, "reading", split).permutation(targets.num_rows)[:most]))
    prompts = run.table(f"prompts-{method}", PROMPTS)
    asked = prompts_of(drawn[TARGET_ID], prompts)
    shown = scorer.encoder.as_read(read_prompts(asked))
    users = np.array(drawn[USER_ID].to_pylist())
    changes: dict[str, Callable[[int], Changed]] = {"target named": lambda place: with_target(shown[place], run)}
    counts = counted(run, method, drawn[TARGET_ID])
    if counts:
        changes["liked and not, exchanged"] = lambda place: exchanged(shown[place], counts[place], run)
    for what, change in changes.items():
        found = {place: new for place in range(len(shown)) if (new := change(place)) is not None}
        if found:
            sides = [[shown[place] for place in found], [new for new, _ in found.values()]]
            before, after = scorer.score_groups([PromptGroup((), side) for side in sides])
            towards = np.array([sign for _, sign in found.values()])
            yield Look(what, users[list(found)], before.p_yes, after.p_yes, towards)


def with_target(segments: list[Segment], run: Run) -> Changed:
    """Return a prompt with the target in place of the last evidence title; None where it shows none, or names it."""
    config = run.config.prompt
    target = segments[place_of_target(segments)]
    places = [place for place, part in enumerate(segments) if part.kind == "evidence"]
    if not places or names_target(segments):
        return None
    last = segments[places[-1]]._replace(text=target.text, item_id=target.item_id)
    last = mark(last, config.words) if config.evidence_window == "marked" else last
    return [*segments[: places[-1]], last, *segments[places[-1] + 1 :]], 1


def exchanged(segments: list[Segment], counts: Verdict, run: Run) -> Changed:
    """Return a prompt with those who liked the target, and those who did not, exchanged; None if they are as many."""
    of_all = counts.n_raters - 2 * counts.n_liked
    if of_all == 0:
        return None
    other = counts._replace(
        n_liked=counts.n_raters - counts.n_liked, n_similar_liked=counts.n_similar - counts.n_similar_liked
    )
    new = verdict(other, run.config.prompt.words, run.config.verdicts.numbers)
    return [new if part.kind == "verdict" else part for part in segments], 1 if of_all > 0 else -1


def counted(run: Run, method: str, target_ids: pa.ChunkedArray) -> list[Verdict]:
    """Return what the prompts of a method tell of some targets; nothing where they tell no verdicts."""
    inputs = run.artifact(f"prompts-{method}").manifest["inputs"]
    stage = next((name for name in inputs if name.startswith("verdicts")), None)
    if stage is None:
        return []
    table = run.table(stage, VERDICTS)
    rows = table.take(pc.index_in(target_ids, table[TARGET_ID].combine_chunks()))
    columns = (rows[name].to_pylist() for name in (N_RATERS, N_LIKED, N_SIMILAR, N_SIMILAR_LIKED))
    return list(map(Verdict._make, zip(*columns, strict=True)))


def interval(change: npt.NDArray[np.float64], users: Sequence[str] | npt.NDArray[np.str_]) -> tuple[float, float]:
    """Return the 95% interval of a mean over rows, (N,), from draws of their users."""
    _, code = np.unique(np.asarray(users), return_inverse=True)
    sums, counts = np.bincount(code, change), np.bincount(code)
    drawn = generator(0, "reading", "draws").integers(len(sums), size=(DRAWS, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
