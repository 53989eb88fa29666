"""Richer d(.): what the catalogue says of the target, and how often the user likes such items."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pyarrow as pa

from scorerec.core.columns import ALIKE, N_LIKES, TARGET_ID
from scorerec.core.tables import KNOWLEDGE
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.text.about import about
from scorerec.text.features import Asked


def fill(run: Experiment, stage: str) -> About:
    """Return what the catalogue says, beside what a stage counted."""
    return About(run.prompter, run.table(stage, KNOWLEDGE))


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], About]:
    """Return what describes whatever is asked about."""
    return lambda targets, queries: About(known.run.prompter, known.knowledge(targets, queries))


class About:
    """What is known of each target beside its title.

    Args:
        prompter: describes items.
        table: KNOWLEDGE, with a row for each target that is asked about.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, table: pa.Table):
        self._words, self._describer = prompter.words, prompter.describer
        columns = (table[name].to_pylist() for name in (TARGET_ID, ALIKE, N_LIKES))
        self._alike = {name: alike if n_likes else None for name, alike, n_likes in zip(*columns, strict=True)}

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        return Shown([about(self._describer.details(asked.item_id), self._alike[asked.target_id], self._words)])
