"""TALLRec as its own paper prompts it: what the user did not like is told beside what the user liked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from scorerec.baselines.base import Baseline, Ties
from scorerec.core.columns import ITEM_ID, LABEL, ROW_ID, TARGET_ID, TIMESTAMP, USER_ID
from scorerec.core.config import Config
from scorerec.core.tables import INTERACTIONS
from scorerec.text.features import disliked


class DislikesConfig(Config):
    """What is told."""

    titles: int = Field(10, ge=1, description="most recent titles that the user rated and did not like")


class Dislikes(Baseline):
    """The LM tuned on P^b (TALLRec, the method ``llm``) with one more sentence."""

    key: ClassVar[str] = "dislikes"
    label: ClassVar[str] = "TALLRec with own dislikes"
    settings: ClassVar[type[Config]] = DislikesConfig
    reads_dislikes: ClassVar[bool] = True
    version: ClassVar[int] = 2

    def prompts(self) -> tuple[pa.Table, dict[str, Any]]:
        """Return P^b with the sentence."""
        inputs, targets = self.inputs, self.inputs.targets()
        row_ids = targets[ROW_ID].to_pylist()
        found = dislikes_before(inputs.interactions, row_ids, inputs.ties, self.config.titles)
        of_target = {name: found[row_id] for name, row_id in zip(targets[TARGET_ID].to_pylist(), row_ids, strict=True)}
        return inputs.write(
            lambda row, basic: disliked(basic, of_target[row.target_id], inputs.describer, inputs.words)
        ), {}


def dislikes_before(interactions: pa.Table, row_ids: Collection[int], ties: Ties, most: int) -> dict[int, list[str]]:
    """Return row_id -> the latest items that its user had rated and not liked before it, oldest first.

    Args:
        interactions: INTERACTIONS; row_id counts in the order of time.
        row_ids: the rows that are asked about.
        ties: strict: rows of the same second are not before each other; file: those that come first are.
        most: items per row.
    """
    wanted = set(row_ids)
    table = INTERACTIONS.check(interactions).sort_by(ROW_ID)
    columns = (table[name].to_pylist() for name in (ROW_ID, USER_ID, ITEM_ID, TIMESTAMP, LABEL))
    known: dict[str, list[tuple[int, str]]] = defaultdict(list)
    found: dict[int, list[str]] = {}
    for row_id, user_id, item_id, timestamp, label in zip(*columns, strict=True):
        if row_id in wanted:
            earlier = (item for when, item in known[user_id] if ties == "file" or when < timestamp)
            found[row_id] = list(earlier)[-most:]
        if label == 0:
            known[user_id].append((timestamp, item_id))
    return found
