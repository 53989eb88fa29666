from __future__ import annotations

import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.examples import EvidenceTables, choose_examples, read_examples
from scorerec.evaluate.rows import judged_rows
from scorerec.text.segments import render


@pytest.fixture
def rows(world):
    return judged_rows(world.interactions, world.targets, world.scores)


@pytest.fixture
def tables(world):
    return EvidenceTables(
        targets=world.targets,
        queries=world.queries,
        behaviours=world.behaviours,
        candidates=world.candidates,
        contexts=world.contexts,
        prompts=world.prompts,
        titles={"x": "X (1999)", "z": "Z (2000)"},
    )


def test_examples_reach_from_yes_to_no(rows):
    # SCORE: t4 0.9, t7 0.8, t8 0.7, t9 0.4, t6 0.3, t5 0.2, t10 0.1.
    assert choose_examples(rows, "SCORE", 3) == ["t4", "t9", "t10"]
    assert choose_examples(rows, "SCORE", 0) == []
    assert len(choose_examples(rows, "SCORE", 100)) == 7
    with pytest.raises(DataError, match="'CAR' has no scores"):
        choose_examples(rows, "CAR", 3)


def test_the_story_of_a_row(tables, rows):
    (example,) = read_examples(tables, rows, ["t4"])
    assert (example.user_id, example.title, example.label) == ("ann", "Z (2000)", 1)
    assert example.scores == {"item-mean": 0.6, "item+user-mean": 0.7, "SCORE": 0.9}
    assert example.history == ("X (1999)",)
    assert [(user.behaviour_id, user.has_target) for user in example.candidates] == [
        ("b-bob", True),
        ("b-cat", True),
    ]
    assert example.candidates[0].titles == ("X (1999)", "Z (2000)")
    assert [user.behaviour_id for user in example.contexts] == ["b-cat"]
    assert example.contexts[0].score == pytest.approx(0.7)
    assert (example.rank_before("b-cat"), example.rank_before("b-ann")) == (2, None)
    assert render(example.prompt) == "Seen ['X']. Like 'Z'?"


def test_a_row_that_is_nowhere(tables, rows):
    with pytest.raises(DataError, match="example 't99' is not in the table keyed by target_id"):
        read_examples(tables, rows, ["t99"])
    with pytest.raises(DataError, match="example 't5' is not in the table keyed by target_id"):
        read_examples(tables, rows, ["t5"])  # it has no prompt
