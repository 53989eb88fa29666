"""Metrics on parts of the rows: users and items that training knew, and those that it did not."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorerec.core.errors import DataError
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import SliceResult
from scorerec.evaluate.rows import JudgedRows


@dataclass(frozen=True)
class Slice:
    """Some of the rows, under a name that readers understand.

    Attributes:
        name: such as "cold item".
        rows: (N,) bool, True = in the slice.
    """

    name: str
    rows: NDArray[np.bool_]


def warm_and_cold(rows: JudgedRows, interactions: pa.Table) -> list[Slice]:
    """Return the slices by whether the user, the item, or both have a training row (of any label).

    Args:
        rows: the rows to divide.
        interactions: INTERACTIONS, all splits.
    """
    train = interactions.filter(pc.equal(interactions["split"], "train"))
    warm_user = _known(rows.user_ids, set(train["user_id"].to_pylist()))
    warm_item = _known(rows.item_ids, set(train["item_id"].to_pylist()))
    return [
        Slice("warm user", warm_user),
        Slice("cold user", ~warm_user),
        Slice("warm item", warm_item),
        Slice("cold item", ~warm_item),
        Slice("warm user and item", warm_user & warm_item),
    ]


def measure_slices(rows: JudgedRows, slices: Iterable[Slice]) -> list[SliceResult]:
    """Return the metrics of every method on every slice; an empty slice has counts and reasons.

    Raises:
        DataError: a slice is not as long as the rows.
        ModelError: a score is not a number.
    """
    results = []
    for part in slices:
        if part.rows.shape != rows.labels.shape:
            raise DataError(
                f"slice {part.name!r}: wanted one flag for each of {len(rows.labels)} rows, got {part.rows.shape}"
            )
        for method, scores in rows.scores.items():
            measured = measure(rows.users[part.rows], rows.labels[part.rows], scores[part.rows])
            results.append(SliceResult(slice=part.name, method=method, **measured.model_dump()))
    return results


def _known(names: Iterable[str], known: Set[str]) -> NDArray[np.bool_]:
    return np.array([name in known for name in names], bool)
