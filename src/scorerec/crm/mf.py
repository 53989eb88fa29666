"""MF: matrix factorisation, learned by ranking pairs (Rendle et al., 2009) or from the labels."""

from __future__ import annotations

from typing import ClassVar

from scorerec.crm.factors import FactorRecommender, Factors
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.mf import KIND


class MF(FactorRecommender):
    """User vector . item vector + item bias.

    Recipe "ranking": users are folded in from their latest 20 likes, and learn which item comes next; chosen on the
    validation rows of MovieLens-1M. Recipe "library": a table of users and BPR, as the library that the paper used; a
    history is folded in afterwards. Recipe "bce": users are folded in, and learn from the labels of all rows.
    """

    kind: ClassVar[Kind] = KIND

    def factors(self) -> Factors:
        """Return the tables as they are."""
        users = None if self.user_embedding is None else self.user_embedding.weight
        return Factors(users, self.item_embedding.weight, self.item_embedding.weight)
