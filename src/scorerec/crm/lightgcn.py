"""LightGCN: vectors spread along who liked what, without weights or activations (He et al., 2020)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from scorerec.crm.factors import FactorBatch, FactorRecommender, Factors
from scorerec.crm.histories import Catalogue, Rows
from scorerec.crm.recipes.kind import Kind
from scorerec.crm.recipes.lightgcn import KIND, LightGCNSettings


class LightGCN(FactorRecommender):
    """The mean of a vector and of what arrives after 1 .. n_layers steps over the graph of likes.

    An edge between user u and item i weighs 1 / sqrt(likes of u x likes of i). The vector of a history is what would
    arrive at a user with these likes and no vector of its own: so anybody, known or not, has one.
    """

    kind: ClassVar[Kind] = KIND
    settings: LightGCNSettings
    kept: Tensor  # (2, 1 + n_items, d): contributions and targets of the finished model

    def __init__(self, catalogue: Catalogue, settings: LightGCNSettings):
        super().__init__(catalogue, settings)
        self.register_buffer("kept", torch.zeros(2, len(catalogue) + 1, settings.dimension))
        self._graph: tuple[Tensor, Tensor] | None = None  # to users, to items; sparse; while it is trained
        self._degree = torch.zeros(0)

    def prepare(self, rows: Rows) -> None:
        """Build the graph of likes from the training rows."""
        super().prepare(rows)
        liked = rows.take(rows.label == 1)
        edges = np.unique(np.stack([liked.prefixes.history, liked.item]), axis=1)  # (2, E)
        shape = (len(rows.prefixes.starts) - 1, len(self.catalogue) + 1)
        by_user = np.bincount(edges[0], minlength=shape[0])
        by_item = np.bincount(edges[1], minlength=shape[1])
        weights = 1 / np.sqrt(by_user[edges[0]] * by_item[edges[1]])
        graph = torch.sparse_coo_tensor(
            torch.from_numpy(edges), weights, shape, dtype=torch.float32, check_invariants=False
        )
        self._graph = graph.coalesce().to(self.device), graph.t().coalesce().to(self.device)
        self._degree = self._tensor(np.maximum(by_item, 1)).float()

    def finish(self) -> None:
        """Keep where the vectors ended, and drop graph and users."""
        with torch.no_grad():
            _, contributions, targets = self.factors()
            self.kept.copy_(torch.stack([contributions, targets]))
        self._graph = None
        super().finish()

    def factors(self) -> Factors:
        """Spread the vectors over the graph."""
        if self._graph is None:
            return Factors(None, self.kept[0], self.kept[1])
        to_users, to_items = self._graph
        items = [self.item_embedding.weight]
        own = self.user_embedding
        users = [items[0].new_zeros(len(to_users), items[0].shape[1]) if own is None else own.weight]
        for _ in range(self.settings.n_layers):
            arrived = torch.sparse.mm(to_users, items[-1]), torch.sparse.mm(to_items, users[-1])
            users.append(arrived[0])
            items.append(arrived[1])
        n_terms = len(items)
        contributions = torch.stack(items[:-1]).sum(0) / (n_terms * self._degree.sqrt()[:, None])
        spread = None if own is None else torch.stack(users).mean(0)
        return Factors(spread, contributions, torch.stack(items).mean(0))

    def penalty(self, batch: FactorBatch) -> Tensor | float:
        """Return the norms of the batch's own vectors over its size."""
        if self.user_embedding is None:
            return 0.0
        user, item = self._tensor(batch.rows.prefixes.history), self._tensor(batch.rows.item)
        own = self.user_embedding(user), self.item_embedding(item), self.item_embedding(self._tensor(batch.other))
        norms = torch.stack([vectors.norm() for vectors in own])
        return self.settings.regularisation * norms.sum() / len(item)

    def initialise(self) -> None:
        """Draw the first weights as the library does."""
        super().initialise()
        for table in (self.item_embedding, self.user_embedding):
            if table is not None:
                nn.init.xavier_uniform_(table.weight)
        with torch.no_grad():
            self.item_embedding.weight[0].zero_()
