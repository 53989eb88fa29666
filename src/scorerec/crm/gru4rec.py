"""GRU4Rec: a recurrent network over the items that a user liked (Hidasi et al., 2016; Tan et al., 2016)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from scorerec.crm.histories import Catalogue
from scorerec.crm.recipes.gru4rec import KIND, GRU4RecSettings
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.sequence import SequenceRecommender


class GRU4Rec(SequenceRecommender):
    """A gated recurrent unit over a history, its state projected to the length of an item vector."""

    kind: ClassVar[Kind] = KIND

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
