"""What configuration knows of MF: its settings and its recipes."""

from __future__ import annotations

from scorerec.crm.recipes.factors import FactorSettings
from scorerec.crm.recipes.kind import Kind

KIND = Kind(
    name="mf",
    label="MF",
    settings=FactorSettings,
    network="scorerec.crm.mf:MF",
    recipes={
        "ranking": {
            "selection": "ranking",
            "learning_rate": 3e-3,
            "weight_decay": 0.5,
            "batch_size": 2048,
            "epochs": 150,
            "patience": 10,
            "settings": {"objective": "cross-entropy", "item_bias": True, "dropout": 0.5, "latest": 20},
        },
        "bce": {
            "selection": "auc",
            "learning_rate": 3e-3,
            "weight_decay": 5.0,
            "batch_size": 1024,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "bce", "item_bias": True, "history_power": 1.0},
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {"objective": "bpr", "item_bias": False, "history_power": 1.0},
        },
    },
)
