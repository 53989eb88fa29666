from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.slices import (
    Slice,
    history_and_popularity,
    measure_slices,
    quantile_slices,
    warm_and_cold,
)


@pytest.fixture
def rows(world):
    return judged_rows(world.interactions, world.targets, world.scores)


def test_warm_means_seen_in_training(world, rows):
    flags = {part.name: list(part.rows) for part in warm_and_cold(rows, world.interactions)}
    assert flags["warm user"] == [True] * 5 + [False] * 2
    assert flags["cold user"] == [False] * 5 + [True] * 2
    assert flags["cold item"] == [False, True, False, False, True, False, False]
    assert flags["warm user and item"] == [True, False, True, True, False, False, False]


def test_each_method_on_each_slice(world, rows):
    found = measure_slices(rows, warm_and_cold(rows, world.interactions))
    by_name = {(result.slice, result.method): result for result in found}
    assert len(by_name) == 5 * 3
    warm = by_name["warm user", "SCORE"]
    assert (warm.n_rows, warm.n_users, warm.n_users_counted, warm.auc, warm.uauc) == (5, 3, 2, 1.0, 1.0)
    cold = by_name["cold user", "SCORE"]
    assert (cold.auc, cold.uauc) == (None, None)
    assert cold.reasons["auc"] == "all rows are labelled 0"


def test_an_empty_slice_is_shown(rows):
    found = measure_slices(rows, [Slice("none", np.zeros(7, bool))])
    assert all(result.n_rows == 0 and result.reasons["auc"] == "no rows" for result in found)


def test_a_slice_of_another_length(rows):
    with pytest.raises(DataError, match="wanted one flag for each of 7 rows"):
        measure_slices(rows, [Slice("short", np.ones(3, bool))])


def test_counts_are_cut_into_parts_that_hold_every_row_once():
    values = np.array([5, 0, 0, 0, 0, 0, 1, 40])
    parts = quantile_slices("count", values)
    assert sum(part.rows.astype(int) for part in parts).tolist() == [1] * 8
    assert [part.name for part in parts] == ["count: 0", "count: 1", "count: 5 to 40"]
    assert [part.name for part in quantile_slices("count", np.array([3, 3]))] == ["count: 3"]
    assert quantile_slices("count", np.array([], int)) == []


def test_history_and_popularity_are_those_of_the_row(world, rows):
    parts = history_and_popularity(rows, world.interactions, np.array([0, 0, 0, 5, 5, 9, 9]))
    by_name = {part.name: part.rows.tolist() for part in parts}
    assert by_name["items the user liked before: 0"] == [True] * 3 + [False] * 4
    cold = next(part.rows for name, part in zip(by_name, parts, strict=True) if name == "training rows of the item: 0")
    assert cold.tolist() == [False, True, False, False, True, False, False]
