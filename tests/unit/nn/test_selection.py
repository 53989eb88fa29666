"""The best state is kept, whatever the training does to the weights later."""

import math

import pytest
import torch
from torch import nn

from scorerec.nn.selection import Best


def train(best, weight, qualities):
    for quality in qualities:
        best.offer(quality)
        with torch.no_grad():
            weight += 1


def test_the_first_of_the_best_is_kept():
    weight = nn.Parameter(torch.zeros(1))
    best = Best({"w": weight}, patience=2)
    train(best, weight, (0.5, 0.7, 0.7))
    assert not best.is_over
    train(best, weight, (0.6,))
    assert best.is_over
    assert (best.quality, best.number) == (0.7, 2)
    best.restore()
    assert weight.item() == 1  # as it was when 0.7 came for the first time
    assert weight.requires_grad


def test_a_whole_model_comes_back():
    """Statistics of batches are no parameters, and belong to the state."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    best = Best(model.state_dict())
    model(torch.randn(4, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    best.offer(1.0)
    model(10 + torch.randn(4, 2))
    nn.init.ones_(model[0].weight)
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    best.restore()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_without_patience_it_is_never_over():
    best = Best({})
    assert [best.offer(quality) for quality in (0.5, *[0.4] * 100)].count(True) == 1
    assert not best.is_over


@pytest.mark.parametrize("n_before", [0, 1, 2, 3, 5])
def test_what_was_read_goes_on_as_if_nothing_had_happened(n_before):
    qualities = (0.3, 0.6, 0.5, 0.6, 0.4)
    whole, parts = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    one, killed, another = Best({"w": whole}, 3), Best({"w": parts}, 3), Best({"w": parts}, 3)
    train(one, whole, qualities)
    train(killed, parts, qualities[:n_before])
    tensors, facts = killed.read()
    another.resume({**tensors, "weight.w": torch.full((1,), 9.0)}, facts)
    train(another, parts, qualities[n_before:])
    assert (
        (another.quality, another.number, another.is_over) == (one.quality, one.number, one.is_over) == (0.6, 2, True)
    )
    another.restore()
    assert another.kept.keys() == {"w"}
    assert parts.item() == 1


def test_what_is_not_a_number_is_never_the_best():
    best = Best({"w": torch.zeros(1)})
    assert not best.offer(math.nan)
    assert best.offer(0.1)
