import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scorerec.nn.losses import MASKED, NEGATIVE, POSITIVE, contrastive_loss, info_nce


def test_info_nce_by_hand():
    positive, negatives = torch.tensor([0.9, 0.2]), torch.tensor([[0.5, 0.1], [0.4, -0.3]])
    loss = info_nce(positive, negatives, temperature=0.1)
    first = math.exp(9) / (math.exp(9) + math.exp(5) + math.exp(1))
    second = math.exp(2) / (math.exp(2) + math.exp(4) + math.exp(-3))
    assert loss.tolist() == pytest.approx([-math.log(first), -math.log(second)], rel=1e-5)


def test_a_masked_negative_does_not_count():
    loss = info_nce(torch.tensor([0.9]), torch.tensor([[0.5, 0.95]]), 0.1, mask=torch.tensor([[False, True]]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-4)), rel=1e-4)


def test_without_negatives_the_loss_and_its_gradient_are_zero():
    positive = torch.tensor([0.3], requires_grad=True)
    loss = info_nce(positive, torch.tensor([[0.5]]), 0.02, mask=torch.tensor([[True]]))
    loss.sum().backward()
    assert loss.item() == 0.0
    assert positive.grad is not None
    assert positive.grad.item() == 0.0


def test_eq_6_gives_each_positive_the_negatives_alone():
    # One anchor, two positives (0.8, 0.6), one negative (0.1), one known neighbour that is masked (0.9).
    similarity = torch.tensor([[0.8, 0.6, 0.1, 0.9]])
    relation = torch.tensor([[POSITIVE, POSITIVE, NEGATIVE, MASKED]])
    loss = contrastive_loss(similarity, relation, temperature=0.1)
    by_hand = math.log(1 + math.exp(1 - 8)) + math.log(1 + math.exp(1 - 6))
    assert loss.item() == pytest.approx(by_hand, rel=1e-4)


def test_eq_12_is_the_mean_over_targets():
    similarity = torch.tensor([[0.60, 0.58, 0.55], [0.40, 0.50, 0.10]])
    relation = torch.tensor([[POSITIVE, NEGATIVE, NEGATIVE]] * 2)
    loss = contrastive_loss(similarity, relation, temperature=0.02)
    first = math.log(1 + math.exp(-1) + math.exp(-2.5))
    second = math.log(1 + math.exp(5) + math.exp(-15))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-4)


def test_similarities_far_apart_stay_finite():
    similarity = torch.tensor([[-1.0, 1.0]], requires_grad=True)
    loss = contrastive_loss(similarity, torch.tensor([[POSITIVE, NEGATIVE]]), temperature=1e-3)
    loss.backward()
    assert loss.item() == pytest.approx(2000)
    assert similarity.grad is not None
    assert torch.isfinite(similarity.grad).all()


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(0.05, 1))
def test_a_further_negative_never_lowers_the_loss(similarities, temperature):
    positive, *negatives = torch.tensor(similarities, dtype=torch.float64)
    rest = torch.stack(negatives)[None]
    with_all = info_nce(positive[None], rest, temperature).item()
    with_fewer = info_nce(positive[None], rest[:, :-1], temperature).item()
    assert with_all >= with_fewer >= 0
