"""SASRec: self-attention over the items that a user liked, in their order (Kang and McAuley, 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from scorerec.core.errors import ConfigError
from scorerec.crm.base import ModelSettings
from scorerec.crm.histories import Catalogue
from scorerec.crm.sequence import SequenceRecommender, SequenceSettings

_NORM_EPSILON = 1e-12
_INITIAL_DEVIATION = 0.02


class SASRecSettings(SequenceSettings):
    """Settings of SASRec; the defaults of a recipe stand in ``SASRec.recipes``."""

    n_layers: int = Field(2, ge=1, description="transformer layers")
    n_heads: int = Field(2, ge=1, description="attention heads; a divisor of the dimension")
    inner_dimension: int = Field(256, ge=1, description="width of the feed-forward layers")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of activations left out in training")
    attention_dropout: float = Field(0.5, ge=0, lt=1, description="share of attention weights left out")


class SASRec(SequenceRecommender):
    """A causal transformer over a history; its last state is the user's vector.

    Recipe "library": the model, loss and optimiser of the library that the paper used. Recipe "bce": the
    labels of all rows, liked or not, and an item bias; chosen on the validation rows of MovieLens-1M.
    """

    name: ClassVar[str] = "sasrec"
    label: ClassVar[str] = "SASRec"
    settings_type: ClassVar[type[ModelSettings]] = SASRecSettings
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "bce": {
            "learning_rate": 1e-3,
            "weight_decay": 5.0,
            "batch_size": 1024,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "bce", "item_bias": True, "unit_states": True},
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": False, "unit_states": False},
        },
    }

    settings: SASRecSettings

    def __init__(self, catalogue: Catalogue, settings: SASRecSettings):
        super().__init__(catalogue, settings)
        if settings.dimension % settings.n_heads:
            raise ConfigError(
                f"sasrec: wanted a dimension that n_heads divides, got {settings.dimension} and {settings.n_heads}"
            )
        self.position_embedding = nn.Embedding(settings.max_length, settings.dimension)
        self.norm = nn.LayerNorm(settings.dimension, eps=_NORM_EPSILON)
        self.layers = nn.ModuleList(_Layer(settings) for _ in range(settings.n_layers))
        self.dropout = nn.Dropout(settings.dropout)
        self.apply(_initialise)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the state after each token: (B, T) -> (B, T, d)."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        states = self.item_embedding(tokens) + self.position_embedding(positions)  # (B, T, d)
        states = self.dropout(self.norm(states))
        for layer in self.layers:
            states = layer(states)
        return states


class _Layer(nn.Module):
    """Causal self-attention and a feed-forward network, each with dropout, residual and normalisation."""

    def __init__(self, settings: SASRecSettings):
        super().__init__()
        dimension = settings.dimension
        self.n_heads = settings.n_heads
        self.attention_dropout = settings.attention_dropout
        self.query_key_value = nn.Linear(dimension, 3 * dimension)
        self.output = nn.Linear(dimension, dimension)
        self.attention_norm = nn.LayerNorm(dimension, eps=_NORM_EPSILON)
        self.inner = nn.Linear(dimension, settings.inner_dimension)
        self.outer = nn.Linear(settings.inner_dimension, dimension)
        self.norm = nn.LayerNorm(dimension, eps=_NORM_EPSILON)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Return new states, (B, T, d) -> (B, T, d). Padding stands on the right, where no state looks."""
        size, length, dimension = states.shape
        split = self.query_key_value(states).view(size, length, 3, self.n_heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d / heads)
        attended = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.attention_dropout if self.training else 0.0, is_causal=True
        )
        joined = attended.transpose(1, 2).reshape(size, length, dimension)
        states = self.attention_norm(states + self.dropout(self.output(joined)))
        inner = functional.gelu(self.inner(states))
        return self.norm(states + self.dropout(self.outer(inner)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_INITIAL_DEVIATION)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
