"""What configuration knows of GRU4Rec: its settings and its recipes."""

from __future__ import annotations

from pydantic import Field

from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.sequence import SequenceSettings


class GRU4RecSettings(SequenceSettings):
    """Settings of GRU4Rec."""

    hidden_dimension: int = Field(128, ge=1, description="width of the recurrent state")
    n_layers: int = Field(1, ge=1, description="recurrent layers")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of item vector values left out in training")


KIND = Kind(
    name="gru4rec",
    label="GRU4Rec",
    settings=GRU4RecSettings,
    network="scorerec.crm.gru4rec:GRU4Rec",
    recipes={
        "ranking": {
            "selection": "ranking",
            "learning_rate": 5e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": False, "pooling": "mean", "dropout": 0.3},
        },
        "bce": {
            "selection": "auc",
            "learning_rate": 1e-3,
            "weight_decay": 5.0,
            "batch_size": 1024,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "bce", "item_bias": True, "unit_states": True, "dropout": 0.5},
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": False, "unit_states": False, "dropout": 0.3},
        },
    },
)
