"""What a user had rated and not liked before a row, for methods that may know it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Literal

import pyarrow as pa

from scorerec.core.columns import ITEM_ID, LABEL, ROW_ID, TIMESTAMP, USER_ID
from scorerec.core.tables import INTERACTIONS

Ties = Literal["file", "strict"]


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
