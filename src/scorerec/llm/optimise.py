"""AdamW with warm-up and decay, for pre-training and tuning alike; a loss that is not a number ends it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from scorerec.core.errors import ModelError
from scorerec.llm.config import OptimiserConfig


class Optimiser:
    """Steps over the weights that require gradients; ``adam`` holds its moments.

    Args:
        model: the model that is trained.
        config: how fast.
        n_steps: steps that will be made.
        plus_ratio: LoRA+: B of an adapter learns so many times as fast as the rest.

    Raises:
        ModelError: the model has nothing to train.
    """

    def __init__(self, model: Any, config: OptimiserConfig, n_steps: int, plus_ratio: float | None = None):
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        if not self.weights:
            raise ModelError("nothing to train: no weight of the model requires a gradient")
        self._config = config
        self._n_warmup = max(1, math.ceil(n_steps * config.warmup_share))
        self._n_steps = max(n_steps, self._n_warmup + 1)
        self.adam = torch.optim.AdamW(
            _groups(model, config.learning_rate, plus_ratio),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self.adam, self._share)
        self._n_done = 0

    @property
    def n_done(self) -> int:
        """Steps that were made."""
        return self._n_done

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.adam.param_groups[0]["lr"])

    def gradients(self) -> list[Tensor]:
        """Return the gradients of all weights; zeros where a weight took part in nothing."""
        for weight in self.weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self.weights if weight.grad is not None]

    def step(self, loss: float) -> float:
        """Apply the gradients and clear them; returns ``loss``, their mean loss.

        Raises:
            ModelError: the loss is not a number.
        """
        if not math.isfinite(loss):
            raise ModelError(
                f"the training loss became {loss} in step {self._n_done + 1} of {self._n_steps}; lower the learning "
                f"rate ({self._config.learning_rate}), or use a wider precision (bf16 or fp32)"
            )
        torch.nn.utils.clip_grad_norm_(self.weights, self._config.max_gradient_norm)
        self.adam.step()
        self._schedule.step()
        self.adam.zero_grad()
        self._n_done += 1
        return loss

    def resume(self, n_done: int) -> None:
        """Go on after ``n_done`` steps; weights and ``adam`` are as they were then."""
        self._n_done = self._schedule.last_epoch = n_done
        for group, peak in zip(self.adam.param_groups, self._schedule.base_lrs, strict=True):
            group["lr"] = peak * self._share(n_done)

    def _share(self, step: int) -> float:
        """The learning rate of a step as a share of the peak."""
        if step < self._n_warmup:
            return (step + 1) / self._n_warmup
        if self._config.schedule == "constant":
            return 1.0
        return max(0.0, (self._n_steps - step) / (self._n_steps - self._n_warmup))


def _groups(model: Any, rate: float, plus_ratio: float | None) -> list[dict[str, Any]]:
    """Return the weights that require gradients, those of LoRA's B apart where they learn at a rate of their own."""
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    if plus_ratio is None:
        return [{"params": [weight for _, weight in named]}]
    fast = [weight for name, weight in named if "lora_B" in name]
    return [
        {"params": [weight for name, weight in named if "lora_B" not in name]},
        {"params": fast, "lr": rate * plus_ratio},
    ]
