"""EASE: item-item weights in closed form, none from an item to itself (Steck, 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from scorerec.crm.histories import fold_of, training_likes

Floats = npt.NDArray[np.float64]

_FOLDS, _PURPOSE, _RIDGE = 5, "fold of EASE", 100.0
_MOST_ITEMS = 6_000  # the most liked ones; others are expected of nobody. The weights are items x items


def ease_weights(behaviours: sp.csr_matrix, ridge: float) -> Floats:
    """Return what each liked item adds to the score of each item, (items, items).

    Args:
        behaviours: who likes what, (users, items).
        ridge: on the diagonal of what is inverted.
    """
    gram = (behaviours.T @ behaviours).toarray().astype(np.float64)
    inverse = np.linalg.inv(gram + ridge * np.eye(behaviours.shape[1]))
    weights: Floats = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


class EaseOfOthers:
    """EASE whose weights never saw who asks: a user's rows are scored by what users of other folds liked in training.

    With the user among them, an item that they liked would be known by that: on a training row, its label.

    Args:
        interactions: INTERACTIONS, whose training rows are learned from.
    """

    def __init__(self, interactions: pa.Table):
        users, self._catalogue, self._likes = training_likes(interactions, _MOST_ITEMS)
        self._fold = np.array([fold_of(user, _FOLDS, _PURPOSE) for user in users], np.int64)
        self._weights: dict[int, npt.NDArray[np.float32]] = {}

    def scores(self, user: str, history: Sequence[str], item_ids: Sequence[str]) -> Floats:
        """Return what is expected of each item, (N,); nothing, where the item or all of the history is unknown.

        Args:
            user: who asks.
            history: ids of the items that they liked.
            item_ids: what is asked about.
        """
        known = np.unique(self._catalogue.numbers(history))
        weights = self._of(fold_of(user, _FOLDS, _PURPOSE))
        return np.asarray(weights[np.ix_(known, self._catalogue.numbers(item_ids))].sum(0), np.float64)

    def weights(self, user: str, history: Sequence[str], item_id: str) -> Floats:
        """Return what each item of a history adds to the score of an item, (H,).

        Args:
            user: who asks.
            history: ids of items.
            item_id: what is asked about.
        """
        found = self._of(fold_of(user, _FOLDS, _PURPOSE))[
            self._catalogue.numbers(history), self._catalogue.numbers([item_id])[0]
        ]
        return np.asarray(found, np.float64)

    def warming(self) -> Iterator[None]:
        """Compute the weights of every fold, one by one: whoever asks first need not wait for them."""
        for fold in range(_FOLDS):
            self._of(fold)
            yield

    def _of(self, fold: int) -> npt.NDArray[np.float32]:
        if fold not in self._weights:
            weights = ease_weights(self._likes[self._fold != fold], _RIDGE).astype(np.float32)
            weights[0] = weights[:, 0] = 0.0
            self._weights[fold] = weights
        return self._weights[fold]
