"""SASRec: self-attention over the items that a user liked, in their order (Kang and McAuley, 2018)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from scorerec.crm.histories import Catalogue
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.sasrec import KIND
from scorerec.crm.recipes.sequence import TransformerSettings
from scorerec.crm.sequence import SequenceRecommender
from scorerec.crm.transformer import CausalTransformer, initialise


class SASRec(SequenceRecommender):
    """A causal transformer over a history; its last state is the user's vector.

    Recipe "library": the model, loss and optimiser of the library that the paper used. Recipe "ranking": the same, and
    a user is the mean of the states on the way. Recipe "bce": the labels of all rows and an item bias, for AUC on
    labelled rows alone: its weight decay, chosen by that AUC, leaves an item mean.
    """

    kind: ClassVar[Kind] = KIND

    settings: TransformerSettings

    def __init__(self, catalogue: Catalogue, settings: TransformerSettings):
        super().__init__(catalogue, settings)
        self.transformer = CausalTransformer(settings)
        self.apply(initialise)

    def read(self, tokens: Tensor) -> Tensor:
        """Return the state after each token: (B, T) -> (B, T, d)."""
        states: Tensor = self.transformer(self.item_embedding(tokens))
        return states
