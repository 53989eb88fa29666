"""Models of user and item vectors that know no order: what MF and LightGCN share.

Any history is folded in: its vector is a mean of what its items contribute. In training, a user is either a row of a
table, which is dropped afterwards because a model keeps no user (objective "bpr"), or already what folding in makes of
the row's prefix (the other objectives).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.histories import Catalogue, Integers, Prefixes, Rows
from scorerec.crm.recipes.factors import FactorSettings

_ROWS_AT_ONCE = 8192  # when nothing is learned; bounds memory, changes no result


class Factors(NamedTuple):
    """What scores are made of.

    Attributes:
        users: vectors of the training users, (n_users, d); None where users are folded in.
        contributions: what an item adds to a history's vector, (1 + n_items, d); row 0 is zero.
        targets: what a user's vector is multiplied with, (1 + n_items, d); row 0 means nothing.
    """

    users: Tensor | None
    contributions: Tensor
    targets: Tensor


@dataclass(frozen=True)
class FactorBatch:
    """Some rows, and for each an item that its user is not known to like (objective "bpr" alone).

    Attributes:
        rows: N rows; the history number is the user's.
        other: (N,) int64; empty where nothing is drawn.
    """

    rows: Rows
    other: Integers


class FactorRecommender(ConventionalRecommender):
    """Base of models with the score user . item + item bias; a subclass writes ``factors``."""

    settings: FactorSettings

    def __init__(self, catalogue: Catalogue, settings: FactorSettings):
        super().__init__(catalogue, settings)
        self.item_embedding = nn.Embedding(len(catalogue) + 1, settings.dimension, padding_idx=0)
        self.item_bias = nn.Parameter(torch.zeros(len(catalogue) + 1), requires_grad=settings.item_bias)
        self.user_embedding: nn.Embedding | None = None
        self._liked: Integers = np.zeros(0, np.int64)

    @abstractmethod
    def factors(self) -> Factors:
        """Return users, contributions and targets as the weights are now."""

    def penalty(self, batch: FactorBatch) -> Tensor | float:  # noqa: ARG002 - MF has none
        """Return what is added to the loss of a batch."""
        return 0.0

    def prepare(self, rows: Rows) -> None:
        """Make the table of users where the objective wants one."""
        if self.settings.objective == "bpr":
            n_users = len(rows.prefixes.starts) - 1
            self.user_embedding = nn.Embedding(n_users, self.settings.dimension).to(self.device)
            liked = rows.take(rows.label == 1)
            self._liked = np.unique(self._pairs(liked.prefixes.history, liked.item))
        self.initialise()

    def initialise(self) -> None:
        """Draw the first weights."""
        for table in (self.item_embedding, self.user_embedding):
            if table is not None:
                nn.init.xavier_normal_(table.weight)
        with torch.no_grad():
            self.item_embedding.weight[0].zero_()

    def finish(self) -> None:
        """Drop the users."""
        self.user_embedding = None
        self._liked = np.zeros(0, np.int64)

    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[FactorBatch]:
        """Yield batches of ``batch_size`` rows in random order.

        Args:
            rows: the training rows, of both labels; all objectives but bce leave out the negative ones.
            batch_size: rows of a step.
            rng: decides the order, and the other items of BPR.
        """
        if self.settings.objective != "bce":
            rows = rows.take(rows.label == 1)
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), batch_size):
            batch = rows.take(order[start : start + batch_size])
            drawn = self.settings.objective == "bpr"
            other = self._draw(batch.prefixes.history, rng) if drawn else np.zeros(0, np.int64)
            yield FactorBatch(batch, other)

    def loss(self, batch: FactorBatch) -> Tensor:
        """Return binary cross-entropy with the labels, -log sigmoid(liked - other), or cross-entropy of the item."""
        factors, rows = self.factors(), batch.rows
        if factors.users is None:
            users = self.fold_in(rows.prefixes, factors.contributions, self.settings.latest)
            users = functional.dropout(users, self.settings.dropout, self.training)
        else:
            users = factors.users[self._tensor(rows.prefixes.history)]
        if self.settings.objective == "cross-entropy":
            scores = (users @ factors.targets[1:].T + self.item_bias[1:]) / self.settings.temperature  # (N, n_items)
            return functional.cross_entropy(scores, self._tensor(rows.item) - 1) + self.penalty(batch)
        logits = self._logits(users, factors.targets, self._tensor(rows.item))
        if self.settings.objective == "bce":
            return functional.binary_cross_entropy_with_logits(logits, self._tensor(rows.label)) + self.penalty(batch)
        others = self._logits(users, factors.targets, self._tensor(batch.other))
        return -functional.logsigmoid(logits - others).mean() + self.penalty(batch)

    def fold_in(self, prefixes: Prefixes, contributions: Tensor, latest: int | None = None) -> Tensor:
        """Return the sum of the contributions of the ``latest`` items over a power of their number, (N, d).

        Args:
            prefixes: N histories.
            contributions: what each item adds, (1 + n_items, d); row 0 is of no item.
            latest: how many items count, the newest ones; None: all.
        """
        compact = prefixes.compact()
        # Prefix sums serve all prefixes of a history; in double precision their differences are exact enough.
        sums = contributions[self._tensor(compact.items)].double().cumsum(0)
        sums = torch.cat([sums.new_zeros(1, sums.shape[1]), sums])  # (P + 1, d)
        last = compact.starts[compact.history] + compact.length
        n_items = np.minimum(compact.length, latest or np.iinfo(np.int64).max)
        total = sums[self._tensor(last)] - sums[self._tensor(last - n_items)]
        count = self._tensor(np.maximum(n_items, 1)).double()
        return (total / count[:, None] ** self.settings.history_power).float()

    def vectors(self, prefixes: Prefixes) -> Tensor:
        """Return the vector of each prefix, (N, d); of an empty one it is zero."""
        contributions = self.factors().contributions
        return self._in_parts(prefixes, contributions, None)

    def logits(self, rows: Rows) -> Tensor:
        """Return user . item + item bias, (N,)."""
        users = self._in_parts(rows.prefixes, self.factors().contributions, self.settings.latest)
        item = self._tensor(rows.item)
        bias = torch.cat([self.item_bias[1:].mean()[None], self.item_bias[1:]])
        return (users * self.item_table()[item]).sum(-1) + bias[item]

    def catalogue_logits(self, prefixes: Prefixes) -> Tensor:
        """Return user . item + item bias for every item, (N, n_items)."""
        factors = self.factors()
        users = self._in_parts(prefixes, factors.contributions, self.settings.latest)
        return users @ factors.targets[1:].T + self.item_bias[1:]

    def item_table(self) -> Tensor:
        """Return targets; row 0, an unknown item, is their mean."""
        known = self.factors().targets[1:]
        return torch.cat([known.mean(0, keepdim=True), known])

    def _in_parts(self, prefixes: Prefixes, contributions: Tensor, latest: int | None) -> Tensor:
        parts = [
            self.fold_in(
                prefixes.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(prefixes)))), contributions, latest
            )
            for start in range(0, len(prefixes), _ROWS_AT_ONCE)
        ]
        return torch.cat([contributions.new_zeros(0, contributions.shape[1]), *parts])

    def _logits(self, users: Tensor, targets: Tensor, item: Tensor) -> Tensor:
        return (users * targets[item]).sum(-1) + self.item_bias[item]

    def _draw(self, users: Integers, rng: np.random.Generator) -> Integers:
        """Draw for each user an item that it is not known to like, (N,)."""
        drawn = rng.integers(1, len(self.catalogue) + 1, len(users))
        for _ in range(20):  # a user who likes nearly everything keeps what was drawn last
            taken = np.isin(self._pairs(users, drawn), self._liked)
            if not taken.any():
                break
            drawn[taken] = rng.integers(1, len(self.catalogue) + 1, int(taken.sum()))
        return drawn

    def _pairs(self, users: Integers, items: Integers) -> Integers:
        return users * (len(self.catalogue) + 1) + items

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)
