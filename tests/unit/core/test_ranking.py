from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorerec.core.errors import DataError, ModelError
from scorerec.core.ranking import ranking_metrics, ranks

# Whole numbers, few of them: ties are frequent, and what is increasing in theory is so in floating point.
few_scores = st.integers(1, 6).flatmap(lambda rows: arrays(np.int64, (rows, 5), elements=st.integers(-3, 3)))


def nothing_hidden(scores: np.ndarray) -> np.ndarray:
    return np.zeros(scores.shape, bool)


def test_ranks_by_hand():
    scores = np.array([[0.9, 0.5, 0.7, 0.1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]])
    assert ranks(scores, np.array([1, 3, 0]), nothing_hidden(scores)).tolist() == [3.0, 1.0, 4.0]


def test_items_of_equal_score_share_their_middle_rank():
    scores = np.array([[0.9, 0.5, 0.5, 0.5], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 2.0, 0.0]])
    assert ranks(scores, np.array([2, 0, 1]), nothing_hidden(scores)).tolist() == [3.0, 2.5, 2.5]


def test_hidden_items_take_no_place():
    scores = np.array([[0.9, 0.5, 0.7, 0.5]])
    hidden = np.array([[True, False, False, True]])
    assert ranks(scores, np.array([1]), hidden).tolist() == [2.0]


def test_a_hidden_wanted_item_is_an_error():
    scores = np.zeros((2, 2))
    with pytest.raises(DataError, match="wanted item of row 1 is left out"):
        ranks(scores, np.array([0, 1]), np.array([[False, True], [False, True]]))


def test_a_score_that_is_not_a_number_is_an_error():
    scores = np.array([[0.0, np.nan, 1.0]])
    with pytest.raises(ModelError, match="1 of 3 scores are not numbers"):
        ranks(scores, np.array([0]), nothing_hidden(scores))


def test_no_rows_have_no_ranks():
    assert ranks(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros((0, 3), bool)).shape == (0,)


@given(few_scores, st.data())
def test_an_increasing_transform_changes_no_rank(scores, data):
    wanted = data.draw(arrays(np.int64, len(scores), elements=st.integers(0, 4)))
    hidden = data.draw(arrays(np.bool_, scores.shape))
    hidden[np.arange(len(scores)), wanted] = False
    found = ranks(scores.astype(float), wanted, hidden)
    for transform in (lambda x: 2.0 * x + 5, np.exp, lambda x: x.astype(float) ** 3):
        np.testing.assert_array_equal(ranks(transform(scores), wanted, hidden), found)
    visible = (~hidden).sum(1)
    assert ((found >= 1) & (found <= visible)).all()


@given(few_scores)
def test_the_ranks_of_all_items_add_up(scores):
    """1 + 2 + .. + 5, whatever the ties."""
    hidden = nothing_hidden(scores)
    total = sum(ranks(scores.astype(float), np.full(len(scores), item), hidden) for item in range(5))
    np.testing.assert_allclose(total, 15.0)


def test_metrics_by_hand():
    """Ranks 1, 2, 10, 11, 20.5 and 21; a middle rank of 20.5 is not among the first 20."""
    found = np.array([1.0, 2.0, 10.0, 11.0, 20.5, 21.0])
    gains = 1 / np.log2(1 + found)
    assert ranking_metrics(found) == {
        "recall@10": pytest.approx(3 / 6),
        "recall@20": pytest.approx(4 / 6),
        "ndcg@10": pytest.approx(gains[:3].sum() / 6),
        "ndcg@20": pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(11) + 1 / np.log2(12)) / 6),
    }


@given(st.lists(st.floats(1, 200), min_size=1, max_size=30))
def test_more_places_hold_no_less(found):
    cuts = (1, 5, 10, 20, 50, 200)
    measures = ranking_metrics(np.array(found), cuts)
    for name in ("recall", "ndcg"):
        values = [measures[f"{name}@{k}"] for k in cuts]
        assert values == sorted(values)
        assert 0 <= values[0] <= values[-1] <= 1
    assert measures["recall@200"] == 1.0
    assert all(measures[f"ndcg@{k}"] <= measures[f"recall@{k}"] for k in cuts)
