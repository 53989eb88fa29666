"""What configuration knows of CORE: its settings and its recipes."""

from __future__ import annotations

from pydantic import Field

from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.sequence import TransformerSettings


class CORESettings(TransformerSettings):
    """Settings of CORE."""

    temperature: float = Field(0.07, gt=0, description="what the cosine of history and item is divided by")
    history_dropout: float = Field(0.2, ge=0, lt=1, description="share of values left out of a history's vectors")
    item_dropout: float = Field(0.2, ge=0, lt=1, description="share of values left out of the items to be scored")


KIND = Kind(
    name="core",
    label="CORE",
    settings=CORESettings,
    network="scorerec.crm.core_session:CORE",
    recipes={
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
    },
)
