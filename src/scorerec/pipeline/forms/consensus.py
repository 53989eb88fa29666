"""What is said of the group of users whose taste is most like the user's: a sentence per group, made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import pyarrow as pa

from scorerec.core.columns import ITEM_IDS, QUERY_ID, REPLY, TARGET_ID, USER_ID
from scorerec.core.tables import ASSESSMENTS
from scorerec.crm.groups import TasteGroups
from scorerec.pipeline.expecting import KnownByNow
from scorerec.pipeline.experiment import Experiment
from scorerec.pipeline.prompting import Place, Prompter, Shown
from scorerec.text.consensus import consensus
from scorerec.text.features import Asked


def fill(run: Experiment, stage: str) -> Consensus:
    """Return what a stage was told of each group."""
    return _with_groups(run, stage)(run.queries)


def live(known: KnownByNow) -> Callable[[pa.Table, pa.Table], Consensus]:
    """Return what finds the group of whoever asks; groups, and what is said of them, are of the training part."""
    told = _with_groups(known.run, "consensus")
    return lambda _, queries: told(queries)


def _with_groups(run: Experiment, stage: str) -> Callable[[pa.Table], Consensus]:
    groups = TasteGroups(run.interactions, run.config.consensus.n_groups)
    replies = run.table(stage, ASSESSMENTS)
    said = dict(zip(replies[TARGET_ID].to_pylist(), replies[REPLY].to_pylist(), strict=True))

    def of(queries: pa.Table) -> Consensus:
        columns = (queries[name].to_pylist() for name in (QUERY_ID, USER_ID, ITEM_IDS))
        return Consensus(
            run.prompter,
            {query: said.get(groups.name(user, history) or "") for query, user, history in zip(*columns, strict=True)},
        )

    return of


class Consensus:
    """What is said of the group of each query's user.

    Args:
        prompter: has the words of the domain.
        said: query_id -> a sentence; None where the user is in no group, or nobody answered.
    """

    place: ClassVar[Place] = "target"

    def __init__(self, prompter: Prompter, said: Mapping[str, str | None]):
        self._words, self._said = prompter.words, said

    def of(self, asked: Asked) -> Shown:
        """Return what is shown for a target."""
        return Shown([consensus(self._said[asked.query_id], self._words)])
