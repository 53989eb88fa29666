"""EASE never weighs an item by itself, and where it scores a user it has not seen that user."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from scorerec.core.tables import INTERACTIONS
from scorerec.crm import ease as module
from scorerec.crm.ease import EaseOfOthers, ease_weights


def liked(pairs: list[tuple[str, str]]) -> pa.Table:
    """Return INTERACTIONS in which each pair likes, in training."""
    users, items = zip(*pairs, strict=True)
    n = len(pairs)
    columns = [range(n), users, items, [5.0] * n, [1] * n, range(n), ["train"] * n, [0] * n]
    return pa.table([pa.array(one) for one in columns], names=INTERACTIONS.columns.names)


def test_weights_are_the_ridge_regression_of_each_item_on_the_others() -> None:
    likes = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]], float)
    weights = ease_weights(sp.csr_matrix(likes), 2.0)
    for item in range(3):
        others = [one for one in range(3) if one != item]
        known = likes[:, others]
        wanted = np.linalg.solve(known.T @ known + 2.0 * np.eye(2), known.T @ likes[:, item])
        np.testing.assert_allclose(weights[others, item], wanted)
        assert weights[item, item] == 0


def test_what_is_liked_together_is_expected_together() -> None:
    ease = EaseOfOthers(liked([(f"u{n}", item) for n in range(60) for item in ("ab" if n % 2 else "cd")]))
    of_a, of_c, unknown = ease.scores("new", ["a"], ["b", "d", "z"])
    assert of_a > 0.1 > abs(of_c)
    assert unknown == 0
    assert ease.scores("new", [], ["b"]).tolist() == [0]
    assert ease.scores("new", ["a", "a"], ["b"])[0] == of_a
    np.testing.assert_allclose(
        ease.weights("new", ["a", "c"], "b"), [of_a, ease.scores("new", ["c"], ["b"])[0]], rtol=1e-6
    )


def test_the_user_who_asks_taught_it_nothing() -> None:
    others = [(f"u{n}", item) for n in range(30) for item in "ab"]
    alone = EaseOfOthers(liked([*others, ("me", "c")]))
    with_mine = EaseOfOthers(liked([*others, ("me", "a"), ("me", "c")]))
    assert with_mine.scores("me", ["a"], ["c"])[0] == alone.scores("me", ["a"], ["c"])[0]


def test_who_is_warm_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(f"u{n}", item) for n in range(60) for item in ("ab" if n % 2 else "cd")]
    cold, warm = (EaseOfOthers(liked(pairs)) for _ in range(2))
    users = [f"new{n}" for n in range(30)]  # of all folds
    wanted = [cold.scores(user, ["a"], ["b"])[0] for user in users]
    assert len(list(warm.warming())) > 1
    monkeypatch.setattr(module, "ease_weights", None)
    assert [warm.scores(user, ["a"], ["b"])[0] for user in users] == wanted
