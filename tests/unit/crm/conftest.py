"""A handful of interactions that fit on a screen."""

import pyarrow as pa
import pytest

from scorerec.core.tables import INTERACTIONS

# user, item, label, split; in order of time.
ROWS = [
    ("ann", "a", 1, "train"),
    ("bob", "b", 1, "train"),
    ("ann", "b", 0, "train"),
    ("ann", "c", 1, "train"),
    ("bob", "a", 1, "train"),
    ("ann", "d", 1, "train"),
    ("ann", "new", 1, "valid"),
    ("ann", "b", 1, "valid"),
    ("eve", "a", 0, "valid"),
    ("bob", "d", 1, "valid"),
    ("ann", "newer", 1, "test"),
    ("eve", "c", 1, "test"),
]


def table_of(rows: list[tuple[str, str, int, str]]) -> pa.Table:
    liked: dict[str, int] = {}
    before = []
    for user, _, label, _ in rows:
        before.append(liked.get(user, 0))
        liked[user] = before[-1] + label
    users, items, labels, splits = (list(column) for column in zip(*rows, strict=True))
    return INTERACTIONS.check(
        pa.table(
            {
                "row_id": range(len(rows)),
                "user_id": users,
                "item_id": items,
                "rating": pa.nulls(len(rows), pa.float32()),
                "label": labels,
                "timestamp": range(len(rows)),
                "split": splits,
                "n_before": before,
            }
        )
    )


@pytest.fixture
def interactions() -> pa.Table:
    return table_of(ROWS)


@pytest.fixture
def make_interactions():
    return table_of
