"""What others thought of the target, in counts: how many rated and liked it, and how many of the most similar ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import N_LIKED, N_RATERS, N_SIMILAR, N_SIMILAR_LIKED, TARGET_ID
from scorerec.core.tables import VERDICTS
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.pipeline.verdicts import VerdictCounter
from scorerec.text.features import Asked
from scorerec.text.verdicts import Numbers, Verdict, verdict


def fill(run: Experiment, stage: str) -> Verdicts:
    """Return the verdicts that a stage counted."""
    return Verdicts(run.prompter, run.table(stage, VERDICTS), run.config.verdicts.numbers)


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], Verdicts]:
    """Return what counts the verdicts on whatever is asked about."""
    run, config = known.run, known.run.config
    kind, least = config.corpus.kind, known.min_users
    counter = VerdictCounter(known.told, kind, config.verdicts, own=known.own_ratings("strict"))
    return lambda targets, queries: Verdicts(
        run.prompter, of_enough_users(counter.count(targets, queries), least), config.verdicts.numbers
    )


def of_enough_users(verdicts: pa.Table, least: int) -> pa.Table:
    """Return VERDICTS in which fewer users than that are nobody: a verdict of few would tell of each of them."""
    columns = {name: verdicts[name] for name in verdicts.column_names}
    for n_raters, n_liked in ((N_RATERS, N_LIKED), (N_SIMILAR, N_SIMILAR_LIKED)):
        is_few = pc.less(verdicts[n_raters], least)
        for name in (n_raters, n_liked):
            columns[name] = pc.if_else(is_few, pa.scalar(0, verdicts.schema.field(name).type), verdicts[name])
    return pa.table(columns)


class Verdicts:
    """The verdict on each target.

    Args:
        prompter: has the words of the domain.
        table: VERDICTS, with a row for each target that is asked about.
        numbers: how they are written.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, table: pa.Table, numbers: Numbers):
        self._words, self._numbers = prompter.words, numbers
        columns = (table[name].to_pylist() for name in (N_RATERS, N_LIKED, N_SIMILAR, N_SIMILAR_LIKED))
        counts = map(Verdict._make, zip(*columns, strict=True))
        self._counts = dict(zip(table[TARGET_ID].to_pylist(), counts, strict=True))

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        return Shown([verdict(self._counts[asked.target_id], self._words, self._numbers)])
