"""A causal transformer over a history: what SASRec and CORE share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.core.errors import ConfigError
from scorerec.crm.recipes.sequence import TransformerSettings

_NORM_EPSILON = 1e-12
_INITIAL_DEVIATION = 0.02


class CausalTransformer(nn.Module):
    """Learned positions, normalisation, dropout and layers of causal self-attention.

    Raises:
        ConfigError: ``n_heads`` does not divide the dimension.
    """

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        if settings.dimension % settings.n_heads:
            raise ConfigError(
                f"crm.settings: wanted a dimension that n_heads divides, got {settings.dimension} and "
                f"{settings.n_heads}"
            )
        self.position_embedding = nn.Embedding(settings.max_length, settings.dimension)
        self.norm = nn.LayerNorm(settings.dimension, eps=_NORM_EPSILON)
        self.layers = nn.ModuleList(_Layer(settings) for _ in range(settings.n_layers))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the state after each item: item vectors, oldest first, (B, T, d) -> (B, T, d)."""
        positions = torch.arange(vectors.shape[1], device=vectors.device)
        states = self.dropout(self.norm(vectors + self.position_embedding(positions)))
        for layer in self.layers:
            states = layer(states)
        return states


def initialise(module: nn.Module) -> None:
    """Draw the weights of one module as the papers' library does: small and normal, biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_INITIAL_DEVIATION)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()


class _Layer(nn.Module):
    """Causal self-attention and a feed-forward network, each with dropout, residual and normalisation."""

    def __init__(self, settings: TransformerSettings):
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
