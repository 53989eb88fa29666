"""The plainest likeness of two users: the cosine of the sets of items that they liked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorerec.core.columns import ITEM_IDS
from scorerec.core.errors import DataError

MOST_VALUES = 300_000_000  # of vectors that are held at once: 1.2 GB


class ItemSets:
    """Turns lists of items into vectors whose inner product is that cosine.

    Args:
        behaviours: BEHAVIOURS; items that none of them holds are not looked at.
    """

    def __init__(self, behaviours: pa.Table):
        items = behaviours[ITEM_IDS].combine_chunks().flatten().unique().to_pylist()
        self._place = {item: number for number, item in enumerate(items)}

    def fits(self, count: int) -> bool:
        """Whether ``count`` vectors fit into memory."""
        return count * len(self._place) <= MOST_VALUES

    def vectors(self, lists: Sequence[Sequence[str]]) -> npt.NDArray[np.float32]:
        """Return one vector of length 1 (or 0) per list, (N, n_items).

        Raises:
            DataError: they would not fit into memory.
        """
        if not self.fits(len(lists)):
            raise DataError(
                f"item sets: {len(lists):,} users and {len(self._place):,} items are too many for vectors; "
                "set evidence.item_sets=0"
            )
        matrix = np.zeros((len(lists), len(self._place)), np.float32)
        for row, ids in enumerate(lists):
            matrix[row, [self._place[item] for item in ids if item in self._place]] = 1.0
        matrix /= np.sqrt(np.maximum(matrix.sum(1, keepdims=True), 1.0))
        return matrix


def blended(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32], share: float) -> npt.NDArray[np.float32]:
    """Return vectors whose inner product is (1 - share) of the first ones' and share of the second ones', (N, d1 + d2).

    Args:
        first: (N, d1).
        second: (N, d2), of the same N.
        share: in [0, 1].

    >>> float(np.square(blended(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), 0.25)).sum())
    1.0
    """
    parts = [np.float32(np.sqrt(1 - share)) * first, np.float32(np.sqrt(share)) * second]
    return np.concatenate(parts, axis=1)
