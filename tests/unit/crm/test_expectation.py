"""What is expected follows what is known, is calibrated, and of a training row never knew its user."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.core.metrics import auc
from scorerec.core.tables import KNOWLEDGE
from scorerec.crm.expectation import Expectation, average, features, require_both_labels


def world(n_rows: int = 4000) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Return KNOWLEDGE, labels and users: raters of an item, and the user's own record, both tell something."""
    rng = np.random.default_rng(0)
    liked, leniency = rng.random(n_rows), np.repeat(rng.normal(size=n_rows // 20), 20)
    label = (rng.random(n_rows) < 1 / (1 + np.exp(-(3 * (liked - 0.5) + leniency)))).astype(np.int8)
    raters, rated = rng.integers(0, 40, n_rows), rng.integers(5, 30, n_rows)
    n_likes = rng.binomial(rated, 1 / (1 + np.exp(-leniency)))
    columns = {name: np.zeros(n_rows) for name in KNOWLEDGE.columns.names[1:]}
    columns |= {"n_raters": raters, "n_liked": rng.binomial(raters, liked)}
    columns |= {"rating_sum": 3.0 * raters, "n_likes": n_likes, "n_dislikes": rated - n_likes}
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in list(KNOWLEDGE.columns)[1:]]
    table = pa.table([[str(n) for n in range(n_rows)], *arrays], names=KNOWLEDGE.columns.names)
    return table, label, np.arange(n_rows) // 20


def parts(own_dislikes: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table, label, users = world()
    known = features(table, np.zeros((len(label), 0)), average(table, label), own_dislikes)
    return known, label, users


@pytest.fixture(scope="module")
def quality() -> dict[bool, dict[str, float]]:
    found = {}
    for own_dislikes in (False, True):
        known, label, _ = parts(own_dislikes)
        models = Expectation(known[:2000], label[:2000], (known[2000:3000], label[2000:3000]), 0)
        p_yes = models.p_yes(known[3000:])
        found[own_dislikes] = {name: auc(label[3000:], one) for name, one in p_yes.items()}
        assert abs(p_yes["expectation"].mean() - label[3000:].mean()) < 0.06
    return found


def test_raters_tell_and_dislikes_only_where_they_may(quality: dict[bool, dict[str, float]]) -> None:
    for name in ("regression", "trees", "expectation"):
        assert quality[False][name] > 0.6
        assert quality[True][name] > quality[False][name] + 0.02


def test_a_training_row_is_scored_by_models_that_saw_no_row_of_its_user() -> None:
    known, label, users = parts(True)
    held_out = known[3000:], label[3000:]
    mine = users[:3000] == 7
    other = np.where(mine, 1 - label[:3000], label[:3000]).astype(np.int8)
    before, after = (
        Expectation(known[:3000], labels, held_out, 0).of_others(known[:3000], labels, users[:3000], 0)["regression"]
        for labels in (label[:3000], other)
    )
    # Calibration alone has seen them, by the model of all rows: the order of the user's rows cannot know a label.
    assert np.argsort(before[mine]).tolist() == np.argsort(after[mine]).tolist()
    ratio = np.log(before[mine] / (1 - before[mine])), np.log(after[mine] / (1 - after[mine]))
    assert np.corrcoef(*ratio)[0, 1] == pytest.approx(1)


def test_the_same_seed_expects_the_same() -> None:
    known, label, _ = parts(False)
    one, again = (
        Expectation(known[:2000], label[:2000], (known[2000:3000], label[2000:3000]), 3).p_yes(known[3000:])
        for _ in range(2)
    )
    assert all(np.array_equal(one[name], again[name]) for name in one)


def test_rows_of_one_label_are_refused() -> None:
    with pytest.raises(DataError, match=r"wanted valid rows of both labels, got 2 rows with labels \[1\]"):
        require_both_labels({"train": np.array([0, 1], np.int8), "valid": np.array([1, 1], np.int8)})


def test_a_row_that_only_its_own_user_could_teach_is_refused() -> None:
    known, label, users = parts(False)
    models = Expectation(known[:2000], label[:2000], (known[2000:3000], label[2000:3000]), 0)
    with pytest.raises(DataError, match=r"from other users than each row's, got 2000 rows of 1 users"):
        models.of_others(known[:2000], label[:2000], np.zeros(2000, int), 0)
    assert len(set(users[:2000])) == 100
