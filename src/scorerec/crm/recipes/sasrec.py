"""What configuration knows of SASRec: its settings and its recipes."""

from __future__ import annotations

from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.sequence import TransformerSettings

KIND = Kind(
    name="sasrec",
    label="SASRec",
    settings=TransformerSettings,
    network="scorerec.crm.sasrec:SASRec",
    recipes={
        "ranking": {
            "selection": "ranking",
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": False, "pooling": "mean"},
        },
        "bce": {
            "selection": "auc",
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
    },
)
