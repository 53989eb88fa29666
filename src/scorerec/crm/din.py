"""DIN: what a history says depends on the item that is asked about (Zhou et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.histories import Catalogue, Integers, Prefixes, Rows
from scorerec.crm.recipes.din import KIND, DINSettings
from scorerec.crm.recipes.kind import Kind
from scorerec.nn.batching import batches_by_length, pad

_ROWS_AT_ONCE = 1024  # when nothing is learned; bounds memory, changes no result


@dataclass(frozen=True)
class DINBatch:
    """Some rows.

    Attributes:
        tokens: the latest items of each history, padded on the right with 0, (N, T) int64.
        item: (N,) int64.
        label: (N,) float32.
    """

    tokens: Tensor
    item: Tensor
    label: Tensor


class DIN(ConventionalRecommender):
    """Weighs each item of a history by a network that sees it beside the item in question; no softmax over them.

    Every row is a sequence of its own, for the weights depend on its item. Without an item, as Eq. 3 and 4 need it,
    the vector of a history is the mean of its items' vectors. Both recipes learn from the labels of all rows;
    "library" has the sizes of the library that the paper used.
    """

    kind: ClassVar[Kind] = KIND

    settings: DINSettings

    def __init__(self, catalogue: Catalogue, settings: DINSettings):
        super().__init__(catalogue, settings)
        self.item_embedding = nn.Embedding(len(catalogue) + 1, settings.dimension, padding_idx=0)
        nn.init.xavier_normal_(self.item_embedding.weight[1:].data)
        self.attention = _layers(4 * settings.dimension, settings.attention_widths, nn.Sigmoid)
        widths = settings.output_widths
        self.output = _layers(3 * settings.dimension, widths, _Dice, normalised=True, dropout=settings.dropout)

    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[DINBatch]:
        """Yield batches of ``batch_size`` rows with histories of similar length.

        Args:
            rows: the training rows, of both labels; the sampled objective takes the liked ones, each with another item
                drawn at random.
            batch_size: rows of a step.
            rng: decides the order, and the items drawn.
        """
        if self.settings.objective == "sampled":
            liked = rows.take(rows.label == 1)
            drawn = rng.integers(1, len(self.catalogue) + 1, len(liked))
            both = np.tile(np.arange(len(liked)), 2)
            labels = np.repeat(np.array([1, 0], np.float32), len(liked))
            rows = Rows(liked.prefixes.take(both), np.concatenate([liked.item, drawn]), labels)
        lengths = np.minimum(rows.prefixes.length, self.settings.max_length)
        for chosen in batches_by_length(lengths, batch_size=batch_size, rng=rng):
            if len(chosen) > 1:  # batch normalisation needs two
                yield self._batch(rows, chosen)

    def loss(self, batch: DINBatch) -> Tensor:
        """Return binary cross-entropy with the labels."""
        return functional.binary_cross_entropy_with_logits(self._logits(batch), batch.label)

    def vectors(self, prefixes: Prefixes) -> Tensor:
        """Return the mean of the latest items' vectors, (N, d); of an empty history it is zero."""
        nothing = np.zeros(len(prefixes), np.int64)
        rows = Rows(prefixes, nothing, nothing.astype(np.float32))
        parts = [self._mean(batch.tokens) for batch in self._in_order(rows)]
        return torch.cat([self.item_embedding.weight.new_zeros(0, self.settings.dimension), *parts])

    def logits(self, rows: Rows) -> Tensor:
        """Return the output network's value for history and item, (N,)."""
        parts = [self._logits(batch) for batch in self._in_order(rows)]
        return torch.cat([self.item_embedding.weight.new_zeros(0), *parts])

    def catalogue_logits(self, prefixes: Prefixes) -> Tensor:
        """Return the output network's value for each history and every item, (N, n_items).

        How an item of a history is weighed depends on it and on the item that is asked about alone: so all pairs of
        items are weighed once, and not once per history.
        """
        known = self.item_embedding.weight[1:]
        weights = torch.cat([self._weights(self.item_embedding.weight[None], item[None]) for item in known])
        scores = [known.new_zeros(0, len(known))]
        nothing = np.zeros(len(prefixes), np.int64)
        for batch in self._in_order(Rows(prefixes, nothing, nothing.astype(np.float32))):
            for tokens in batch.tokens:
                read = tokens[tokens != 0]
                interest = weights[:, read] @ self.item_embedding(read) / self.settings.dimension**0.5  # (n_items, d)
                features = torch.cat([interest, known, interest * known], dim=-1)
                scores.append(self.output(features).T)
        return torch.cat(scores)

    def item_table(self) -> Tensor:
        """Return item vectors; row 0, an unknown item, is their mean."""
        known = self.item_embedding.weight[1:]
        return torch.cat([known.mean(0, keepdim=True), known])

    def _logits(self, batch: DINBatch) -> Tensor:
        item = self.item_table()[batch.item]  # (N, d)
        history = self._interest(batch.tokens, item)
        features = torch.cat([history, item, history * item], dim=-1)  # (N, 3d)
        logits: Tensor = self.output(features).squeeze(-1)
        return logits

    def _interest(self, tokens: Tensor, item: Tensor) -> Tensor:
        """Return the weighted sum of a history's vectors, (N, d)."""
        vectors = self.item_embedding(tokens)  # (N, T, d)
        weights = self._weights(vectors, item).masked_fill(tokens == 0, 0.0)  # (N, T)
        interest: Tensor = (weights[:, None, :] @ vectors).squeeze(1) / self.settings.dimension**0.5
        return interest

    def _weights(self, vectors: Tensor, item: Tensor) -> Tensor:
        """Return how much each item of a history weighs beside the item in question: (N, T, d), (N, d) -> (N, T)."""
        asked = item[:, None, :].expand_as(vectors)
        pairs = torch.cat([asked, vectors, asked - vectors, asked * vectors], dim=-1)  # (N, T, 4d)
        weights: Tensor = self.attention(pairs).squeeze(-1)
        return weights

    def _mean(self, tokens: Tensor) -> Tensor:
        count = (tokens != 0).sum(1, keepdim=True).clamp(min=1)
        mean: Tensor = self.item_embedding(tokens).sum(1) / count  # padding has the vector 0
        return mean

    def _in_order(self, rows: Rows) -> Iterator[DINBatch]:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            yield self._batch(rows, np.arange(start, min(start + _ROWS_AT_ONCE, len(rows))))

    def _batch(self, rows: Rows, chosen: Integers) -> DINBatch:
        prefixes = rows.prefixes
        last = prefixes.starts[prefixes.history[chosen]] + prefixes.length[chosen]
        first = last - np.minimum(prefixes.length[chosen], self.settings.max_length)
        tokens = pad([prefixes.items[begin:end] for begin, end in zip(first, last, strict=True)]).tokens
        arrays = tokens, rows.item[chosen], rows.label[chosen]
        return DINBatch(*(torch.from_numpy(array).to(self.item_embedding.weight.device) for array in arrays))


class _Dice(nn.Module):
    """x gated by its own sigmoid, with a learned share of what the gate keeps out."""

    def __init__(self) -> None:
        super().__init__()
        self.leak = nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        gate = torch.sigmoid(values)
        return gate * values + self.leak * (1 - gate) * values


def _layers(
    n_features: int, widths: tuple[int, ...], activation: type[nn.Module], normalised: bool = False, dropout: float = 0
) -> nn.Sequential:
    """Return a network of ``widths`` that ends in one number."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Dropout(dropout), nn.Linear(n_features, width)]
        if normalised:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation())
        n_features = width
    return nn.Sequential(*layers, nn.Linear(n_features, 1))
