"""Settings that models share which read a history from left to right."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.crm.recipes.kind import ModelSettings


class SequenceSettings(ModelSettings):
    """Settings that all sequence models share."""

    objective: Literal["bce", "cross-entropy"] = Field(
        "bce",
        description="bce: every row and its label; cross-entropy: the item of a liked row among all items",
    )
    dimension: int = Field(64, ge=1, description="length of item vectors and states")
    max_length: int = Field(50, ge=4, description="items of a history that are read at once")
    item_bias: bool = Field(True, description="whether an item has a liking of its own beside its vector")
    pooling: Literal["last", "mean"] = Field(
        "last",
        description="vector of a history for Eq. 3: the state after its last item, as it is scored with, or the mean "
        "of the states after each item, of unit length: who the user is rather than what comes next",
    )
    unit_states: bool = Field(
        False,
        description="whether states have length 1: then the inner product of Eq. 4 is the cosine, and no "
        "behaviour is everybody's neighbour because its state is long",
    )


class TransformerSettings(SequenceSettings):
    """Settings of models with a transformer; the defaults of a recipe stand with the model."""

    n_layers: int = Field(2, ge=1, description="transformer layers")
    n_heads: int = Field(2, ge=1, description="attention heads; a divisor of the dimension")
    inner_dimension: int = Field(256, ge=1, description="width of the feed-forward layers")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of activations left out in training")
    attention_dropout: float = Field(0.5, ge=0, lt=1, description="share of attention weights left out")
