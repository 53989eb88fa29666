"""Metrics on parts of the rows: by what training knew of user and item, by history length and popularity."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scorerec.core.columns import ITEM_ID, SPLIT, USER_ID
from scorerec.core.errors import DataError
from scorerec.evaluate.measure import measure
from scorerec.evaluate.results import SliceResult
from scorerec.evaluate.rows import JudgedRows

LIKED_BEFORE = "items the user liked before"
TRAINING_ROWS = "training rows of the item"
NAMED = "evidence names the target"


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
    train = interactions.filter(pc.equal(interactions[SPLIT], "train"))
    warm_user = _known(rows.user_ids, set(train[USER_ID].to_pylist()))
    warm_item = _known(rows.item_ids, set(train[ITEM_ID].to_pylist()))
    return [
        Slice("warm user", warm_user),
        Slice("cold user", ~warm_user),
        Slice("warm item", warm_item),
        Slice("cold item", ~warm_item),
        Slice("warm user and item", warm_user & warm_item),
    ]


def quantile_slices(name: str, values: NDArray[np.int64], n_parts: int = 4) -> list[Slice]:
    """Return up to ``n_parts`` slices of about equal size by a count; equal counts stay together.

    Args:
        name: what is counted, such as "liked before".
        values: (N,) counts of the rows.
        n_parts: how many, at most.

    >>> [(part.name, part.rows.tolist()) for part in quantile_slices("liked before", np.array([0, 9, 0, 3]), 2)]
    [('liked before: 0', [True, False, True, False]), ('liked before: 3 to 9', [False, True, False, True])]
    """
    if not len(values):
        return []
    edges = np.unique(np.quantile(values, np.arange(1, n_parts) / n_parts, method="lower"))
    part = np.searchsorted(edges, values, side="left")
    slices = []
    for number in np.unique(part):
        rows = part == number
        low, high = int(values[rows].min()), int(values[rows].max())
        slices.append(Slice(f"{name}: {low:,}" + (f" to {high:,}" if high > low else ""), rows))
    return slices


def history_and_popularity(rows: JudgedRows, interactions: pa.Table, n_before: NDArray[np.int64]) -> list[Slice]:
    """Return slices by how much the user had liked before, and by how many training rows the item has.

    Args:
        rows: the rows to divide.
        interactions: INTERACTIONS, all splits.
        n_before: (N,) items that the user had liked before each row.
    """
    train = interactions.filter(pc.equal(interactions[SPLIT], "train"))
    counts = {entry["values"].as_py(): entry["counts"].as_py() for entry in pc.value_counts(train[ITEM_ID])}
    popularity = np.array([counts.get(item, 0) for item in rows.item_ids], np.int64)
    return [*quantile_slices(LIKED_BEFORE, n_before), *quantile_slices(TRAINING_ROWS, popularity)]


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
