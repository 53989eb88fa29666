from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from scorerec.core.errors import DataError, ModelError
from scorerec.core.metrics import (
    auc,
    calibration_bins,
    calibration_error,
    log_loss,
    uauc,
    user_auc,
)

# Few distinct scores, so that ties are common.
scored_rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=60)
two_classes = scored_rows.filter(lambda rows: len({label for _, label, _ in rows}) == 2)


def columns(rows):
    users, labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    return users, labels, scores.astype(float)


def test_auc_by_hand():
    # Pairs (positive, negative): (0.9, 0.1) 1, (0.9, 0.4) 1, (0.4, 0.1) 1, (0.4, 0.4) one half: 3.5 of 4.
    assert auc([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.4]) == 0.875


def test_auc_of_weighted_rows_is_that_of_repeated_rows():
    assert auc([0, 1, 0, 1], [0.1, 0.9, 0.6, 0.4], [1, 2, 3, 4]) == pytest.approx(
        auc([0, 1, 1, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.9, 0.9, 0.6, 0.6, 0.6, 0.4, 0.4, 0.4, 0.4])
    )


def test_infinite_scores_have_an_order():
    assert auc([0, 1, 1], [-np.inf, 0.0, np.inf]) == 1.0


@pytest.mark.parametrize(
    ("labels", "scores", "error", "message"),
    [
        ([1, 1], [0.1, 0.2], DataError, "both classes"),
        ([], [], DataError, "both classes"),
        ([0, 1], [0.1, np.nan], ModelError, "1 of 2 scores are not a number"),
        ([0, 2], [0.1, 0.2], DataError, "row 1: label .*2.* is neither 0 nor 1"),
        ([0, 1], [0.1], DataError, "one label and one score per row"),
    ],
)
def test_auc_refuses(labels, scores, error, message):
    with pytest.raises(error, match=message):
        auc(labels, scores)


@pytest.mark.parametrize("weights", [[1], [1, -1], [1, np.nan]])
def test_auc_refuses_weights(weights):
    with pytest.raises(DataError, match="weights"):
        auc([0, 1], [0.1, 0.2], weights)


@given(two_classes)
def test_auc_is_that_of_sklearn(rows):
    _, labels, scores = columns(rows)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(two_classes)
def test_auc_knows_order_alone(rows):
    _, labels, scores = columns(rows)
    assert auc(labels, np.exp(scores / 3)) == auc(labels, scores)


@given(two_classes)
def test_turning_scores_round_turns_auc_round(rows):
    _, labels, scores = columns(rows)
    assert auc(labels, scores) + auc(labels, -scores) == pytest.approx(1.0)


@given(two_classes, st.data())
def test_weighted_auc_is_that_of_sklearn(rows, data):
    _, labels, scores = columns(rows)
    weights = np.array(data.draw(st.lists(st.integers(1, 5), min_size=len(rows), max_size=len(rows))))
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert auc(labels, scores, weights) == pytest.approx(expected, abs=1e-12)
    assert auc(labels, scores, np.ones(len(rows))) == auc(labels, scores)


@given(scored_rows)
def test_user_auc_is_that_of_sklearn_for_each_user(rows):
    users, labels, scores = columns(rows)
    found = user_auc(users, labels, scores)
    for user, value in zip(found.users, found.auc, strict=True):
        mine = users == user
        if len(set(labels[mine])) == 2:
            assert value == pytest.approx(roc_auc_score(labels[mine], scores[mine]), abs=1e-12)
        else:
            assert np.isnan(value)


def test_uauc_by_hand():
    # a: 1.0; b: 3 of 4 pairs; c: one row; d: one class. Mean of a and b.
    users = ["a", "a", "b", "b", "b", "b", "c", "d", "d"]
    labels = [1, 0, 1, 1, 0, 0, 1, 0, 0]
    scores = [0.9, 0.1, 0.9, 0.3, 0.5, 0.1, 0.2, 0.2, 0.4]
    found = uauc(users, labels, scores)
    assert found.value == 0.875
    assert (found.n_users, found.n_users_counted, found.n_one_row, found.n_one_class) == (4, 2, 1, 1)
    assert found.n_rows_counted == 6


@given(two_classes, st.integers(1, 4), st.integers(0, 1))
def test_uauc_ignores_users_of_one_class(rows, n_added, label):
    users, labels, scores = columns(rows)
    before = uauc(users, labels, scores)
    after = uauc(
        np.append(users, [99] * n_added),
        np.append(labels, [label] * n_added),
        np.append(scores, np.arange(n_added)),
    )
    assert after.value == before.value
    assert after.n_one_row + after.n_one_class == before.n_one_row + before.n_one_class + 1


@given(two_classes, st.randoms(use_true_random=False))
def test_metrics_do_not_depend_on_the_order_of_rows(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    (users, labels, scores), (other_users, other_labels, other_scores) = columns(rows), columns(shuffled)
    assert uauc(users, labels, scores) == uauc(other_users, other_labels, other_scores)
    assert auc(labels, scores) == auc(other_labels, other_scores)
    probability, other_probability = (scores + 5) / 10, (other_scores + 5) / 10
    assert calibration_error(labels, probability) == pytest.approx(
        calibration_error(other_labels, other_probability), abs=1e-12
    )


def test_uauc_without_a_user_to_count():
    found = uauc([1, 2, 2], [1, 0, 0], [0.5, 0.5, 0.5])
    assert found.value is None
    assert (found.n_one_row, found.n_one_class, found.n_rows_counted) == (1, 1, 0)


def test_user_auc_refuses_users_of_another_length():
    with pytest.raises(DataError, match="users"):
        user_auc([1], [0, 1], [0.1, 0.2])


def test_log_loss_is_that_of_sklearn():
    labels, probabilities = [1, 0, 1, 1], [0.9, 0.2, 0.4, 0.99]
    assert log_loss(labels, probabilities) == pytest.approx(sklearn_log_loss(labels, probabilities))
    assert log_loss(labels, probabilities) == pytest.approx(-np.mean(np.log([0.9, 0.8, 0.4, 0.99])))


def test_log_loss_of_a_wrong_certainty_is_finite():
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize("metric", [log_loss, calibration_error])
def test_probabilities_are_needed(metric):
    with pytest.raises(ModelError, match=r"row 1: 1\.5 is not a probability"):
        metric([0, 1], [0.5, 1.5])
    with pytest.raises(DataError, match="no rows"):
        metric([], [])


def test_calibration_error_by_hand():
    # Two bins of four: predicted 0.2, observed 0.25; predicted 0.7, observed 0.5. Mean gap 0.125.
    labels = [0, 0, 0, 1, 1, 1, 0, 0]
    probabilities = [0.2, 0.2, 0.2, 0.2, 0.7, 0.7, 0.7, 0.7]
    assert calibration_error(labels, probabilities, n_bins=2) == pytest.approx(0.125)


def test_bins_hold_equally_many_rows():
    random = np.random.default_rng(0)
    bins = calibration_bins(random.integers(0, 2, 1000), random.random(1000), n_bins=10)
    assert list(bins.n_rows) == [100] * 10


@given(st.floats(0.0, 1.0), st.integers(1, 30), st.integers(1, 30))
def test_equal_predictions_share_a_bin(probability, n_positive, n_negative):
    labels = [1] * n_positive + [0] * n_negative
    bins = calibration_bins(labels, [probability] * len(labels))
    assert list(bins.n_rows) == [len(labels)]
    assert bins.observed[0] == pytest.approx(n_positive / len(labels))


@settings(deadline=None, max_examples=3)
@given(st.integers(0, 2**32 - 1))
def test_many_rows_are_quick_and_right(seed):
    random = np.random.default_rng(seed)
    users = random.integers(0, 150, 3000)
    labels, scores = random.integers(0, 2, 3000), random.random(3000).round(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [roc_auc_score(labels[users == user], scores[users == user]) for user in np.unique(users)]
    assert uauc(users, labels, scores).value == pytest.approx(np.nanmean(each), abs=1e-12)
