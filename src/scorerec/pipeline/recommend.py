"""Recommendations for one user: the CRM proposes items, the chain finds evidence, the LLM decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from scorerec.core.errors import DataError
from scorerec.core.tables import QUERIES, TARGETS
from scorerec.crm.base import ConventionalRecommender
from scorerec.pipeline.chain import Chain
from scorerec.pipeline.prompting import ranked

NEWEST = np.iinfo(np.int64).max - 1  # a snapshot after every other: all that is known by now


@dataclass(frozen=True)
class ShownBehaviour:
    """A similar user whose behaviour is in the prompt; ``has_item``: whether that user liked the item itself."""

    user_id: str
    titles: tuple[str, ...]
    has_item: bool


@dataclass(frozen=True)
class Recommendation:
    """One item with the probability of Yes and the behaviours that the LLM was shown."""

    item_id: str
    title: str
    p_yes: float
    evidence: tuple[ShownBehaviour, ...]


@dataclass(frozen=True)
class Recommender:
    """Answers for one user at a time; any history will do, also that of a user whom training never saw.

    Attributes:
        chain: finds evidence and writes prompts.
        score: PROMPTS -> a table of target_id and p_yes.
        crm: proposes items.
        catalogue: item ids that may be proposed.
    """

    chain: Chain
    score: Callable[[pa.Table], pa.Table]
    crm: ConventionalRecommender
    catalogue: Sequence[str]

    def recommend(
        self, user_id: str, history: Sequence[str], seen: Collection[str], count: int, n_proposals: int = 50
    ) -> list[Recommendation]:
        """Return the ``count`` best of the CRM's ``n_proposals`` unseen items, the most probable first.

        Args:
            user_id: whose own behaviours are never evidence.
            history: ids of liked items, oldest first.
            seen: items that are not proposed.
            count: how many to return.
            n_proposals: how many the LLM scores.

        Raises:
            DataError: the user has seen the whole catalogue.
        """
        known = set(seen) | set(history)
        unseen = [item for item in self.catalogue if item not in known]
        if not unseen:
            raise DataError(f"user {user_id!r} has seen all {len(self.catalogue)} items; nothing is left to recommend")
        likely = np.argsort(-self.crm.score([list(history)] * len(unseen), unseen), kind="stable")[:n_proposals]
        scored = self.score_items(user_id, history, [unseen[place] for place in likely])
        return sorted(scored, key=lambda item: -item.p_yes)[:count]

    def score_items(self, user_id: str, history: Sequence[str], item_ids: Sequence[str]) -> list[Recommendation]:
        """Score items for a user, each with its evidence, in the order given."""
        queries = QUERIES.check(
            pa.table(
                {
                    "query_id": ["request"],
                    "user_id": [user_id],
                    "n_before": [len(history)],
                    "snapshot": [NEWEST],
                    "item_ids": pa.array([list(history)], pa.list_(pa.string())),
                }
            )
        )
        names = [f"request-{place}" for place in range(len(item_ids))]
        empty = [None] * len(item_ids)
        targets = TARGETS.check(
            pa.table(
                {
                    "target_id": names,
                    "query_id": ["request"] * len(item_ids),
                    "item_id": list(item_ids),
                    "row_id": pa.array(empty, pa.int64()),
                    "label": pa.array(empty, pa.int8()),
                    "split": pa.array(empty, pa.string()),
                }
            )
        )
        evidence = self.chain.evidence(targets, queries)
        scores = self.score(evidence.prompts)
        p_yes = dict(zip(scores["target_id"].to_pylist(), scores["p_yes"].to_pylist(), strict=True))
        contexts, behaviours = ranked(evidence.contexts, "target_id"), _by_id(evidence.behaviours)
        return [
            Recommendation(
                item,
                self.chain.prompter.describer.title(item),
                p_yes[name],
                tuple(self._shown(behaviours[shown], item) for shown in contexts.get(name, [])),
            )
            for name, item in zip(names, item_ids, strict=True)
        ]

    def _shown(self, behaviour: Mapping[str, Any], item_id: str) -> ShownBehaviour:
        limit = self.chain.prompter.config.evidence_titles
        titles = tuple(map(self.chain.prompter.describer.title, behaviour["item_ids"][-limit:]))
        return ShownBehaviour(behaviour["user_id"], titles, item_id in behaviour["item_ids"])


def _by_id(behaviours: pa.Table) -> dict[str, Mapping[str, Any]]:
    return {row["behaviour_id"]: row for row in behaviours.to_pylist()}
