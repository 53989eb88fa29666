import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import CANDIDATES, PROMPTS, TARGETS
from scorerec.rerank.prompts import PromptReader
from scorerec.rerank.score import rerank
from scorerec.text.budget import Budget
from scorerec.text.segments import Segment, to_rows

TEXTS = {"b1": "1", "b2": "5", "b3": "3", "b4": "5"}


class Numbers:
    """Finds a behaviour as useful as the number that is its text."""

    reader = PromptReader(Budget(), len)

    def score(self, prompts, behaviours):
        return np.array([float(text) for text in behaviours], np.float32)


def table(schema, *rows):
    names = schema.columns.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema.columns)


def prompts(*target_ids):
    segments = to_rows([Segment("wording", "Enjoy "), Segment("target", "Emma", "e")])
    return table(PROMPTS, *((name, segments, 0, 0) for name in target_ids))


TARGET_ROWS = table(
    TARGETS,
    ("t2", "q1", "e", 0, 1, "train"),
    ("t1", "q1", "f", 1, 0, "train"),
    ("t3", "q2", "e", 2, 1, "test"),
    ("t4", "q3", "e", None, None, None),
)
CANDIDATE_ROWS = table(
    CANDIDATES, ("q1", 3, "b4", 0.1), ("q1", 1, "b1", 0.9), ("q1", 2, "b2", 0.5), ("q2", 1, "b3", 0.7)
)


def test_the_best_come_first_and_a_tie_goes_to_the_better_candidate():
    found = rerank(prompts("t1", "t2", "t3", "t4"), TARGET_ROWS, CANDIDATE_ROWS, TEXTS, Numbers(), 2)
    assert found.to_pydict() == {
        "target_id": ["t2", "t2", "t1", "t1", "t3"],
        "rank": [1, 2, 1, 2, 1],
        "behaviour_id": ["b2", "b4", "b2", "b4", "b3"],
        "score": [5.0, 5.0, 5.0, 5.0, 3.0],
    }


def test_no_candidates_at_all():
    found = rerank(prompts("t1"), TARGET_ROWS, CANDIDATES.empty(), TEXTS, Numbers(), 2)
    assert found.num_rows == 0


def test_a_target_without_a_prompt_and_a_behaviour_without_text_are_named():
    with pytest.raises(DataError, match="'t3'"):
        rerank(prompts("t1", "t2"), TARGET_ROWS, CANDIDATE_ROWS, TEXTS, Numbers(), 2)
    with pytest.raises(DataError, match="'b3'"):
        rerank(prompts("t1", "t2", "t3"), TARGET_ROWS, CANDIDATE_ROWS, {"b1": "", "b2": "", "b4": ""}, Numbers(), 2)
