from __future__ import annotations

import pytest

from scorerec.core.errors import DataError
from scorerec.evaluate.comparison import compare
from scorerec.evaluate.results import Comparison
from scorerec.evaluate.rows import judged_rows
from scorerec.evaluate.slices import warm_and_cold


@pytest.fixture
def rows(world):
    return judged_rows(world.interactions, world.targets, world.scores)


def test_methods_differences_and_slices(world, rows):
    found = compare(
        rows,
        "SCORE",
        slices=warm_and_cold(rows, world.interactions),
        seconds={"SCORE": 12.5},
        n_resamples=50,
        seed=3,
    )
    assert [result.method for result in found.methods] == ["item-mean", "item+user-mean", "SCORE"]
    best = found.method("SCORE")
    assert (best.auc, best.uauc, best.seconds) == (1.0, 1.0, 12.5)
    assert best.auc_interval.low == 1.0
    assert (best.n_users, best.n_users_counted) == (4, 2)
    assert (best.left_out.one_row, best.left_out.one_class) == (1, 1)
    assert found.method("item-mean").seconds is None
    methods = [result.method for result in found.methods]
    assert [(entry.method, entry.against) for entry in found.differences if entry.metric == "uauc"] == [
        (method, base) for base in ("SCORE", "item-mean", "item+user-mean") for method in methods if method != base
    ]
    ways = {(entry.method, entry.against): entry for entry in found.differences if entry.metric == "auc"}
    there, back = ways["item-mean", "SCORE"].turned(), ways["SCORE", "item-mean"]
    assert there.value == pytest.approx(back.value)
    assert there.interval.low == pytest.approx(back.interval.low)
    assert there.interval.high == pytest.approx(back.interval.high)
    # item-mean: of 3 x 4 pairs, won: z (0.6) over 0.5, 0.4 twice; w (0.5) over 0.4; ties 0.6 twice, 0.5 once.
    worse = next(entry for entry in found.differences if entry.metric == "auc")
    assert worse.value == pytest.approx((5 + 3 / 2) / 12 - 1.0)
    assert len(found.slices) == 15


def test_json_there_and_back(world, rows):
    found = compare(rows, "SCORE", slices=warm_and_cold(rows, world.interactions), n_resamples=20)
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_equal_seeds_give_equal_results(rows):
    assert compare(rows, "SCORE", n_resamples=20, seed=1) == compare(rows, "SCORE", n_resamples=20, seed=1)


def test_both_references_must_be_there(world):
    rows = judged_rows(world.interactions, world.targets, world.scores[1:])
    with pytest.raises(DataError, match="no scores of item-mean: every comparison shows both references"):
        compare(rows, "SCORE")


def test_names_must_have_scores(rows):
    with pytest.raises(DataError, match="'score' has no scores; those that have: item-mean"):
        compare(rows, "score")
    with pytest.raises(DataError, match="'CAR' has no scores"):
        compare(rows, "SCORE", seconds={"CAR": 1.0})
