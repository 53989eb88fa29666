"""Groups of users who like the same, and what each likes more than others do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.utils.extmath import randomized_svd

from scorerec.crm.histories import fold_of, training_likes

Floats = npt.NDArray[np.float64]

_FOLDS, _PURPOSE = 5, "fold of groups"
_DIMENSIONS, _TRIES = 16, 4
_PRIOR = 5.0  # users of the average on top of a group's own


class TasteGroups:
    """Groups of training users, found anew without each fold of users: nobody is among those who are like them.

    Args:
        interactions: INTERACTIONS, whose training likes are learned from.
        n_groups: of each fold, where there are so many users.

    Attributes:
        names: of all groups of all folds.
    """

    def __init__(self, interactions: pa.Table, n_groups: int):
        users, self._catalogue, likes = training_likes(interactions)
        folds = np.array([fold_of(user, _FOLDS, _PURPOSE) for user in users], np.int64)
        self._folds = [_Groups(likes[folds != fold], n_groups) for fold in range(_FOLDS)]
        self.names = [f"{fold}.{group}" for fold, one in enumerate(self._folds) for group in range(one.n_groups)]

    def name(self, user: str, history: Sequence[str]) -> str | None:
        """Return the group that a user is most like; None where nothing that they like is known.

        Args:
            user: who asks.
            history: ids of the items that they liked.
        """
        fold = fold_of(user, _FOLDS, _PURPOSE)
        known = np.unique(self._catalogue.numbers(history))
        group = self._folds[fold].nearest(known[known > 0])
        return None if group is None else f"{fold}.{group}"

    def liked(self, name: str, count: int) -> list[str]:
        """Return the items that a group likes more than others do, at most so many, the most telling first."""
        fold, group = map(int, name.split("."))
        return [self._catalogue.item_ids[number - 1] for number in self._folds[fold].telling(group, count)]


class _Groups:
    """The groups of one fold; without a user whose likes are known there are none."""

    def __init__(self, likes: sp.csr_matrix, n_groups: int):
        self._counts = np.asarray(likes.sum(0), np.float64).ravel()
        self._weights = 1 / np.sqrt(self._counts + _PRIOR)
        likes = likes[np.asarray(likes.sum(1)).ravel() > 0]
        self.n_groups = min(n_groups, likes.shape[0])
        self._total = likes.shape[0]
        if not self.n_groups:
            return
        weighted = likes @ sp.diags(self._weights)
        rank = max(1, min(_DIMENSIONS, min(likes.shape) - 1))
        self._axes = randomized_svd(weighted, rank, random_state=0)[2].T  # (items, d)
        found = KMeans(self.n_groups, n_init=_TRIES, random_state=0).fit(_unit(weighted @ self._axes))
        self._centres = found.cluster_centers_
        self._of_group = np.stack(
            [np.asarray(likes[found.labels_ == group].sum(0)).ravel() for group in range(self.n_groups)]
        )
        self._sizes = np.bincount(found.labels_, minlength=self.n_groups)

    def nearest(self, items: npt.NDArray[np.int64]) -> int | None:
        if not self.n_groups or not len(items):
            return None
        vector = _unit((self._weights[items] @ self._axes[items])[None])
        return int(np.argmin(((self._centres - vector) ** 2).sum(1)))

    def telling(self, group: int, count: int) -> npt.NDArray[np.int64]:
        """Return the numbers of items by likes times the logarithm of how much more often the group likes them."""
        own, usual = self._of_group[group], self._counts / self._total
        share = (own + _PRIOR * usual) / (self._sizes[group] + _PRIOR)
        lift = np.log(np.maximum(share, 1e-12) / np.maximum(usual, 1e-12))
        order = np.argsort(-own * lift, kind="stable")[:count]
        return order[(own[order] > 0) & (lift[order] > 0)]


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
