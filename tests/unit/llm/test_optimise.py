"""The pace of learning, and what stops it."""

from __future__ import annotations

import pytest
import torch

from scorerec.core.errors import ModelError
from scorerec.llm.config import OptimiserConfig
from scorerec.llm.optimise import Optimiser


def rates(config: OptimiserConfig, n_steps: int) -> list[float]:
    model = torch.nn.Linear(1, 1)
    optimiser = Optimiser(model, config, n_steps)
    found = []
    for _ in range(n_steps):
        model(torch.ones(1, 1)).sum().backward()
        found.append(round(optimiser.learning_rate, 6))
        optimiser.step(0.0)
    return found


def test_the_rate_rises_and_falls() -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup_share=0.5)
    assert rates(config, 4) == [0.5, 1.0, 1.0, 0.5]


def test_the_rate_stays() -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup_share=0.25, schedule="constant")
    assert rates(config, 4) == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_a_number_ends_training(loss: float) -> None:
    optimiser = Optimiser(torch.nn.Linear(1, 1), OptimiserConfig(), 3)
    with pytest.raises(ModelError, match="step 1 of 3"):
        optimiser.step(loss)


def test_a_model_without_trainable_weights_is_an_error() -> None:
    with pytest.raises(ModelError, match="nothing to train"):
        Optimiser(torch.nn.Linear(1, 1).requires_grad_(False), OptimiserConfig(), 3)
