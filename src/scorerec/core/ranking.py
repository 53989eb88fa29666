"""Where a wanted item stands among all others: Recall@k and NDCG@k, for training and for reports alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scorerec.core.errors import DataError, ModelError

CUTS = (10, 20)


def ranks(scores: NDArray[np.floating], wanted: NDArray[np.int64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the rank of each row's wanted item among those that are not hidden, (N,); 1 is the first.

    Items of equal score share their middle rank, so that a predictor of few values gains nothing by its ties.

    Args:
        scores: of every item after each of N histories, higher is better, (N, n_items).
        wanted: the item that came next, (N,), in [0, n_items).
        hidden: items that are left out because the user had them, (N, n_items).

    Raises:
        ModelError: a score is not a number.
        DataError: a wanted item is hidden.

    >>> ranks(np.array([[0.9, 0.5, 0.7]]), np.array([1]), np.array([[True, False, False]])).tolist()
    [2.0]
    """
    rows = np.arange(len(scores))
    if np.isnan(scores).any():
        raise ModelError(f"ranking: {int(np.isnan(scores).sum())} of {scores.size} scores are not numbers")
    if hidden[rows, wanted].any():
        raise DataError(f"ranking: the wanted item of row {int(np.argmax(hidden[rows, wanted]))} is left out")
    own = scores[rows, wanted][:, None]
    better = ((scores > own) & ~hidden).sum(1)
    equal = ((scores == own) & ~hidden).sum(1)  # the wanted item is one of them
    return np.asarray(1.0 + better + 0.5 * (equal - 1))


def ranking_metrics(found: NDArray[np.float64], cuts: Sequence[int] = CUTS) -> dict[str, float]:
    """Return ``recall@k`` and ``ndcg@k`` for each k: means over rows that want one item each.

    Recall@k is the share of rows whose item is among the first k, NDCG@k the mean of 1 / log2(1 + rank) for those.

    Args:
        found: ranks, (N,), N >= 1.
        cuts: the numbers k.

    >>> ranking_metrics(np.array([1.0, 3.0, 50.0]), cuts=(10,))
    {'recall@10': 0.6666666666666666, 'ndcg@10': 0.5}
    """
    result = {f"recall@{k}": float((found <= k).mean()) for k in cuts}
    gains = 1 / np.log2(1 + found)
    return result | {f"ndcg@{k}": float(np.where(found <= k, gains, 0.0).mean()) for k in cuts}
