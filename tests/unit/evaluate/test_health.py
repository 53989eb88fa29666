"""Health of a language model's scores: against planted effects, and numbers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.evaluate.health import (
    health_of,
    health_row,
    health_warnings,
    interaction_share,
    moved,
    rank_correlation,
    within_correlation,
)
from scorerec.evaluate.results import Health, Moved, Moves
from scorerec.evaluate.rows import judged_rows


def planted(share: float, n_rows: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return users, items and probabilities; ``share`` of the variance of logits is independent noise."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(100, size=n_rows), rng.integers(700, size=n_rows)  # four rows an item
    sums = rng.normal(size=100)[users] + rng.normal(size=700)[items]
    logits = np.sqrt(1 - share) * sums / sums.std() + np.sqrt(share) * rng.normal(size=n_rows)
    return users, items, 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_is_found_however_few_rows_an_item_has(share):
    found = [interaction_share(*planted(share, seed=seed)) for seed in range(5)]
    assert np.mean(found) == pytest.approx(share, abs=0.03 if share else 1e-9)


def test_the_share_by_hand():
    # One user effect and one item effect leave of the four logits +-a/... nothing but the interaction.
    assert interaction_share([0, 0, 1, 1], [0, 1, 0, 1], [0.8, 0.2, 0.2, 0.8]) == pytest.approx(3.0)  # R = T, N - p = 1
    # A second part of the graph, of one row, has an effect of its own and adds nothing to what is left.
    logits = np.array([1.0, -1.0, -1.0, 1.0, 0.0])
    p_yes = 1 / (1 + np.exp(-logits))
    assert interaction_share([0, 0, 1, 1, 2], [0, 1, 0, 1, 2], p_yes) == pytest.approx((4 / 1) / (4 / 4))


def test_what_cannot_be_told_is_none():
    assert interaction_share([0, 0, 1, 1], [0, 1, 0, 1], [0.3] * 4) is None
    assert interaction_share([0, 1, 2], [0, 1, 2], [0.1, 0.2, 0.3]) is None  # every row has an effect of its own
    assert rank_correlation([1.0, 1.0], [0.0, 1.0]) is None
    assert moved(np.zeros(0), np.zeros(0)) is None


def test_certain_answers_are_numbers():
    assert np.isfinite(interaction_share([0, 0, 1, 1], [0, 1, 0, 1], [1.0, 0.0, 0.5, 0.5]) or np.nan)


def test_the_health_of_a_method_of_a_table(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    moves = Moves(evidence=moved(np.array([0.5, 0.5]), np.array([0.6, 0.3])))
    found = health_of(rows, "SCORE", "item-mean", moves)
    assert found.moves.evidence is not None
    assert found.moves.evidence.mean_change == pytest.approx(0.15)
    assert health_of(rows, "item-mean", "item-mean").item_correlation == pytest.approx(1)
    row = health_row(found)
    assert row["other evidence"] == "0.1500"
    assert row["other history"] == "–"
    assert row["passed on"] == "–"


def test_what_is_told_is_passed_on_in_the_order_of_each_user(world):
    rows = judged_rows(world.interactions, world.targets, world.scores)
    scores = rows.scores["SCORE"]
    told = [health_of(rows, "SCORE", "item-mean", told=one).told_correlation for one in (scores, 1 - scores)]
    assert told == pytest.approx([1, -1])
    of_user = 10.0 * rows.users
    assert health_of(rows, "SCORE", "item-mean", told=scores + of_user).told_correlation == pytest.approx(1)
    assert within_correlation(["a", "b"], [1, 2], [1, 2]) is None


def test_warnings_name_what_is_not_read():
    fine = Health(method="a", interaction_share=0.2, item_correlation=0.5,
                  moves=Moves(history=Moved(mean_change=0.02, n_rows=9)))  # fmt: skip
    assert health_warnings([fine]) == []
    still = Moves(history=Moved(mean_change=0.2, n_rows=9), evidence=Moved(mean_change=0.0001, n_rows=9))
    lines = health_warnings(
        [
            Health(method="b", interaction_share=0.002, item_correlation=0.99, moves=still),
            Health(method="c", interaction_share=None, item_correlation=None),
            Health(method="d", interaction_share=None, item_correlation=0.2),  # too few rows to tell
            Health(method="e", interaction_share=0.2, item_correlation=0.2, told_correlation=0.785),
        ]
    )
    assert lines[0].startswith(
        "b DOES NOT TELL USERS' TASTES APART: 0.002 of the variance of its scores is user x item"
    )
    assert lines[1] == "b DOES NOT READ THE EVIDENCE: another row's moves p(Yes) by 0.0001 on the mean of 9 rows"
    assert lines[2].startswith("c GIVES ONE SCORE TO ALL ROWS")
    assert lines[3].startswith("e LOSES WHAT IT IS TOLD")
    assert "by 0.79 " in lines[3]
    assert len(lines) == 4
