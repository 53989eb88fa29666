"""The regression on verdict counts finds what they say, whatever shape it has."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.crm.counts import fit_counts


def world(similar_tell: bool, n_rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Return counts and labels: those who are similar like what the user likes, or what anybody does."""
    rng = np.random.default_rng(0)
    liked = rng.random(n_rows)
    label = (rng.random(n_rows) < liked).astype(np.int8)
    raters, similar = rng.integers(0, 40, n_rows), rng.integers(0, 5, n_rows)
    share = 0.3 + 0.4 * label if similar_tell else liked
    counts = [raters, rng.binomial(raters, liked), similar, rng.binomial(similar, share)]
    return np.stack(counts, axis=1).astype(float), label


def fitted(similar_tell: bool, told: slice = slice(None)) -> float:
    counts, label = world(similar_tell)
    shown = np.zeros_like(counts)
    shown[:, told] = counts[:, told]
    parts = {"train": slice(0, 1500), "valid": slice(1500, 2200), "test": slice(2200, None)}
    labels = {name: label[part] for name, part in parts.items() if name != "test"}
    p_yes, facts = fit_counts({name: shown[part] for name, part in parts.items()}, labels)
    assert set(p_yes) == {"train", "valid", "test"}
    assert facts["valid_auc"] == pytest.approx(auc(label[parts["valid"]], p_yes["valid"]))
    assert abs(p_yes["valid"].mean() - label[parts["valid"]].mean()) < 0.03
    return auc(label[parts["test"]], p_yes["test"])


def test_it_reads_the_raters_and_beside_them_the_similar_ones() -> None:
    raters, both = fitted(True, slice(0, 2)), fitted(True)
    assert raters > 0.65
    assert both > raters + 0.03


def test_counts_of_nobody_say_nothing() -> None:
    assert fitted(False, slice(0, 0)) == 0.5


def test_rows_of_one_label_are_refused() -> None:
    counts = {"train": np.zeros((2, 4)), "valid": np.zeros((2, 4))}
    labels = {"train": np.array([0, 1], np.int8), "valid": np.array([1, 1], np.int8)}
    with pytest.raises(DataError, match=r"wanted valid rows of both labels, got 2 rows with labels \[1\]"):
        fit_counts(counts, labels)
