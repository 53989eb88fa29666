import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from scorerec.core.errors import DataError
from scorerec.crm import simple
from scorerec.crm.histories import Prefixes, Rows, as_matrix
from scorerec.crm.simple import fit_simple

# Three users like 1 and 2; 1 and 2; 3. The first is asked about 2 after 1, the third about 1 after 3.
BEHAVIOURS = Prefixes(np.array([1, 2, 1, 2, 3]), np.array([0, 2, 4, 5]), np.arange(3), np.array([2, 2, 1]))
ASKED = Rows(
    Prefixes(BEHAVIOURS.items, BEHAVIOURS.starts, np.array([0, 2]), np.array([1, 1])),
    np.array([2, 1]),
    np.array([1, 0], np.float32),
)


def test_neighbours_by_hand():
    """The prefix {1} is similar to the second user, who likes 2; the first is oneself. Nobody is like {3}."""
    likes = as_matrix(BEHAVIOURS, 3)
    scores = dict(simple._user_knn(likes))[20](ASKED)
    np.testing.assert_allclose(scores, [1.0, 0.0])


def test_ease_solves_its_equations():
    """Each column of the weights is the ridge regression of that item on the others (Steck, 2019, Eq. 8)."""
    likes = as_matrix(BEHAVIOURS, 3)
    dense, ridge = likes.toarray().astype(float), 30.0
    weight = dense[:, 1] @ dense[:, 2] / (dense[:, 1] @ dense[:, 1] + ridge)  # 3 shares no user with 2
    scores = dict(simple._ease(likes))[ridge](ASKED)
    np.testing.assert_allclose(scores, [weight, 0.0], atol=1e-9)


def test_ease_says_when_there_are_too_many_items(monkeypatch):
    monkeypatch.setattr(simple, "_MOST_ITEMS_OF_EASE", 2)
    with pytest.raises(DataError, match="at most 2 items, got 4"):
        next(simple._ease(as_matrix(BEHAVIOURS, 3)))


def test_a_row_does_not_count_itself():
    counts = simple._Counts(ASKED)
    inside, outside = counts.features(ASKED, own=1.0), counts.features(ASKED, own=0.0)
    np.testing.assert_array_equal(outside[:, 0] - inside[:, 0], ASKED.label)
    np.testing.assert_array_equal(outside[:, 1] - inside[:, 1], 1)
    np.testing.assert_allclose(inside[:, 2], 0.5)  # nothing else is known of either item


def two_tastes(make_interactions) -> pa.Table:
    """Users like items of their own half; titles tell the half."""
    random, rows = np.random.default_rng(0), []
    for split, count in (("train", 1500), ("valid", 300), ("test", 300)):
        for _ in range(count):
            user, item = int(random.integers(30)), int(random.integers(40))
            liked = int(random.random() < (0.9 if user % 2 == item % 2 else 0.1))
            rows.append((f"u{user}", f"i{item}", liked, split))
    return make_interactions(rows)


def test_each_finds_two_tastes_but_counts_cannot(make_interactions):
    table = two_tastes(make_interactions)
    titles = {f"i{item}": np.array([1, 2 * (item % 2) - 1], np.float32) for item in range(40)}
    found = fit_simple(table, titles, seed=0)
    tested = table.filter(pa.compute.equal(table["split"], "test"))
    auc = {name: roc_auc_score(tested["label"], scores["test"].p_yes) for name, scores in found.items()}
    assert auc["user-knn"] > 0.8
    assert auc["ease"] > 0.8
    assert auc["title-regression"] > 0.8
    assert abs(auc["boosted-trees"] - 0.5) < 0.1
    for scores in found.values():
        assert ((scores["test"].p_yes > 0) & (scores["test"].p_yes < 1)).all()
        assert scores["valid"].facts["valid_auc"] > 0.4


def test_who_likes_the_item_later_does_not_matter(make_interactions):
    """Test rows' labels reach no score of validation rows."""
    table = two_tastes(make_interactions)
    is_test = pa.compute.equal(table["split"], "test")
    flipped = pa.compute.if_else(is_test, pa.compute.subtract(1, table["label"]).cast(pa.int8()), table["label"])
    other = table.set_column(table.schema.get_field_index("label"), "label", flipped)
    titles = {f"i{item}": np.array([1, 2 * (item % 2) - 1], np.float32) for item in range(40)}
    counted = other.set_column(other.schema.get_field_index("n_before"), "n_before", before(other))
    for name, scores in fit_simple(table, titles, seed=0).items():
        np.testing.assert_array_equal(scores["valid"].p_yes, fit_simple(counted, titles, 0)[name]["valid"].p_yes)


def before(table: pa.Table) -> pa.Array:
    liked: dict[str, int] = {}
    found = []
    for row in table.to_pylist():
        found.append(liked.get(row["user_id"], 0))
        liked[row["user_id"]] = found[-1] + row["label"]
    return pa.array(found, table.schema.field("n_before").type)
