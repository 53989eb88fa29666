"""How text models are tuned: settings that every such model shares."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.core.config import Config


class FineTuneConfig(Config):
    """How long and how fast a text model is tuned."""

    epochs: int = Field(3, ge=1, description="passes over the anchors")
    batch_size: int = Field(16, ge=1, description="anchors per step")
    learning_rate: float = Field(
        2e-5, gt=0, description="peak, linear decay; about 2e-5 for transformers, 1e-2 for static encoders"
    )
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of the steps that warm up")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 for a GPU that has it")
