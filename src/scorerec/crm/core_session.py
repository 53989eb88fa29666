"""CORE: a history is a weighted mean of its item vectors, so users and items share one space (Hou et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from scorerec.crm.base import ModelSettings
from scorerec.crm.histories import Catalogue
from scorerec.crm.sequence import SequenceRecommender
from scorerec.crm.transformer import CausalTransformer, TransformerSettings, initialise


class CORESettings(TransformerSettings):
    """Settings of CORE; the defaults of a recipe stand in ``CORE.recipes``."""

    temperature: float = Field(0.07, gt=0, description="what the cosine of history and item is divided by")
    history_dropout: float = Field(0.2, ge=0, lt=1, description="share of values left out of a history's vectors")
    item_dropout: float = Field(0.2, ge=0, lt=1, description="share of values left out of the items to be scored")


class CORE(SequenceRecommender):
    """A transformer weighs the items of a history; the vector is their weighted mean, normalised.

    The item is normalised as well, in training and in scoring: the library that the paper used forgets it when it
    scores one item.
    """

    name: ClassVar[str] = "core"
    label: ClassVar[str] = "CORE"
    settings_type: ClassVar[type[ModelSettings]] = CORESettings
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ranking": {
            "selection": "ranking",
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 100,
            "patience": 10,
            "settings": {
                "objective": "cross-entropy",
                "item_bias": False,
                "unit_states": True,
                "temperature": 0.07,
                "pooling": "mean",
            },
        },
        "bce": {
            "selection": "auc",
            "learning_rate": 1e-3,
            "weight_decay": 1.0,
            "batch_size": 1024,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "bce", "item_bias": True, "unit_states": True, "temperature": 3.0},
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": False, "unit_states": True, "temperature": 0.07},
        },
    }

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
