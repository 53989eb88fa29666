"""Which state of a training is kept: the best on validation rows, and when to stop looking for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Best:
    """Keeps the weights of the best selection, the first of equals, and says when the patience is used up.

    Args:
        weights: by name, as the model has them while it is trained; ``restore`` changes them in place.
        patience: selections without a better one before it is over; None: it never is.

    Attributes:
        kept: the weights of the best selection, on the CPU; none before the first.
        quality: of the best selection.
        number: which selection it was, from 1; 0 before the first.

    >>> best = Best({"w": torch.zeros(1)}, patience=2)
    >>> [best.offer(quality) for quality in (0.5, 0.7, 0.7, 0.6)], best.number, best.is_over
    ([True, True, False, False], 2, True)
    """

    def __init__(self, weights: Mapping[str, Tensor], patience: int | None = None):
        self._weights, self._patience = weights, patience
        self._count = 0  # selections so far
        self.kept: dict[str, Tensor] = {}
        self.quality = -math.inf
        self.number = 0

    def offer(self, quality: float) -> bool:
        """Keep the present weights if they are better than all before; returns whether they are."""
        self._count += 1
        if not quality > self.quality:
            return False
        self.quality, self.number = quality, self._count
        self.kept = {name: weight.detach().to("cpu", copy=True) for name, weight in self._weights.items()}
        return True

    @property
    def is_over(self) -> bool:
        """Whether the patience is used up."""
        return self._patience is not None and self._count - self.number >= self._patience

    @torch.no_grad()
    def restore(self) -> None:
        """Put the kept weights back."""
        for name, kept in self.kept.items():
            self._weights[name].copy_(kept)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and facts for a checkpoint."""
        facts = {"quality": self.quality, "number": self.number, "count": self._count}
        return {f"best.{name}": weight for name, weight in self.kept.items()}, facts

    def resume(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from what ``read`` returned; other tensors are left alone."""
        self.quality, self.number, self._count = facts["quality"], facts["number"], facts["count"]
        self.kept = {name.removeprefix("best."): kept for name, kept in tensors.items() if name.startswith("best.")}
