"""SASRec: self-attention over the items that a user liked, in their order (Kang and McAuley, 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from scorerec.crm.base import ModelSettings
from scorerec.crm.histories import Catalogue
from scorerec.crm.sequence import SequenceRecommender
from scorerec.crm.transformer import CausalTransformer, TransformerSettings, initialise


class SASRec(SequenceRecommender):
    """A causal transformer over a history; its last state is the user's vector.

    Recipe "library": the model, loss and optimiser of the library that the paper used. Recipe "ranking": the same, and
    a user is the mean of the states on the way. Recipe "bce": the labels of all rows and an item bias, for AUC on
    labelled rows alone: its weight decay, chosen by that AUC, leaves an item mean.
    """

    name: ClassVar[str] = "sasrec"
    label: ClassVar[str] = "SASRec"
    settings_type: ClassVar[type[ModelSettings]] = TransformerSettings
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
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
    }

    settings: TransformerSettings

    def __init__(self, catalogue: Catalogue, settings: TransformerSettings):
        super().__init__(catalogue, settings)
        self.transformer = CausalTransformer(settings)
        self.apply(initialise)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the state after each token: (B, T) -> (B, T, d)."""
        states: Tensor = self.transformer(self.item_embedding(tokens))
        return states
