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


def test_b_of_an_adapter_learns_so_many_times_as_fast_also_after_a_break() -> None:
    model = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1, bias=False) for name in ("lora_A", "lora_B")})

    def optimiser() -> Optimiser:
        return Optimiser(model, OptimiserConfig(learning_rate=0.1, warmup_share=0.25), 4, plus_ratio=8.0)

    one = optimiser()
    before = {name: weight.item() for name, weight in model.named_parameters()}
    (model["lora_A"](torch.ones(1, 1)) + model["lora_B"](torch.ones(1, 1))).sum().backward()
    one.step(0.0)
    moved = {name: before[name] - weight.item() for name, weight in model.named_parameters()}
    assert moved["lora_B.weight"] == pytest.approx(8 * moved["lora_A.weight"], rel=1e-4)
    one.resume(3)
    two = optimiser()
    two.resume(3)
    rates = [[group["lr"] for group in each.adam.param_groups] for each in (one, two)]
    assert rates[0] == rates[1] == pytest.approx([0.1 / 3, 0.8 / 3])
