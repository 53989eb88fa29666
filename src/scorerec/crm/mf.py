"""MF: matrix factorisation, learned by ranking pairs (Rendle et al., 2009) or from the labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scorerec.crm.base import ModelSettings
from scorerec.crm.factors import FactorRecommender, Factors, FactorSettings


class MF(FactorRecommender):
    """User vector . item vector + item bias.

    Recipe "ranking": users are folded in from their latest 20 likes, and learn which item comes next; chosen on the
    validation rows of MovieLens-1M. Recipe "library": a table of users and BPR, as the library that the paper used; a
    history is folded in afterwards. Recipe "bce": users are folded in, and learn from the labels of all rows.
    """

    name: ClassVar[str] = "mf"
    label: ClassVar[str] = "MF"
    settings_type: ClassVar[type[ModelSettings]] = FactorSettings
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
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
    }

    def factors(self) -> Factors:
        """Return the tables as they are."""
        users = None if self.user_embedding is None else self.user_embedding.weight
        return Factors(users, self.item_embedding.weight, self.item_embedding.weight)
