"""Which item comes next? Models, popularity and item-kNN by the rank of held-out likes among the whole catalogue.

This, and not AUC on labelled rows, says whether a model tells users apart: on labelled rows the mean of the item is
nearly the best that anything can say, and a model that is selected by it becomes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scorerec.core.errors import DataError
from scorerec.core.ranking import ranking_metrics, ranks
from scorerec.crm.histories import UNKNOWN, Prefixes, Rows, as_matrix, whole_likes

Floats = npt.NDArray[np.floating]
CatalogueScorer = Callable[[Prefixes], Floats]  # N prefixes -> (N, n_items)

_ROWS_AT_ONCE = 512
_SHRINKAGES = (0.0, 10.0, 50.0)
_NEIGHBOURS = (20, 50, 100, 200, 1_000_000)  # the last: all
MOST_ITEMS = 30_000  # item-kNN's matrix is items x items: 7 GB here


def rankable(rows: Rows, n_items: int) -> Rows:
    """Return the liked rows whose item the catalogue has, and whose user had not liked it before.

    Args:
        rows: held-out rows.
        n_items: of the catalogue.

    Raises:
        DataError: there is none.
    """
    known = rows.take((rows.label == 1) & (rows.item != UNKNOWN))
    fresh = np.ones(len(known), bool)
    for start, part, had in _parts(known, n_items):
        fresh[start : start + len(part)] = ~had[np.arange(len(part)), part.item - 1]
    chosen = known.take(fresh)
    if not len(chosen):
        raise DataError(
            f"ranking: wanted held-out likes of items that were there in training, got none of {len(rows)} rows; "
            "change the split, or select the CRM by labels (crm.selection=auc)"
        )
    return chosen


def held_out_ranks(scorer: CatalogueScorer, rows: Rows, n_items: int) -> npt.NDArray[np.float64]:
    """Return the rank of each row's item among those that its user had not liked before, (N,).

    Args:
        scorer: prefixes -> scores of the whole catalogue.
        rows: as ``rankable`` returns them.
        n_items: of the catalogue.
    """
    found = [ranks(scorer(part.prefixes), part.item - 1, had) for _, part, had in _parts(rows, n_items)]
    return np.concatenate([np.zeros(0), *found])


def popularity(train: Rows, n_items: int) -> CatalogueScorer:
    """Return the number of training likes of each item, whoever asks."""
    counts = np.bincount(train.item[train.label == 1], minlength=n_items + 1)[1:].astype(np.float64)

    def score(prefixes: Prefixes) -> Floats:
        return np.broadcast_to(counts, (len(prefixes), n_items))

    return score


def item_knn(train: Rows, valid: Rows, n_items: int) -> tuple[CatalogueScorer, dict[str, Any]]:
    """Return item-kNN: the sum of an item's cosines with the items of a history.

    Shrinkage and number of neighbours are those with the best NDCG@20 on the validation rows.

    Args:
        train: training rows.
        valid: rankable validation rows.
        n_items: of the catalogue.

    Raises:
        DataError: there are too many items for a matrix of all pairs.
    """
    if n_items > MOST_ITEMS:
        raise DataError(f"item-kNN: wanted at most {MOST_ITEMS} items, got {n_items}")
    likes = as_matrix(whole_likes(train), n_items)[:, 1:]  # (users, items)
    together = (likes.T @ likes).toarray().astype(np.float32)
    lengths = np.sqrt(np.maximum(np.diag(together), 1e-9))
    best: tuple[float, CatalogueScorer, dict[str, Any]] | None = None
    for shrinkage in _SHRINKAGES:
        similar = together / (lengths[:, None] * lengths[None, :] + np.float32(shrinkage))
        np.fill_diagonal(similar, 0.0)
        for count in _NEIGHBOURS:
            scorer = _neighbour_scorer(similar, min(count, n_items - 1))
            found = ranking_metrics(held_out_ranks(scorer, valid, n_items))["ndcg@20"]
            if best is None or found > best[0]:
                best = found, scorer, {"shrinkage": shrinkage, "neighbours": min(count, n_items - 1)}
    assert best is not None
    return best[1], best[2]


def _neighbour_scorer(similar: npt.NDArray[np.float32], count: int) -> CatalogueScorer:
    n_items = similar.shape[0]
    dense = np.where(similar >= np.partition(similar, -count, axis=0)[-count], similar, np.float32(0))
    kept = sp.csr_matrix(dense) if 10 * count < n_items else dense  # which is faster: measured at 1,700 and 3,700 items

    def score(prefixes: Prefixes) -> Floats:
        found = as_matrix(prefixes, n_items)[:, 1:] @ kept
        return np.asarray(found.toarray() if sp.issparse(found) else found)

    return score


def _parts(rows: Rows, n_items: int) -> Iterator[tuple[int, Rows, npt.NDArray[np.bool_]]]:
    """Yield where some rows begin, the rows, and what their users had liked, (n, n_items)."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(rows))))
        yield start, part, as_matrix(part.prefixes, n_items)[:, 1:].toarray() > 0
