"""The paper's form: the titles that similar users liked, behind the user's own (P^s)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from scorerec.core.columns import TARGET_ID
from scorerec.core.tables import CONTEXTS
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown, item_lists, ranked
from scorerec.text.features import Asked
from scorerec.text.prompts import others_titles


def fill(run: Experiment, stage: str) -> Titles:
    """Return the titles of the contexts of a stage."""
    return Titles(run.prompter, run.table(stage, CONTEXTS), item_lists(run.behaviours))


class Titles:
    """The behaviours of each target's context users, in order of rank.

    Args:
        prompter: writes titles, as many as it is set to.
        contexts: CONTEXTS.
        behaviours: behaviour_id -> item ids, oldest first.
    """

    place: ClassVar[Place] = "history"

    def __init__(self, prompter: Prompter, contexts: pa.Table, behaviours: Mapping[str, Sequence[str]]):
        self._prompter, self._behaviours = prompter, behaviours
        self._chosen = ranked(contexts, TARGET_ID)

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        full = [(name, self._behaviours[name]) for name in self._chosen.get(asked.target_id, [])]
        evidence = [(name, self._prompter.latest_of_other(items, asked.item_id)) for name, items in full]
        marked = asked.item_id if self._prompter.config.evidence_window == "marked" else None
        segments = others_titles(evidence, self._prompter.describer, self._prompter.words, marked)
        return Shown(segments, sum(len(items) for _, items in full))
