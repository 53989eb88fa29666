"""Recommendations for one user: the CRM proposes items, the chain finds evidence, the LLM decides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scorerec.core.errors import DataError
from scorerec.core.tables import QUERIES, TARGETS
from scorerec.crm.base import ConventionalRecommender
from scorerec.pipeline.chain import Chain, item_lists
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
        shown = ranked(evidence.contexts, "target_id")
        return [
            Recommendation(
                item,
                self.chain.prompter.describer.title(item),
                p_yes[name],
                self._shown(shown.get(name, []), item),
            )
            for name, item in zip(names, item_ids, strict=True)
        ]

    def _shown(self, behaviour_ids: Sequence[str], item_id: str) -> tuple[ShownBehaviour, ...]:
        behaviours = self.chain.index.behaviours()
        lists = item_lists(behaviours)
        owners = dict(zip(behaviours["behaviour_id"].to_pylist(), behaviours["user_id"].to_pylist(), strict=True))
        limit = self.chain.prompter.config.evidence_titles
        title = self.chain.prompter.describer.title
        return tuple(
            ShownBehaviour(owners[name], tuple(title(item) for item in lists[name][-limit:]), item_id in lists[name])
            for name in behaviour_ids
        )
