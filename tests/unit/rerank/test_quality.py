import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from scorerec.rerank.quality import Quality, measure, ndcg, pairwise_accuracy, spearman, warnings_about

scores_of = st.lists(st.floats(-1, 1).map(lambda value: round(value, 1)), min_size=2, max_size=10)


def test_measures_by_hand():
    scores = [np.array([0.9, 0.5, 0.1]), np.array([0.1, 0.5, 0.9])]
    swapped = [np.array([0.9, 0.5, 0.1]), np.array([0.9, 0.5, 0.1])]
    found = measure(scores, swapped, shift=1, n_context_users=1)
    assert found.pairwise_accuracy == 0.5
    assert found.spearman == 0.0
    assert found.spread == pytest.approx(math.sqrt(0.32 / 3))
    assert found.target_effect == pytest.approx((0 + (0.8 + 0 + 0.8) / 3) / 2)
    assert found.contexts_changed == 0.5
    worst = (0 * 1 + 1 / math.log2(3) + 2 / 2) / (2 + 1 / math.log2(3))
    assert found.ndcg == pytest.approx((1 + worst) / 2)


def test_a_constant_reranker_is_at_chance():
    flat = np.zeros(10)
    assert pairwise_accuracy(flat, 5) == 0.5
    assert spearman(flat) == 0.0


@given(scores_of)
def test_spearman_against_its_textbook_formula(values):
    distinct = np.unique(values)
    count = len(distinct)
    if count < 2:
        return
    order = np.random.default_rng(0).permutation(count)
    ranks = np.argsort(np.argsort(-distinct[order]))
    textbook = 1 - 6 * ((ranks - np.arange(count)) ** 2).sum() / (count * (count**2 - 1))
    assert spearman(distinct[order]) == pytest.approx(textbook)


@given(scores_of)
def test_ndcg_against_scikit_learn(values):
    distinct = np.unique(values)
    if len(distinct) < 2:
        return
    order = np.random.default_rng(1).permutation(distinct)
    gains = np.arange(len(order) - 1, -1, -1)
    assert ndcg(order) == pytest.approx(ndcg_score([gains], [order]))


GOOD = Quality(0.8, 0.9, 0.5, spread=0.05, target_effect=0.01, contexts_changed=0.2)


def test_a_good_reranker_gives_no_warning():
    assert warnings_about(GOOD, GOOD._replace(pairwise_accuracy=0.6), temperature=0.02) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairwise_accuracy": 0.5}, "worse than the model it started from"),
        ({"spread": 0.0019}, "collapsed"),
        ({"contexts_changed": 0.0}, "hardly looks at the target"),
    ],
)
def test_each_fault_is_said(change, message):
    (warning,) = warnings_about(GOOD._replace(**change), GOOD, temperature=0.02)
    assert message in warning
