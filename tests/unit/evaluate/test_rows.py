from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.rows import judged_rows


def test_rows_are_joined_in_order_of_row_id(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    assert rows.target_ids == ("t4", "t5", "t6", "t7", "t8", "t9", "t10")
    assert rows.user_ids == ("ann", "ann", "bob", "bob", "cat", "dan", "dan")
    assert rows.item_ids == ("z", "w", "y", "z", "w", "x", "z")
    assert list(rows.labels) == [1, 0, 0, 1, 1, 0, 0]
    assert list(rows.users) == [0, 0, 1, 1, 2, 3, 3]
    assert list(rows.scores) == ["item-mean", "item+user-mean", "SCORE"]
    assert list(rows.scores["SCORE"]) == [0.9, 0.2, 0.3, 0.8, 0.7, 0.4, 0.1]


def test_scores_of_other_rows_are_ignored(world):
    more = world.scores_table("SCORE", [0.5], first_row=0)
    rows = judged_rows(world.interactions, world.targets, [*world.scores, more])
    assert len(rows.scores["SCORE"]) == 7


def test_the_fingerprint_is_of_rows_and_labels(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    fewer = judged_rows(world.interactions, world.targets, world.scores[:1])
    labels = world.targets["label"].to_numpy().copy()
    labels[0] = 1 - labels[0]
    flipped = world.targets.set_column(4, "label", [labels.astype(np.int8)])
    changed = judged_rows(world.interactions, flipped, world.scores)
    assert rows.fingerprint == fewer.fingerprint != changed.fingerprint


def test_a_method_must_score_every_row(world):
    part = world.scores_table("half", [0.1, 0.2])
    with pytest.raises(DataError, match=r"'half': 5 of 7 test rows have no score \(the first: target 't6'\)"):
        judged_rows(world.interactions, world.targets, [*world.scores, part])


def test_a_method_must_score_a_row_once(world):
    with pytest.raises(DataError, match="'item-mean': target 't4' has more than one score"):
        judged_rows(world.interactions, world.targets, [*world.scores, world.scores[0]])


def test_refusals(world):
    with pytest.raises(DataError, match="no labelled rows of split 'valid'"):
        judged_rows(world.interactions, world.targets, world.scores, split="valid")
    with pytest.raises(DataError, match="row_id 8 is not in interactions"):
        judged_rows(world.interactions.slice(0, 8), world.targets, world.scores)
    with pytest.raises(DataError, match="at least one SCORES table"):
        judged_rows(world.interactions, world.targets, [])


def test_some_of_the_rows_keep_their_users_and_scores(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    chosen = rows.labels == 1
    some = rows.where(chosen)
    assert some.target_ids == ("t4", "t7", "t8")
    assert (some.user_ids, some.item_ids) == (("ann", "bob", "cat"), ("z", "z", "w"))
    assert some.users.tolist() == rows.users[chosen].tolist()
    assert some.scores["SCORE"].tolist() == [0.9, 0.8, 0.7]
    assert some.fingerprint != rows.fingerprint == rows.where(np.ones(7, bool)).fingerprint
