"""Are found users more alike than random ones? Shared items against chance, and how few are everybody's neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from scorerec.core.columns import BEHAVIOUR_ID, ITEM_IDS, NEIGHBOUR_ID
from scorerec.core.errors import ModelError
from scorerec.core.tables import BEHAVIOURS, NEIGHBOURS

_MOST_ANCHORS = 2000  # that are compared with everybody


class NeighbourQuality(NamedTuple):
    """What neighbours have in common.

    Attributes:
        jaccard: shared items over all items of two users, mean over anchors and their neighbours.
        random_jaccard: the same with everybody else, which is what random neighbours have on average.
        low, high: 95% interval of the difference of the two, over anchors.
        found_share: share of the users that are anybody's neighbour.
        largest_in_degree: of how many anchors the most frequent neighbour is one.
        n_anchors: users compared.
    """

    jaccard: float
    random_jaccard: float
    low: float
    high: float
    found_share: float
    largest_in_degree: int
    n_anchors: int

    @property
    def is_random(self) -> bool:
        """Whether the neighbours cannot be told from random users."""
        return self.low <= 0

    def warnings(self, name: str) -> list[str]:
        """Return what a reader must know before anything learns from these neighbours."""
        if not self.is_random:
            return []
        return [
            f"THE USERS THAT {name} FINDS ALIKE ARE RANDOM ONES: they share items with Jaccard {self.jaccard:.4f}, "
            f"random users {self.random_jaccard:.4f} (the difference has the 95% interval {self.low:+.4f} to "
            f"{self.high:+.4f})"
        ]


def neighbour_quality(neighbours: pa.Table, behaviours: pa.Table) -> NeighbourQuality:
    """Compare neighbours with random users.

    Args:
        neighbours: NEIGHBOURS.
        behaviours: BEHAVIOURS, one per user.
    """
    known, found = BEHAVIOURS.check(behaviours), NEIGHBOURS.check(neighbours)
    place = {name: number for number, name in enumerate(known[BEHAVIOUR_ID].to_pylist())}
    likes = _likes(known)
    counts = np.asarray(likes.sum(1)).ravel()
    left = np.array([place[name] for name in found[BEHAVIOUR_ID].to_pylist()], np.int64)
    right = np.array([place[name] for name in found[NEIGHBOUR_ID].to_pylist()], np.int64)
    anchors = np.unique(left)
    anchors = anchors[np.linspace(0, len(anchors) - 1, min(len(anchors), _MOST_ANCHORS)).astype(np.int64)]
    together = (likes[anchors] @ likes.T).toarray()  # (A, users)
    jaccard = together / np.maximum(counts[anchors][:, None] + counts[None] - together, 1)
    row = np.searchsorted(anchors, left)
    kept = anchors[np.minimum(row, len(anchors) - 1)] == left
    row, right_kept = row[kept], right[kept]
    own = np.bincount(row, jaccard[row, right_kept], len(anchors)) / np.bincount(row, minlength=len(anchors))
    others = (jaccard.sum(1) - jaccard[np.arange(len(anchors)), anchors]) / max(len(counts) - 1, 1)
    gap = own - others
    half = 1.96 * float(gap.std(ddof=1)) / np.sqrt(len(gap)) if len(gap) > 1 else np.inf
    in_degree = np.bincount(right, minlength=len(counts))
    return NeighbourQuality(
        jaccard=float(own.mean()),
        random_jaccard=float(others.mean()),
        low=float(gap.mean() - half),
        high=float(gap.mean() + half),
        found_share=float((in_degree > 0).mean()),
        largest_in_degree=int(in_degree.max(initial=0)),
        n_anchors=len(anchors),
    )


def require_signal(warnings: list[str], forced: bool) -> None:
    """Refuse users who are alike by name only.

    Args:
        warnings: of the recommender and of its neighbours.
        forced: whether to go on all the same.

    Raises:
        ModelError: there is a warning, and nobody forces it.
    """
    if warnings and not forced:
        raise ModelError(
            f"Eq. 4: {'; '.join(warnings)}. Everything that reads these neighbours would learn noise. Choose "
            "crm.recipe=ranking or another crm.model, or go on all the same with evidence.force=true"
        )


def _likes(behaviours: pa.Table) -> sp.csr_matrix:
    """Return which items each behaviour holds, (N, n_items), as ones."""
    lists = behaviours[ITEM_IDS].combine_chunks()
    items = np.unique(lists.flatten().to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]
    ends: npt.NDArray[np.int64] = lists.offsets.to_numpy().astype(np.int64)
    ends = ends - ends[0]
    matrix = sp.csr_matrix((np.ones(len(items), np.float32), items, ends), shape=(len(lists), items.max(initial=0) + 1))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix
