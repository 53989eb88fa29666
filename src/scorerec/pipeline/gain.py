"""What a similar user's behaviour does for the answer: how much more probable the label is where it alone is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorerec.core.columns import LABEL, P_YES, TARGET_ID
from scorerec.core.tables import CONTEXTS, TARGETS
from scorerec.pipeline.forms.titles import Titles
from scorerec.pipeline.prompting import Prompter, item_lists

_SMALLEST = 1e-9  # probability


class Gains:
    """Measures gains on labelled targets.

    Args:
        prompter: writes the prompts.
        targets: TARGETS with labels, and QUERIES of theirs.
        behaviours: BEHAVIOURS that may be shown.
        score: PROMPTS -> a table of target_id and p_yes.
    """

    def __init__(
        self,
        prompter: Prompter,
        targets: tuple[pa.Table, pa.Table],
        behaviours: pa.Table,
        score: Callable[[pa.Table], pa.Table],
    ):
        self._prompter, (self._targets, self._queries), self._score = prompter, targets, score
        self._lists = item_lists(behaviours)

    def of(self, target_ids: Sequence[str], behaviour_ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return log p(label) with the behaviour shown minus log p(label) with nobody's, for each pair, (P,).

        What the prompts of a target share is read once, where the scorer reads so.
        """
        alone = dict.fromkeys(target_ids)
        place = {name: number for number, name in enumerate(alone)}
        asked = [*alone, *target_ids]
        names = [f"{target}|{number}" for number, target in enumerate(asked)]
        rows = self._targets.take(pc.index_in(pa.array(asked, pa.string()), self._targets[TARGET_ID].combine_chunks()))
        targets = TARGETS.check(rows.set_column(rows.schema.get_field_index(TARGET_ID), TARGET_ID, pa.array(names)))
        shown = [names[len(alone) :], [1] * len(target_ids), list(behaviour_ids), [0.0] * len(target_ids)]
        arrays = [pa.array(one, field.type) for one, field in zip(shown, CONTEXTS.columns, strict=True)]
        titles = Titles(self._prompter, pa.table(arrays, names=CONTEXTS.columns.names), self._lists)
        prompts = self._prompter.with_evidence(targets, self._queries, [titles])
        p_yes = np.clip(self._score(prompts)[P_YES].to_numpy(), _SMALLEST, 1 - _SMALLEST)
        likelihood = np.log(np.where(targets[LABEL].to_numpy() == 1, p_yes, 1 - p_yes))
        return np.asarray(likelihood[len(alone) :] - likelihood[[place[name] for name in target_ids]], np.float64)
