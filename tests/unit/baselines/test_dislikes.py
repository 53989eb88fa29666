"""Dislikes before a row: nothing later, nothing of others, ties as configured."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.baselines.base import Ties
from scorerec.baselines.dislikes import dislikes_before
from scorerec.core.tables import INTERACTIONS

Rated = list[tuple[str, int, int]]  # user, second, label


def interactions(rows: Rated) -> pa.Table:
    numbers = range(len(rows))
    columns = {
        "row_id": list(numbers),
        "user_id": [user for user, _, _ in rows],
        "item_id": [f"i{number}" for number in numbers],
        "timestamp": [second for _, second, _ in rows],
        "label": [label for _, _, label in rows],
        "split": ["train"] * len(rows),
        "n_before": [0] * len(rows),
    }
    schema = INTERACTIONS.columns
    return pa.table({field.name: pa.array(columns.get(field.name, [None] * len(rows)), field.type) for field in schema})


ROWS: Rated = [("a", 1, 0), ("a", 1, 1), ("b", 1, 0), ("a", 2, 0), ("a", 2, 0), ("a", 3, 1)]


@pytest.mark.parametrize(
    ("ties", "expected"),
    [
        ("file", {0: [], 1: ["i0"], 2: [], 3: ["i0"], 4: ["i0", "i3"], 5: ["i3", "i4"]}),
        ("strict", {0: [], 1: [], 2: [], 3: ["i0"], 4: ["i0"], 5: ["i3", "i4"]}),
    ],
)
def test_by_hand(ties: Ties, expected: dict[int, list[str]]) -> None:
    assert dislikes_before(interactions(ROWS), range(6), ties, most=2) == expected


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 1)), max_size=20))
def test_nothing_later_and_nothing_of_others(rows: Rated) -> None:
    rows.sort(key=lambda row: row[1])
    for row_id, items in dislikes_before(interactions(rows), range(len(rows)), "strict", 9).items():
        user, second, _ = rows[row_id]
        for item in items:
            other, earlier, label = rows[int(item[1:])]
            assert (other, label) == (user, 0)
            assert earlier < second
