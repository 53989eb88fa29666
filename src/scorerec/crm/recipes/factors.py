"""Settings that models of user and item vectors share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.crm.recipes.kind import ModelSettings


class FactorSettings(ModelSettings):
    """Settings that models of user and item vectors share."""

    objective: Literal["bce", "bpr", "cross-entropy"] = Field(
        "bce",
        description="bce: every row and its label; bpr: a liked item above one drawn at random; cross-entropy: a liked "
        "item among all items",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="share of values of a history's vector left out in training")
    history_power: float = Field(
        0.5, ge=0, le=1, description="the sum over n items of a history is divided by n to this power; 1: their mean"
    )
    latest: int | None = Field(
        None,
        ge=1,
        description="latest items of a history that say what comes next; None: all. The vector of Eq. 3 is of all: it "
        "says who the user is",
    )
    temperature: float = Field(1.0, gt=0, description="cross-entropy: what scores are divided by")
    dimension: int = Field(64, ge=1, description="length of user and item vectors")
    item_bias: bool = Field(True, description="whether an item has a liking of its own beside its vector")
