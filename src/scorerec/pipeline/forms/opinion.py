"""What numbers alone expect: a calibrated probability by models that never saw the row, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import pyarrow as pa

from scorerec.core.columns import P_YES, TARGET_ID
from scorerec.core.tables import SCORES, TARGETS
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.forms.registry import of_method
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.text.features import Asked
from scorerec.text.opinion import OpinionNumbers, opinion


def fill(run: Experiment, stage: str) -> Opinion:
    """Return the opinions of the model that the settings name, among the scores of a stage."""
    config = run.config.opinion
    scores = of_method(run.table(stage, SCORES), config.model)
    p_yes = dict(zip(scores[TARGET_ID].to_pylist(), scores[P_YES].to_pylist(), strict=True))
    return Opinion(run.prompter, p_yes, config.numbers)


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], Opinion]:
    """Return what forms an opinion on whatever is asked about."""
    config, prompter = known.run.config.opinion, known.run.prompter

    def find(targets: pa.Table, queries: pa.Table) -> Opinion:
        found = known.p_yes(targets, queries)[config.model]
        names = TARGETS.check(targets)[TARGET_ID].to_pylist()
        return Opinion(prompter, dict(zip(names, found.tolist(), strict=True)), config.numbers)

    return find


class Opinion:
    """The opinion on each target.

    Args:
        prompter: has the words of the domain.
        p_yes: target_id -> probability.
        numbers: how it is written.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, p_yes: Mapping[str, float], numbers: OpinionNumbers):
        self._words, self._p_yes, self._numbers = prompter.words, p_yes, numbers

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        return Shown([opinion(self._p_yes[asked.target_id], self._words, self._numbers)])
