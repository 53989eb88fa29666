from __future__ import annotations

import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.comparison import compare
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.seeds import over_seeds


@pytest.fixture
def by_seed(world):
    def one(seed: int, last: float):
        changed = world.scores_table("SCORE", [0.9, 0.2, 0.3, 0.8, 0.7, 0.4, last])
        rows = judged_rows(world.interactions, world.targets, [*world.scores[:2], changed])
        return compare(rows, "SCORE", seconds={"SCORE": 10.0 + seed}, n_resamples=10, seed=seed)

    return one


def test_mean_and_deviation(by_seed):
    # The last row (disliked) beats one, then none, of the three liked ones: AUC 11/12 and 12/12.
    summaries = over_seeds([by_seed(0, 0.75), by_seed(1, 0.1)])
    ours = summaries[-1]
    assert (ours.method, ours.seeds) == ("SCORE", (0, 1))
    assert ours.auc.mean == pytest.approx((11 / 12 + 1) / 2)
    assert ours.auc.deviation == pytest.approx((1 / 12) / 2**0.5)
    assert ours.seconds.mean == 10.5
    assert summaries[0].auc.deviation == 0.0
    assert summaries[0].seconds is None


def test_one_seed_has_no_deviation(by_seed):
    assert over_seeds([by_seed(0, 0.1)])[0].auc.deviation is None


def test_refusals(world, by_seed):
    with pytest.raises(DataError, match="at least one seed"):
        over_seeds([])
    with pytest.raises(DataError, match="not all different"):
        over_seeds([by_seed(0, 0.1), by_seed(0, 0.2)])
    one = by_seed(0, 0.1)
    with pytest.raises(DataError, match="different rows"):
        over_seeds([one, by_seed(1, 0.1).model_copy(update={"rows_fingerprint": "other"})])
    with pytest.raises(DataError, match="same methods"):
        over_seeds([one, by_seed(1, 0.1).model_copy(update={"methods": one.methods[:2]})])
