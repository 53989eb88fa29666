"""A world of four users, four items and three methods, in the tables that evaluation reads."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest

from scorerec.core.tables import (
    BEHAVIOURS,
    CANDIDATES,
    CONTEXTS,
    INTERACTIONS,
    PROMPTS,
    QUERIES,
    SCORES,
    TARGETS,
)

# row_id, user, item, label, split; dan and item w are new in test.
ROWS = [
    (0, "ann", "x", 1, "train"),
    (1, "ann", "y", 0, "train"),
    (2, "bob", "x", 1, "train"),
    (3, "cat", "z", 1, "train"),
    (4, "ann", "z", 1, "test"),
    (5, "ann", "w", 0, "test"),
    (6, "bob", "y", 0, "test"),
    (7, "bob", "z", 1, "test"),
    (8, "cat", "w", 1, "test"),
    (9, "dan", "x", 0, "test"),
    (10, "dan", "z", 0, "test"),
]
# Test rows 4..10.
SCORED = {
    "item-mean": [0.6, 0.5, 0.4, 0.6, 0.5, 0.7, 0.6],
    "item+user-mean": [0.7, 0.5, 0.4, 0.7, 0.6, 0.5, 0.4],
    "SCORE": [0.9, 0.2, 0.3, 0.8, 0.7, 0.4, 0.1],
}


def scores_table(method: str, scores: list[float], first_row: int = 4) -> pa.Table:
    rows = [
        {"target_id": f"t{first_row + index}", "method": method, "p_yes": score, "n_tokens": None}
        for index, score in enumerate(scores)
    ]
    return pa.Table.from_pylist(rows, SCORES.columns)


@pytest.fixture
def world() -> SimpleNamespace:
    interactions = [
        {
            "row_id": row_id,
            "user_id": user,
            "item_id": item,
            "rating": None,
            "label": label,
            "timestamp": row_id,
            "split": split,
            "n_before": 0,
        }
        for row_id, user, item, label, split in ROWS
    ]
    targets = [
        {
            "target_id": f"t{row_id}",
            "query_id": f"q-{user}-{split}",
            "item_id": item,
            "row_id": row_id,
            "label": label,
            "split": split,
        }
        for row_id, user, item, label, split in reversed(ROWS)
    ]
    histories = {"q-ann-test": ["x"], "q-bob-test": ["x"], "q-cat-test": ["z"]}
    queries = [
        {
            "query_id": query,
            "user_id": query.split("-")[1],
            "n_before": 0,
            "snapshot": 0,
            "item_ids": histories.get(query, []),
        }
        for query in dict.fromkeys(row["query_id"] for row in targets)
    ]
    behaviours = [
        {"behaviour_id": f"b-{user}", "user_id": user, "valid_from": 0, "valid_to": 9, "item_ids": items}
        for user, items in {"ann": ["x"], "bob": ["x", "z"], "cat": ["z", "z"]}.items()
    ]
    candidates = [
        {"query_id": "q-ann-test", "rank": 1, "behaviour_id": "b-bob", "similarity": 0.9},
        {"query_id": "q-ann-test", "rank": 2, "behaviour_id": "b-cat", "similarity": 0.1},
        {"query_id": "q-bob-test", "rank": 1, "behaviour_id": "b-ann", "similarity": 0.8},
    ]
    contexts = [{"target_id": "t4", "rank": 1, "behaviour_id": "b-cat", "score": 0.7}]
    segments = [
        {"kind": "wording", "text": "Seen [", "item_id": None, "behaviour_id": None},
        {"kind": "history", "text": "'X'", "item_id": "x", "behaviour_id": None},
        {"kind": "wording", "text": "]. Like 'Z'?", "item_id": None, "behaviour_id": None},
    ]
    prompts = [{"target_id": "t4", "segments": segments, "dropped_history": 0, "dropped_evidence": 0}]
    return SimpleNamespace(
        interactions=pa.Table.from_pylist(interactions, INTERACTIONS.columns),
        targets=pa.Table.from_pylist(targets, TARGETS.columns),
        queries=pa.Table.from_pylist(queries, QUERIES.columns),
        behaviours=pa.Table.from_pylist(behaviours, BEHAVIOURS.columns),
        candidates=pa.Table.from_pylist(candidates, CANDIDATES.columns),
        contexts=pa.Table.from_pylist(contexts, CONTEXTS.columns),
        prompts=pa.Table.from_pylist(prompts, PROMPTS.columns),
        scores=[scores_table(method, scores) for method, scores in SCORED.items()],
        scores_table=scores_table,
    )
