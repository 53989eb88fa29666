from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scorerec.crm import collapse
from scorerec.crm.collapse import COLLAPSED, Spread, interaction_share, spread_of, state_spread, warnings_about
from scorerec.crm.histories import Prefixes


def test_two_of_three_users_are_one():
    """Cosines 1, 0, 0; energies 2 and 1 of 3."""
    cosine, rank = state_spread(np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 0.1]]))
    assert cosine == pytest.approx(1 / 3)
    shares = np.array([2 / 3, 1 / 3])
    assert rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize(
    ("states", "cosine", "rank"),
    [
        (np.ones((4, 3)), 1.0, 1.0),
        (np.array([[1.0, 1.0], [-2.0, -2.0]]), -1.0, 1.0),
        (np.eye(3), 0.0, 3.0),
        (np.array([[3.0, 4.0]]), 1.0, 1.0),
        (np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), 0.0, 2.0),  # a state without direction is nobody's twin
    ],
)
def test_spread_of_simple_states(states, cosine, rank):
    assert state_spread(states) == (pytest.approx(cosine, abs=1e-12), pytest.approx(rank))
    assert state_spread(states.astype(np.float32)) == (pytest.approx(cosine, abs=1e-6), pytest.approx(rank, rel=1e-5))


def test_interaction_share_by_hand():
    """1, 2, 3, 6: variance 3.5; half a point up or down in each cell is of neither user nor item: 0.25 of it."""
    assert interaction_share(np.array([[1.0, 2.0], [3.0, 6.0]])) == pytest.approx(0.25 / 3.5)


def test_equal_scores_have_no_share():
    assert interaction_share(np.full((3, 4), 2.5)) == 0.0


small = st.tuples(st.integers(2, 6), st.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-20, 20).map(float))
)


@given(small, st.integers(1, 9), st.integers(-9, 9))
def test_a_share_is_a_share_and_knows_no_unit(scores, factor, offset):
    share = interaction_share(scores)
    assert -1e-12 <= share <= 1 + 1e-12
    assert interaction_share(scores * factor + offset) == pytest.approx(share, abs=1e-9)
    assert interaction_share(scores.T) == pytest.approx(share, abs=1e-9)


@given(small, st.data())
def test_means_of_users_and_items_are_no_interaction(scores, data):
    whole = st.integers(-50, 50).map(float)
    users = data.draw(arrays(np.float64, (len(scores), 1), elements=whole))
    items = data.draw(arrays(np.float64, (1, scores.shape[1]), elements=whole))
    assert interaction_share(users + items) == pytest.approx(0.0, abs=1e-9)
    moved = scores + users + items
    # What is left after both means is the same: only the variance that it is a share of differs.
    assert interaction_share(moved) * moved.var() == pytest.approx(interaction_share(scores) * scores.var(), abs=1e-6)


class Told:
    """Says of each user what its history's number is given."""

    def __init__(self, states, scores):
        self._states, self._scores = states, scores

    def states(self, prefixes):
        return self._states[prefixes.history]

    def rank(self, prefixes):
        return self._scores[prefixes.history]


def users_who_liked(*counts):
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Prefixes(np.ones(starts[-1], np.int64), starts, np.arange(len(counts)), np.array(counts))


def test_who_liked_nothing_is_left_out():
    states = np.array([[1.0, 0.0], [9.0, 9.0], [0.0, 1.0]], np.float32)
    scores = np.array([[1, 2], [50, -50], [3, 6]], np.float32)
    spread = spread_of(Told(states, scores), users_who_liked(2, 0, 1))
    assert spread == (pytest.approx(0.0), pytest.approx(2.0), pytest.approx(0.25 / 3.5))


def test_a_grid_of_some_users_and_items_is_measured(monkeypatch):
    monkeypatch.setattr(collapse, "_MOST_USERS", 2)
    monkeypatch.setattr(collapse, "_MOST_ITEMS", 2)
    scores = np.array([[1, 99, 2], [7, 1, -8], [3, -99, 6]], np.float32)  # first and last of both
    spread = spread_of(Told(np.eye(3, dtype=np.float32), scores), users_who_liked(1, 1, 1))
    assert spread.interaction_share == pytest.approx(0.25 / 3.5)


def test_a_collapsed_model_is_called_one():
    (warning,) = warnings_about("SASRec", Spread(0.99987, 1.0, 0.0001234))
    assert "SASRec IS AN ITEM MEAN: 0.00012" in warning
    assert "0.9999" in warning
    assert "crm.recipe, crm.model" in warning
    assert warnings_about("SASRec", Spread(0.99, 1.0, COLLAPSED)) == []
    assert len(warnings_about("SASRec", Spread(0.0, 64.0, COLLAPSED - 1e-9))) == 1
