import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scorerec.crm.calibration import platt_scaling


def probabilities(logits, labels):
    slope, offset = platt_scaling(logits, labels)
    return 1 / (1 + np.exp(-(slope * logits + offset)))


def test_overconfident_scores_become_honest():
    random = np.random.default_rng(0)
    truth = random.normal(size=20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    slope, offset = platt_scaling(10 * truth + 3, labels)
    assert slope == pytest.approx(0.1, abs=0.005)
    assert offset == pytest.approx(-0.3, abs=0.05)


def test_the_order_stays():
    random = np.random.default_rng(1)
    logits, labels = random.normal(size=100), random.integers(0, 2, 100).astype(np.float32)
    scaled = probabilities(logits, labels)
    assert roc_auc_score(labels, scaled) == roc_auc_score(labels, logits)


@pytest.mark.parametrize("logits", [np.array([1.0, -1.0]), np.zeros(2)])
def test_nothing_is_changed_where_scores_say_nothing_or_the_opposite(logits):
    assert platt_scaling(logits, np.array([0, 1], np.float32)) == (1.0, 0.0)


def test_perfectly_ordered_rows_have_a_finite_slope():
    scaled = probabilities(np.array([-1.0, 1.0]), np.array([0, 1], np.float32))
    assert (scaled > 0).all()
    assert (scaled < 1).all()
