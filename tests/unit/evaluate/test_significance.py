from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorerec.core.errors import ConfigError, DataError, ModelError
from scorerec.core.metrics import auc, uauc
from scorerec.core.randomness import generator
from scorerec.evaluate.significance import holm, resample_users


@pytest.fixture(scope="module")
def world():
    """200 users with 10 rows each: a strong score, a weak one, and none at all."""
    random = np.random.default_rng(7)
    users = np.repeat(np.arange(200), 10)
    labels = random.integers(0, 2, 2000)
    scores = {
        "strong": labels + random.normal(0, 1, 2000),
        "weak": labels + random.normal(0, 4, 2000),
        "none": random.normal(0, 1, 2000),
    }
    return users, labels, scores


def test_a_draw_is_the_metric_on_repeated_users(world):
    users, labels, scores = world
    draws = resample_users(users, labels, scores, n_resamples=3, seed=5)
    random = generator(5, "resample users")
    for draw in range(3):
        drawn = random.integers(200, size=200)
        rows = np.concatenate([np.flatnonzero(users == user) for user in drawn])
        copies = np.repeat(np.arange(200), 10)  # two copies of one user are two users
        for method, score in scores.items():
            assert draws.values["auc", method][draw] == pytest.approx(auc(labels[rows], score[rows]))
            expected = uauc(copies, labels[rows], score[rows]).value
            assert draws.values["uauc", method][draw] == pytest.approx(expected)


def test_intervals_hold_the_value_and_shrink_with_a_better_score(world):
    users, labels, scores = world
    draws = resample_users(users, labels, scores, n_resamples=200)
    for method, score in scores.items():
        interval = draws.interval("auc", method)
        assert interval.low < auc(labels, score) < interval.high
        assert interval.n_resamples == 200
    assert draws.interval("uauc", "none").low < 0.5 < draws.interval("uauc", "none").high


def test_equal_seeds_draw_equally(world):
    users, labels, scores = world
    one, same, other = (resample_users(users, labels, scores, 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.values["auc", "weak"], same.values["auc", "weak"])
    assert not np.array_equal(one.values["auc", "weak"], other.values["auc", "weak"])


def test_draws_do_not_depend_on_which_methods_are_there(world):
    users, labels, scores = world
    alone = resample_users(users, labels, {"weak": scores["weak"]}, 20)
    together = resample_users(users, labels, scores, 20)
    assert np.array_equal(alone.values["uauc", "weak"], together.values["uauc", "weak"])


def test_difference_between_unequal_methods(world):
    users, labels, scores = world
    draws = resample_users(users, labels, scores, 200)
    found = draws.difference("auc", "strong", "none", 0.25)
    assert found.value == 0.25
    assert found.interval.low > 0
    assert found.p_value == pytest.approx(2 / 201)


def test_a_method_does_not_differ_from_itself(world):
    users, labels, scores = world
    found = resample_users(users, labels, scores, 50).difference("uauc", "weak", "weak", 0.0)
    assert (found.interval.low, found.interval.high, found.p_value) == (0.0, 0.0, 1.0)


def test_draws_that_lack_a_class_are_left_out():
    # Two users of one class each: half of the draws hold only one of them.
    draws = resample_users([1, 2], [1, 0], {"m": [0.9, 0.1]}, n_resamples=100)
    interval = draws.interval("auc", "m")
    assert (interval.low, interval.high) == (1.0, 1.0)
    assert 20 < interval.n_resamples < 80
    assert draws.interval("uauc", "m") is None
    assert draws.difference("uauc", "m", "m", 0.0).p_value is None


def test_one_user_has_no_interval():
    """All draws of the one user who counts agree: an interval of no width would say that nothing is surer."""
    users, labels = [1, 1, 2, 3], [1, 0, 1, 0]  # the first alone has both classes
    draws = resample_users(users, labels, {"m": [0.9, 0.1, 0.8, 0.2], "other": [0.1, 0.9, 0.8, 0.2]}, n_resamples=50)
    assert draws.interval("uauc", "m") is None
    found = draws.difference("uauc", "m", "other", 1.0)
    assert (found.interval, found.p_value) == (None, None)
    assert draws.interval("auc", "other") is not None
    alone = resample_users([1, 1], [1, 0], {"m": [0.9, 0.1]}, n_resamples=50)
    assert alone.interval("auc", "m") is None


def test_refusals():
    with pytest.raises(ConfigError, match="n_resamples"):
        resample_users([1], [1], {"m": [0.5]}, n_resamples=0)
    with pytest.raises(ModelError, match="NaN"):
        resample_users([1, 1], [1, 0], {"m": [0.5, np.nan]}, n_resamples=5)


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; the last is raised to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=10))
def test_holm_only_raises_and_keeps_order(p_values):
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


def test_rows_of_some_users_have_the_draws_of_all():
    users, labels = np.repeat(np.arange(6), 4), np.tile([0, 1, 0, 1], 6)
    scores = np.random.default_rng(0).random(24)
    some = users >= 3
    own = resample_users(users[some], labels[some], {"a": scores[some]}, 30, among=users)
    # The rows of the others weigh nothing: their labels and scores do not matter, and whole draws may lack the rows.
    for draw in range(30):
        rng = generator(0, "resample users")
        drawn = [rng.integers(6, size=6) for _ in range(draw + 1)][-1]
        rows = np.concatenate([np.flatnonzero(users == user) for user in drawn if user >= 3] or [np.zeros(0, int)])
        value = auc(labels[rows], scores[rows]) if len(rows) else np.nan
        np.testing.assert_allclose(own.values["auc", "a"][draw], value)
    with pytest.raises(DataError, match="not among those to draw from"):
        resample_users(users, labels, {"a": scores}, 2, among=users[some])
