"""GRU4Rec: a recurrent network over the items that a user liked (Hidasi et al., 2016; Tan et al., 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor, nn

from scorerec.crm.base import ModelSettings
from scorerec.crm.histories import Catalogue
from scorerec.crm.sequence import SequenceRecommender, SequenceSettings


class GRU4RecSettings(SequenceSettings):
    """Settings of GRU4Rec; the defaults of a recipe stand in ``GRU4Rec.recipes``."""

    hidden_dimension: int = Field(128, ge=1, description="width of the recurrent state")
    n_layers: int = Field(1, ge=1, description="recurrent layers")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of item vector values left out in training")


class GRU4Rec(SequenceRecommender):
    """A gated recurrent unit over a history, its state projected to the length of an item vector."""

    name: ClassVar[str] = "gru4rec"
    label: ClassVar[str] = "GRU4Rec"
    settings_type: ClassVar[type[ModelSettings]] = GRU4RecSettings
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
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
    }

    settings: GRU4RecSettings

    def __init__(self, catalogue: Catalogue, settings: GRU4RecSettings):
        super().__init__(catalogue, settings)
        self.dropout = nn.Dropout(settings.dropout)
        self.recurrence = nn.GRU(
            settings.dimension, settings.hidden_dimension, settings.n_layers, bias=False, batch_first=True
        )
        self.output = nn.Linear(settings.hidden_dimension, settings.dimension)
        nn.init.xavier_normal_(self.item_embedding.weight[1:].data)
        for weights in self.recurrence.parameters():
            nn.init.xavier_uniform_(weights)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the state after each token: (B, T) -> (B, T, d)."""
        states, _ = self.recurrence(self.dropout(self.item_embedding(tokens)))  # (B, T, hidden)
        projected: Tensor = self.output(states)
        return projected
