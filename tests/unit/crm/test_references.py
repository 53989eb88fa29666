import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.crm.references import ItemMean, ItemUserMean, Means, ReferenceConfig, fit_references


def test_means_shrink_to_the_average():
    means = Means({"a": 3, "b": 0}, {"a": 4, "b": 1}, average=0.6, weight=5.0)
    np.testing.assert_allclose(means.of(["a", "b", "z"]), [(3 + 3) / 9, 3 / 6, 0.6])


def test_log_odds_are_added():
    items = Means({"a": 3}, {"a": 3}, average=0.5, weight=1.0)  # 3.5 / 4: odds 7
    users = Means({"u": 0}, {"u": 1}, average=0.5, weight=1.0)  # 0.5 / 2: odds 1 / 3
    predicted = ItemUserMean(items, users).predict(["u", "z"], ["a", "z"])
    np.testing.assert_allclose(predicted, [(7 / 3) / (1 + 7 / 3), 0.5])
    np.testing.assert_allclose(ItemMean(items).predict(["u"], ["a"]), [0.875])


def test_training_rows_are_counted_and_nothing_else(interactions):
    predictors, facts = fit_references(interactions, ReferenceConfig(prior_weights=(2.0,)))
    average = 5 / 6
    np.testing.assert_allclose(
        predictors["item-mean"].predict(["ann", "eve"], ["b", "new"]), [(1 + 2 * average) / 4, average]
    )
    assert facts["item+user-mean"]["prior_weights"] == {"item": 2.0, "user": 2.0}
    assert facts["item-mean"]["valid_auc"] == 0.0  # the disliked a has the best mean


def test_the_weight_is_chosen_on_validation(make_interactions):
    # One liked row says less than nine of ten: only a weight above 0.5 ranks them so.
    rows = [("u", "once", 1, "train"), ("u", "never", 0, "train"), ("u", "never", 0, "train")]
    rows += [("u", "often", int(number > 0), "train") for number in range(10)]
    rows += [("u", "often", 1, "valid"), ("u", "once", 0, "valid")]
    _, facts = fit_references(make_interactions(rows), ReferenceConfig(prior_weights=(0.1, 5.0)))
    assert facts["item-mean"] == {"prior_weights": {"item": 5.0}, "valid_auc": 1.0}


def test_both_labels_are_needed(make_interactions):
    rows = [("u", "a", 1, "train"), ("u", "b", 0, "train"), ("u", "b", 1, "valid")]
    with pytest.raises(DataError, match=r"valid rows of both labels, got 1 rows with labels \[1\]"):
        fit_references(make_interactions(rows))
