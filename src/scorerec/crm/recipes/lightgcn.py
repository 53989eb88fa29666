"""What configuration knows of LightGCN: its settings and its recipes."""

from __future__ import annotations

from pydantic import Field

from scorerec.crm.recipes.factors import FactorSettings
from scorerec.crm.recipes.kind import Kind


class LightGCNSettings(FactorSettings):
    """Settings of LightGCN."""

    n_layers: int = Field(2, ge=1, description="how many steps vectors travel")
    regularisation: float = Field(
        1e-5, ge=0, description="weight of the norms of a batch's own vectors, for bpr, before they are spread"
    )


KIND = Kind(
    name="lightgcn",
    label="LightGCN",
    settings=LightGCNSettings,
    network="scorerec.crm.lightgcn:LightGCN",
    recipes={
        "ranking": {
            "selection": "ranking",
            "learning_rate": 5e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 150,
            "patience": 15,
            "settings": {"objective": "bpr", "item_bias": False, "n_layers": 3, "latest": 20},
        },
        "bce": {
            "selection": "auc",
            "learning_rate": 3e-3,
            "weight_decay": 3.0,
            "batch_size": 1024,
            "epochs": 100,
            "patience": 10,
            "settings": {"objective": "bce", "item_bias": True},
        },
        "library": {
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "batch_size": 2048,
            "epochs": 300,
            "patience": 10,
            "settings": {"objective": "bpr", "item_bias": False},
        },
    },
)
