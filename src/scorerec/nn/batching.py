"""Batches of sequences of similar length, and their padding, so that little is computed for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from scorerec.core.errors import ConfigError

_JITTER = 0.2  # how far, as a share, lengths in a batch may differ for the sake of varied batches


class Padded(NamedTuple):
    """A batch of sequences as one array.

    Attributes:
        tokens: (B, T) int64.
        mask: True where a token is the sequence's own, (B, T) bool.
    """

    tokens: npt.NDArray[np.int64]
    mask: npt.NDArray[np.bool_]


def batches_by_length(
    lengths: npt.ArrayLike,
    *,
    batch_size: int | None = None,
    max_tokens_per_batch: int | None = None,
    rng: np.random.Generator | None = None,
) -> list[npt.NDArray[np.int64]]:
    """Divide sequences into batches of similar length; every sequence is in exactly one.

    Args:
        lengths: tokens of each sequence, (N,).
        batch_size: most sequences in a batch; None: no limit.
        max_tokens_per_batch: most tokens in a batch, padding counted; a longer sequence is a batch of
            its own; None: no limit.
        rng: draws who shares a batch, and the order of the batches; None: shortest first, always the same.

    Returns:
        Positions in ``lengths``, one array per batch.

    Raises:
        ConfigError: neither limit is given, or one is below 1.

    >>> [batch.tolist() for batch in batches_by_length([5, 1, 4, 2], batch_size=2)]
    [[1, 3], [2, 0]]
    >>> [batch.tolist() for batch in batches_by_length([5, 1, 4, 2], max_tokens_per_batch=6)]
    [[1, 3], [2], [0]]
    """
    limits = [limit for limit in (batch_size, max_tokens_per_batch) if limit is not None]
    if not limits or min(limits) < 1:
        raise ConfigError(
            "batches: wanted batch_size or max_tokens_per_batch, at least 1, "
            f"got {batch_size} and {max_tokens_per_batch}"
        )
    sizes = np.asarray(lengths, np.int64)
    key = sizes if rng is None else sizes * (1 + _JITTER * rng.random(len(sizes))) + rng.random(len(sizes))
    batches: list[list[int]] = []
    longest = 0
    for index in np.argsort(key, kind="stable").tolist():
        longest = max(longest, int(sizes[index]))
        grown = len(batches[-1]) + 1 if batches else 0
        is_full = (batch_size is not None and grown > batch_size) or (
            max_tokens_per_batch is not None and grown * longest > max_tokens_per_batch
        )
        if not batches or is_full:
            batches.append([])
            longest = int(sizes[index])
        batches[-1].append(index)
    if rng is not None:
        rng.shuffle(batches)
    return [np.array(batch, np.int64) for batch in batches]


def pad(
    sequences: Sequence[Sequence[int] | npt.NDArray[np.integer]],
    value: int = 0,
    side: Literal["left", "right"] = "right",
) -> Padded:
    """Return sequences as one array, filled up with ``value`` on one side to the longest.

    Args:
        sequences: B of them, of any lengths.
        value: stands where a sequence has nothing.
        side: where it is filled up.

    >>> pad([[1, 2, 3], [4]], side="left").tokens.tolist()
    [[1, 2, 3], [0, 0, 4]]
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    width = int(lengths.max(initial=0))
    columns = np.arange(width)
    left = np.zeros_like(lengths) if side == "right" else width - lengths
    mask = (columns >= left[:, None]) & (columns < (left + lengths)[:, None])  # (B, T)
    tokens = np.full((len(lengths), width), value, np.int64)
    if lengths.any():
        tokens[mask] = np.concatenate([np.asarray(sequence, np.int64) for sequence in sequences])
    return Padded(tokens, mask)
