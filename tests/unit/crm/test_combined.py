from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scorerec.core.errors import DataError
from scorerec.crm.combined import combine


def sigmoid(values):
    return 1 / (1 + np.exp(-np.asarray(values)))


@pytest.fixture
def rows():
    """Item and model each know half of what decides; the first half of the rows is validation."""
    random = np.random.default_rng(0)
    item, model = random.normal(size=4000), random.normal(size=4000)
    labels = (random.random(4000) < sigmoid(1.5 * item - 0.5 * model + 0.7)).astype(np.int8)
    return sigmoid(item), sigmoid(model), labels, np.arange(4000) < 2000


def test_the_weights_are_those_of_the_log_odds(rows):
    p_yes, facts = combine(*rows)
    assert facts["item_weight"] == pytest.approx(1.5, abs=0.2)
    assert facts["model_weight"] == pytest.approx(-0.5, abs=0.15)
    assert p_yes.shape == (4000,)
    assert ((p_yes > 0) & (p_yes < 1)).all()
    assert p_yes[~rows[3]].mean() == pytest.approx(rows[2][~rows[3]].mean(), abs=0.03)


def test_four_counts_by_hand():
    """Of each 400 rows with item log odds 0 and 2, 200 and 352 are liked: the weight is log(352 / 48) / 2."""
    item = np.repeat(sigmoid([0.0, 2.0]), 400)
    labels = np.concatenate([np.repeat([1, 0], 200), np.repeat([1, 0], [352, 48])]).astype(np.int8)
    _, facts = combine(item, np.full(800, 0.5), labels, np.ones(800, bool))
    assert facts["item_weight"] == pytest.approx(np.log(352 / 48) / 2, rel=0.01)  # hardly penalised
    assert facts["model_weight"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("constant", [0.7, 0.0, 1.0])
def test_a_model_that_says_the_same_of_everything_adds_nothing(rows, constant):
    item, _, labels, is_valid = rows
    p_yes, facts = combine(item, np.full(len(item), constant), labels, is_valid)
    assert np.isfinite(p_yes).all()
    assert roc_auc_score(labels, p_yes) == pytest.approx(roc_auc_score(labels, item), abs=1e-9)
    assert facts["item_weight"] > 1


def test_the_two_say_more_than_each(rows):
    item, model, labels, is_valid = rows
    test = ~is_valid
    found = roc_auc_score(labels[test], combine(*rows)[0][test])
    assert found > max(roc_auc_score(labels[test], item[test]), roc_auc_score(labels[test], 1 - model[test])) + 0.01


def test_only_validation_labels_decide(rows):
    item, model, labels, is_valid = rows
    other = np.where(is_valid, labels, 1 - labels).astype(np.int8)
    np.testing.assert_array_equal(combine(*rows)[0], combine(item, model, other, is_valid)[0])
    turned = np.where(is_valid, 1 - labels, labels).astype(np.int8)
    assert not np.allclose(combine(*rows)[0], combine(item, model, turned, is_valid)[0])


def test_validation_rows_of_one_label_are_an_error(rows):
    item, model, labels, is_valid = rows
    with pytest.raises(DataError, match="validation rows of both labels, got 2000 of one"):
        combine(item, model, np.where(is_valid, 1, labels).astype(np.int8), is_valid)
