"""What the toy LM reads before it is tuned: a mixture of texts that favours no method.

Plain behaviours, prompts without collaborative information and prompts with it, whose evidence comes from producers or
from random users in turn. All of it stems from an early block of the training rows: what happened
later is not in it, and neither is any label, for no text ends in an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from pydantic import Field

from scorerec.core.columns import QUERY_ID, ROW_ID, USER_ID
from scorerec.core.config import Config
from scorerec.core.randomness import generator
from scorerec.pipeline.prompting import Prompter, requests
from scorerec.text import prompts
from scorerec.text.budget import Budget, fit
from scorerec.text.segments import Segment, render

Producer = Mapping[str, Sequence[str]]  # query_id -> users whose behaviours would be shown, best first


class MixtureConfig(Config):
    """How much is read, and of what."""

    share: float = Field(0.5, gt=0, le=1, description="earliest share of the training rows that may be read")
    n_texts: int = Field(20_000, ge=1, description="texts, drawn from those rows")
    behaviours: float = Field(0.34, ge=0, le=1, description="share of the texts that are plain behaviours")
    with_evidence: float = Field(0.5, ge=0, le=1, description="share of the prompts that show other users")


def early_rows(targets: pa.Table, share: float) -> pa.Table:
    """Return the earliest ``share`` of the targets by row_id, which counts in order of time."""
    ordered = targets.sort_by(ROW_ID)
    return ordered.slice(0, max(1, int(share * ordered.num_rows)))


class Mixture:
    """Draws texts for the toy LM.

    Args:
        prompter: writes the texts.
        targets: TARGETS of the training part.
        queries: QUERIES.
        producers: ways to find evidence; a prompt with evidence draws one of them, or random users.
        budget: titles and users that a prompt shows.
    """

    def __init__(
        self,
        prompter: Prompter,
        targets: pa.Table,
        queries: pa.Table,
        producers: Sequence[Producer],
        budget: Budget,
    ):
        self.prompter, self.budget = prompter, budget
        self.producers = producers
        owners = dict(zip(queries[QUERY_ID].to_pylist(), queries[USER_ID].to_pylist(), strict=True))
        self.rows = [
            (query_id, owners[query_id], history, item)
            for query_id, (_, history, item) in zip(
                targets[QUERY_ID].to_pylist(), requests(targets, queries), strict=True
            )
        ]
        # A user's behaviour as far as these rows know it: the longest of the histories, not the whole training part.
        self.behaviours: dict[str, Sequence[str]] = {}
        for _, user, history, _ in self.rows:
            if len(history) >= len(self.behaviours.get(user, ())):
                self.behaviours[user] = history
        self.users = sorted(user for user, history in self.behaviours.items() if history)

    def draw(self, config: MixtureConfig, seed: int) -> list[str]:
        """Return ``config.n_texts`` texts; rows are used equally often."""
        rng = generator(seed, "reading")
        passes = -(-config.n_texts // len(self.rows))
        order = np.concatenate([rng.permutation(len(self.rows)) for _ in range(passes)])
        return [self._text(int(row), config, rng) for row in order[: config.n_texts]]

    def _text(self, row: int, config: MixtureConfig, rng: np.random.Generator) -> str:
        query_id, user, history, item = self.rows[row]
        segments: list[Segment]
        if rng.random() < config.behaviours:
            segments = prompts.behaviour(history, self.prompter.describer)
        else:
            evidence = self._evidence(query_id, user, rng) if rng.random() < config.with_evidence else []
            segments = prompts.augmented(history, evidence, item, self.prompter.describer, self.prompter.words)
        return render(fit(segments, self.budget, len).segments)

    def _evidence(self, query_id: str, user: str, rng: np.random.Generator) -> list[tuple[str, Sequence[str]]]:
        count = self.budget.evidence_users or 2
        choice = int(rng.integers(len(self.producers) + 1))
        if choice < len(self.producers):
            found = self.producers[choice].get(query_id, ())
        else:
            found = [self.users[index] for index in rng.permutation(len(self.users))[: count + 1]]
        known = [other for other in found if other != user and self.behaviours.get(other)]
        return [(other, self.behaviours[other]) for other in known[:count]]
