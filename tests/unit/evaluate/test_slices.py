from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.slices import Slice, measure_slices, warm_and_cold


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
