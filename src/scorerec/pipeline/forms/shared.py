"""Why similar users are like this one, and what they thought of the target: CI, compressed to what bears on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import ClassVar

import pyarrow as pa

from scorerec.core.columns import ITEM_IDS, LIKED, RANK, TARGET_ID
from scorerec.core.tables import SHARED
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.pipeline.sharing import SharedFinder
from scorerec.text.features import Asked
from scorerec.text.shared import shared


def fill(run: Experiment, stage: str) -> Shares:
    """Return what a stage found."""
    return Shares(run.prompter, run.table(stage, SHARED))


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], Shares]:
    """Return what finds the similar raters of whatever is asked about."""
    run, config = known.run, known.run.config
    sizes = config.shared.n_users, config.shared.n_items
    finder = SharedFinder(known.told, config.corpus.kind, *sizes, ease=known.ease)
    return lambda targets, queries: Shares(run.prompter, finder.find(targets, queries))


class Shares:
    """The most similar raters of each target, and what they share with the user.

    Args:
        prompter: writes titles.
        table: SHARED.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, table: pa.Table):
        self._words, self._describer = prompter.words, prompter.describer
        self._raters: dict[str, list[tuple[bool, list[str]]]] = defaultdict(list)
        ordered = table.sort_by([(TARGET_ID, "ascending"), (RANK, "ascending")])
        for name, liked, items in zip(*(ordered[one].to_pylist() for one in (TARGET_ID, LIKED, ITEM_IDS)), strict=True):
            self._raters[name].append((liked, items))

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        raters = [
            (liked, [*map(self._describer.item, items)]) for liked, items in self._raters.get(asked.target_id, [])
        ]
        return Shown([shared(raters, self._words)])
