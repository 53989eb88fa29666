"""The user's own likes and dislikes so far, in counts: of all items, and of those of the target's kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import ALIKE, ALIKE_DISLIKES, ALIKE_LIKES, N_DISLIKES, N_LIKES, TARGET_ID
from scorerec.core.tables import KNOWLEDGE
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.text.features import Asked
from scorerec.text.record import Record, RecordNumbers, record


def fill(run: Experiment, stage: str) -> UserRecord:
    """Return the records that a stage counted."""
    return UserRecord(run.prompter, run.table(stage, KNOWLEDGE), run.config.record.numbers)


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], UserRecord]:
    """Return what counts the record of whoever asks."""
    prompter, numbers = known.run.prompter, known.run.config.record.numbers
    return lambda targets, queries: UserRecord(prompter, known.knowledge(targets, queries), numbers)


class UserRecord:
    """The user's record as of each target.

    Args:
        prompter: has the words of the domain.
        table: KNOWLEDGE, with a row for each target that is asked about.
        numbers: how it is written.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, table: pa.Table, numbers: RecordNumbers):
        self._words, self._numbers = prompter.words, numbers
        columns = (table[name].to_pylist() for name in (N_LIKES, N_DISLIKES, ALIKE_LIKES, ALIKE_DISLIKES))
        has_kind = pc.is_valid(table[ALIKE]).to_pylist()
        counts = map(Record._make, zip(*columns, has_kind, strict=True))
        self._counts = dict(zip(table[TARGET_ID].to_pylist(), counts, strict=True))

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        return Shown([record(self._counts[asked.target_id], self._words, self._numbers)])
