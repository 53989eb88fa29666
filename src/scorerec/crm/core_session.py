"""CORE: a history is a weighted mean of its item vectors, so users and items share one space (Hou et al., 2022)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.crm.histories import Catalogue
from scorerec.crm.recipes.core_session import KIND, CORESettings
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.sequence import SequenceRecommender
from scorerec.crm.transformer import CausalTransformer, initialise


class CORE(SequenceRecommender):
    """A transformer weighs the items of a history; the vector is their weighted mean, normalised.

    The item is normalised as well, in training and in scoring: the library that the paper used forgets it when it
    scores one item.
    """

    kind: ClassVar[Kind] = KIND

    settings: CORESettings

    def __init__(self, catalogue: Catalogue, settings: CORESettings):
        super().__init__(catalogue, settings)
        self.transformer = CausalTransformer(settings)
        self.weigh = nn.Linear(settings.dimension, 1)
        self.history_dropout = nn.Dropout(settings.history_dropout)
        self.item_dropout = nn.Dropout(settings.item_dropout)
        self.apply(initialise)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the weighted mean of the items up to each token: (B, T) -> (B, T, d)."""
        vectors = self.history_dropout(self.item_embedding(tokens))  # (B, T, d)
        weights = self.weigh(self.transformer(vectors)).transpose(1, 2)  # (B, 1, T): of an item, whoever asks
        length = tokens.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)  # (asks, asked)
        shares = weights.expand(-1, length, -1).masked_fill(later, -torch.inf).softmax(-1)  # (B, T, T)
        return shares @ vectors

    def as_targets(self, vectors: Tensor) -> Tensor:
        """Return items on the unit sphere, over the temperature: (N, d) -> (N, d)."""
        return functional.normalize(self.item_dropout(vectors), dim=-1) / self.settings.temperature
