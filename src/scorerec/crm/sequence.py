"""Models that read a history from left to right: one pass over a sequence serves every row of its user.

A row reads the state after the user's first ``n_before`` positives; the state after none is learned. A prefix
that is longer than ``max_length`` is read by a window that begins at a multiple of ``max_length // 4``, the
first such that holds its end. So windows overlap and rows share them, a long prefix is read by at least the
last 3/4 of ``max_length`` items, and ``encode`` of any prefix is the state that training used.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scorerec.crm.base import ConventionalRecommender
from scorerec.crm.histories import Catalogue, Integers, Prefixes, Rows
from scorerec.crm.recipes.sequence import SequenceSettings
from scorerec.nn.batching import batches_by_length, pad

_INITIAL_DEVIATION = 0.02
_TOKENS_PER_BATCH = 8192  # when nothing is learned; bounds memory, changes no result


@dataclass(frozen=True)
class Windows:
    """The distinct windows that N prefixes are read by.

    Attributes:
        first: where a window begins in ``Prefixes.items``, (W,) int64.
        length: how many items it holds, (W,) int64.
        window: which window a prefix is read by, (N,) int64.
        position: how many of the window's items the prefix holds, (N,) int64.
    """

    first: Integers
    length: Integers
    window: Integers
    position: Integers


@dataclass(frozen=True)
class SequenceBatch:
    """Some windows and the rows that they serve.

    Attributes:
        tokens: item numbers, padded on the right with 0, (B, T) int64.
        window: which of the B windows a row reads, (N,) int64.
        position: which of its T + 1 states, (N,) int64.
        item: the row's item, (N,) int64.
        label: (N,) float32.
    """

    tokens: Tensor
    window: Tensor
    position: Tensor
    item: Tensor
    label: Tensor


def windows_of(prefixes: Prefixes, max_length: int) -> Windows:
    """Return the windows that the prefixes are read by (see the head of this file)."""
    step = max_length // 4
    excess = np.maximum(prefixes.length - max_length, 0)
    begin = -(-excess // step) * step
    distinct, window = np.unique(np.stack([prefixes.history, begin]), axis=1, return_inverse=True)
    window = window.reshape(-1).astype(np.int64)
    position = prefixes.length - begin
    length = np.zeros(distinct.shape[1], np.int64)
    np.maximum.at(length, window, position)
    return Windows(prefixes.starts[distinct[0]] + distinct[1], length, window, position)


class SequenceRecommender(ConventionalRecommender):
    """Base of models with a state after each item of a history; a subclass writes ``read``.

    Probability = sigmoid(state . item vector + item bias), calibrated on validation rows.
    """

    settings: SequenceSettings

    def __init__(self, catalogue: Catalogue, settings: SequenceSettings):
        super().__init__(catalogue, settings)
        self.item_embedding = nn.Embedding(len(catalogue) + 1, settings.dimension, padding_idx=0)
        self.item_bias = nn.Parameter(torch.zeros(len(catalogue) + 1), requires_grad=settings.item_bias)
        # Not zero: a unit state would have no direction there, and a gradient without bound.
        self.start = nn.Parameter(_INITIAL_DEVIATION * torch.randn(settings.dimension))

    @abstractmethod
    def read(self, tokens: Tensor) -> Tensor:
        """Return the state after each token, which no later token changes: (B, T) int64 -> (B, T, d)."""

    def as_targets(self, vectors: Tensor) -> Tensor:
        """Return what states are multiplied with, for the embeddings of some items: (N, d) -> (N, d)."""
        return vectors

    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[SequenceBatch]:
        """Yield batches of about ``batch_size`` tokens.

        Args:
            rows: the training rows, of both labels; cross-entropy leaves out the negative ones.
            batch_size: tokens of a step.
            rng: decides the order, and any sampling.
        """
        if self.settings.objective == "cross-entropy":
            rows = rows.take(rows.label == 1)
        yield from (batch for batch, _ in self._batches(rows, batch_size, rng))

    def loss(self, batch: SequenceBatch) -> Tensor:
        """Return binary cross-entropy with the labels, or cross-entropy of the item among all items."""
        states = self._states(batch)  # (N, d)
        if self.settings.objective == "bce":
            items = self.as_targets(self.item_embedding(batch.item))  # (N, d)
            logits = (states * items).sum(-1) + self.item_bias[batch.item]
            return functional.binary_cross_entropy_with_logits(logits, batch.label)
        logits = states @ self.as_targets(self.item_embedding.weight[1:]).T + self.item_bias[1:]  # (N, n_items)
        return functional.cross_entropy(logits, batch.item - 1)

    def vectors(self, prefixes: Prefixes) -> Tensor:
        """Return the state after each prefix, or the mean of the states on the way there, (N, d)."""
        return self._all_states(_without_items(prefixes), pooled=self.settings.pooling == "mean")

    def logits(self, rows: Rows) -> Tensor:
        """Return state . item vector + item bias, (N,)."""
        item = torch.from_numpy(rows.item).to(self.device)
        bias = torch.cat([self.item_bias[1:].mean()[None], self.item_bias[1:]])
        return (self._all_states(rows) * self.item_table()[item]).sum(-1) + bias[item]

    def catalogue_logits(self, prefixes: Prefixes) -> Tensor:
        """Return state . item vector + item bias for every item, (N, n_items)."""
        return self._all_states(_without_items(prefixes)) @ self.item_table()[1:].T + self.item_bias[1:]

    def item_table(self) -> Tensor:
        """Return item vectors; row 0, an unknown item, is their mean."""
        known = self.as_targets(self.item_embedding.weight[1:])
        return torch.cat([known.mean(0, keepdim=True), known])

    def _states(self, batch: SequenceBatch, pooled: bool = False) -> Tensor:
        """Return the state that each row reads, or the mean of those up to it in its window, (N, d)."""
        states = self.start.expand(len(batch.tokens), 1, -1)
        if batch.tokens.shape[1]:
            after = self.read(batch.tokens)  # (B, T, d)
            if pooled:
                places = torch.arange(1, after.shape[1] + 1, device=after.device)
                after = functional.normalize(after, dim=-1).cumsum(1) / places[:, None]
            states = torch.cat([states, after], dim=1)  # (B, T + 1, d)
        read = states[batch.window, batch.position]
        return functional.normalize(read, dim=-1) if self.settings.unit_states else read

    def _all_states(self, rows: Rows, pooled: bool = False) -> Tensor:
        result = torch.empty(len(rows), self.settings.dimension, device=self.device)
        for batch, members in self._batches(rows, _TOKENS_PER_BATCH, None):
            result[torch.from_numpy(members).to(self.device)] = self._states(batch, pooled)
        return result

    def _batches(
        self, rows: Rows, max_tokens: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[SequenceBatch, Integers]]:
        """Yield batches, each with the numbers of its rows."""
        prefixes = rows.prefixes
        windows = windows_of(prefixes, self.settings.max_length)
        by_window = np.argsort(windows.window, kind="stable")
        edges = np.searchsorted(windows.window[by_window], np.arange(len(windows.first) + 1))
        # One more per window: the start state costs something too, and empty windows need batches as well.
        for chosen in batches_by_length(windows.length + 1, max_tokens_per_batch=max_tokens, rng=rng):
            members = np.concatenate([by_window[edges[one] : edges[one + 1]] for one in chosen])
            counts = edges[chosen + 1] - edges[chosen]
            tokens = pad(
                [prefixes.items[windows.first[one] : windows.first[one] + windows.length[one]] for one in chosen]
            ).tokens
            arrays = (
                tokens,
                np.repeat(np.arange(len(chosen)), counts),
                windows.position[members],
                rows.item[members],
                rows.label[members],
            )
            yield SequenceBatch(*(torch.from_numpy(array).to(self.device) for array in arrays)), members


def _without_items(prefixes: Prefixes) -> Rows:
    """Return the prefixes as rows that ask about no item."""
    nothing = np.zeros(len(prefixes), np.int64)
    return Rows(prefixes, nothing, nothing.astype(np.float32))
