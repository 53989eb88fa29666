"""What configuration knows of DIN: its settings and its recipes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scorerec.crm.recipes.kind import Kind, ModelSettings


class DINSettings(ModelSettings):
    """Settings of DIN."""

    objective: Literal["bce", "sampled"] = Field(
        "bce",
        description="bce: every row and its label; sampled: liked rows, and for each an item drawn at random",
    )
    dimension: int = Field(10, ge=1, description="length of item vectors")
    max_length: int = Field(50, ge=1, description="latest items of a history that are read")
    attention_widths: tuple[int, ...] = Field((256, 256, 256), description="layers that weigh an item of a history")
    output_widths: tuple[int, ...] = Field((256, 256, 256), description="layers that score history and item")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of activations of the output layers left out")


KIND = Kind(
    name="din",
    label="DIN",
    settings=DINSettings,
    network="scorerec.crm.din:DIN",
    recipes={
        "ranking": {
            "selection": "ranking",
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "batch_size": 512,
            "epochs": 20,
            "patience": 5,
            "max_ranked_rows": 500,
            "settings": {
                "objective": "sampled",
                "dimension": 32,
                "max_length": 200,
                "attention_widths": (32,),
                "output_widths": (64,),
                "dropout": 0.3,
            },
        },
        "bce": {
            "selection": "auc",
            "learning_rate": 1e-3,
            "weight_decay": 1.0,
            "batch_size": 512,
            "epochs": 50,
            "patience": 5,
            "settings": {
                "dimension": 32,
                "max_length": 200,
                "attention_widths": (32,),
                "output_widths": (64,),
                "dropout": 0.3,
            },
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {
                "dimension": 10,
                "max_length": 50,
                "attention_widths": (256, 256, 256),
                "output_widths": (256, 256, 256),
                "dropout": 0.0,
            },
        },
    },
)
