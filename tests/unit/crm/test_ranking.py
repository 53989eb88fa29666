from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.crm import ranking
from scorerec.crm.histories import split_rows, training_catalogue
from scorerec.crm.ranking import held_out_ranks, item_knn, popularity, rankable

# Likes of a, b, c, d in training: 3, 3, 1, 1.
TRAIN = [
    ("ann", "a", 1, "train"),
    ("ann", "b", 1, "train"),
    ("bob", "a", 1, "train"),
    ("bob", "b", 1, "train"),
    ("cid", "a", 1, "train"),
    ("cid", "c", 1, "train"),
    ("dan", "b", 1, "train"),
    ("dan", "d", 1, "train"),
    ("dan", "a", 0, "train"),
]
VALID = [
    ("ann", "c", 1, "valid"),
    ("ann", "a", 1, "valid"),  # liked before
    ("bob", "d", 0, "valid"),  # not liked
    ("cid", "new", 1, "valid"),  # not in training
    ("cid", "b", 1, "valid"),
    ("eve", "a", 1, "valid"),
]


def rows_of(table, split="valid"):
    return split_rows(table, training_catalogue(table), split)


@pytest.fixture
def world(make_interactions):
    return make_interactions([*TRAIN, *VALID])


def test_new_likes_of_known_items_are_ranked(world):
    found = rankable(rows_of(world), 4)
    assert found.item.tolist() == [3, 2, 1]
    assert found.prefixes.length.tolist() == [2, 2, 0]  # cid's new item is no part of a history
    assert found.label.tolist() == [1, 1, 1]


def test_a_like_may_be_ranked_once(make_interactions):
    """The second like of the same item is in the history by then."""
    table = make_interactions([*TRAIN, ("eve", "a", 1, "valid"), ("eve", "a", 1, "valid"), ("eve", "b", 1, "valid")])
    assert rankable(rows_of(table), 4).item.tolist() == [1, 2]


def test_where_nothing_can_be_ranked_the_remedy_is_named(make_interactions):
    table = make_interactions([*TRAIN, *VALID[1:4]])
    with pytest.raises(DataError, match=r"got none of 3 rows; change the split, or .* \(crm\.selection=auc\)"):
        rankable(rows_of(table), 4)


def test_what_a_user_liked_before_is_left_out_of_the_ranks(world):
    """By the number of an item: ann has a, b left out, so c is second after d; cid a, c; eve nothing."""
    rows = rankable(rows_of(world), 4)
    found = held_out_ranks(lambda prefixes: np.tile(np.arange(4.0), (len(prefixes), 1)), rows, 4)
    assert found.tolist() == [2.0, 2.0, 4.0]


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_parts_change_nothing(world, monkeypatch, at_once):
    monkeypatch.setattr(ranking, "_ROWS_AT_ONCE", at_once)
    rows = rankable(rows_of(world), 4)
    assert rows.item.tolist() == [3, 2, 1]
    scorer = popularity(rows_of(world, "train"), 4)
    # c and d are equally popular; b is before d; a and b are equal, and first.
    assert held_out_ranks(scorer, rows, 4).tolist() == [1.5, 1.0, 1.5]


def test_popularity_counts_training_likes(world):
    """Dan's dislike of a counts for nothing."""
    scores = popularity(rows_of(world, "train"), 4)(rows_of(world).prefixes)
    assert scores.shape == (6, 4)
    assert scores[0].tolist() == [3, 3, 1, 1]
    assert (scores == scores[0]).all()


def test_item_knn_is_the_sum_of_cosines_with_the_history(world, monkeypatch):
    monkeypatch.setattr(ranking, "_SHRINKAGES", (0.0,))
    monkeypatch.setattr(ranking, "_NEIGHBOURS", (1_000_000,))
    rows = rankable(rows_of(world), 4)
    scorer, chosen = item_knn(rows_of(world, "train"), rows, 4)
    assert chosen == {"shrinkage": 0.0, "neighbours": 3}
    # a and b share two of three likes each; a and c, b and d one of 3 and 1; a and d nobody.
    ab, ac, bd = 2 / 3, 1 / np.sqrt(3), 1 / np.sqrt(3)
    similar = np.array([[0, ab, ac, 0], [ab, 0, 0, bd], [ac, 0, 0, 0], [0, bd, 0, 0]])
    expected = [similar[0] + similar[1], similar[0] + similar[2], np.zeros(4)]  # after a, b; after a, c; after nothing
    np.testing.assert_allclose(scorer(rows.prefixes), expected, rtol=1e-6)


def test_item_knn_keeps_the_nearest_items_of_the_one_that_is_scored(world, monkeypatch):
    monkeypatch.setattr(ranking, "_SHRINKAGES", (10.0,))
    monkeypatch.setattr(ranking, "_NEIGHBOURS", (1,))
    rows = rankable(rows_of(world), 4)
    scorer, chosen = item_knn(rows_of(world, "train"), rows, 4)
    assert chosen == {"shrinkage": 10.0, "neighbours": 1}
    ab, ac = 2 / 13, 1 / (np.sqrt(3) + 10)
    after_a_and_c = [0.0, ab, ac, 0.0]  # of a only b is kept, which is not in the history
    np.testing.assert_allclose(scorer(rows.prefixes)[1], after_a_and_c, rtol=1e-6)


def test_item_knn_takes_the_setting_that_ranks_validation_likes_best(world, monkeypatch):
    rows = rankable(rows_of(world), 4)
    tried = iter([0.1, 0.3, 0.3, 0.2])
    monkeypatch.setattr(ranking, "_SHRINKAGES", (0.0, 10.0))
    monkeypatch.setattr(ranking, "_NEIGHBOURS", (1, 2))
    monkeypatch.setattr(ranking, "ranking_metrics", lambda _: {"ndcg@20": next(tried)})
    assert item_knn(rows_of(world, "train"), rows, 4)[1] == {"shrinkage": 0.0, "neighbours": 2}


def test_item_knn_refuses_a_matrix_that_would_not_fit(world):
    with pytest.raises(DataError, match="wanted at most 30000 items, got 30001"):
        item_knn(rows_of(world, "train"), rows_of(world), 30_001)
