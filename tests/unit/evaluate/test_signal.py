"""What found users tell about rows, with numbers that can be counted on fingers."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorerec.core.metrics import auc
from scorerec.evaluate.results import Interval, NeighbourShare, Ranking, SourceDifference, UserCount
from scorerec.evaluate.signal import (
    SignalRows,
    alike_rows,
    count_lines,
    count_rows,
    count_warnings,
    cross_fitted,
    difference_rows,
    gain,
    ranking_rows,
    source_difference,
    user_counts,
)

N_ROWS = 600


@pytest.fixture
def rows() -> SignalRows:
    """Thirty users with twenty rows each; the item says a little."""
    random = np.random.default_rng(0)
    log_odds = random.normal(size=N_ROWS)
    labels = (random.random(N_ROWS) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    return SignalRows("valid", np.repeat(np.arange(30), 20), labels, log_odds)


def nobody(rows: SignalRows, n_users: int) -> np.ndarray:
    return np.zeros((len(rows.labels), n_users), bool)


class Recording:
    """Stands in for the regression: remembers whom it was fitted on, and answers with what it was asked."""

    pairs: ClassVar[list[tuple[set, set]]] = []  # users fitted on, users judged

    def __init__(self, **_: Any):
        pass

    def fit(self, features: np.ndarray, labels: np.ndarray) -> Recording:
        self.users = set(features[:, 0])
        return self

    def decision_function(self, features: np.ndarray) -> np.ndarray:
        self.pairs.append((self.users, set(features[:, 0])))
        return features[:, 1]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=2, max_size=60))
@settings(max_examples=60)
def test_no_user_is_judged_by_a_model_that_was_fitted_on_that_user(pairs):
    users, labels = (np.array(column) for column in zip(*pairs, strict=True))
    Recording.pairs.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.linear_model.LogisticRegression", Recording)
        scores = cross_fitted(np.column_stack([users, np.arange(len(users)) + 1.0]), labels.astype(np.int8), users)
    judged = [user for _, group in Recording.pairs for user in group]
    assert len(judged) == len(set(judged))  # nobody twice
    for fitted, asked in Recording.pairs:
        assert not fitted & asked
        assert fitted | asked == set(users.tolist())
    is_judged = np.isin(users, judged)
    np.testing.assert_array_equal(scores, np.where(is_judged, np.arange(len(users)) + 1.0, 0.0))


def test_everybody_is_judged(monkeypatch, rows):
    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", Recording)
    Recording.pairs.clear()
    cross_fitted(np.column_stack([rows.users, rows.users]), rows.labels, rows.users)
    assert len(Recording.pairs) == 5
    assert sorted(user for _, group in Recording.pairs for user in group) == list(range(30))


def test_turning_a_users_labels_round_changes_no_score_of_that_user(rows):
    features = rows.item_log_odds[:, None]
    before = cross_fitted(features, rows.labels, rows.users)
    own = rows.users == 3
    after = cross_fitted(features, np.where(own, 1 - rows.labels, rows.labels).astype(np.int8), rows.users)
    np.testing.assert_array_equal(after[own], before[own])
    assert not np.allclose(after[~own], before[~own])


def test_counts_by_hand():
    """Four rows; users of rank 1 and 2 liked the target of (1, 2, 0, 0), with labels (1, 1, 0, 0)."""
    rows = SignalRows("test", np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0], np.int8), np.zeros(4))
    liked = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
    one, two, three = user_counts("friends", rows, liked, numbers=(1, 2, 3, 5))
    assert [entry.n_users for entry in (one, two, three)] == [1, 2, 3]  # of five there are not that many
    assert (one.source, one.split, one.n_rows) == ("friends", "test", 4)
    assert (one.named, two.named, three.named) == (0.5, 0.5, 0.75)
    assert (one.auc, two.auc) == (1.0, 1.0)
    assert three.auc == pytest.approx((0.5 + 1 + 1 + 1) / 4)  # of four pairs one is a tie
    assert one.uauc is None  # no user has both labels
    assert (one.gain is None, two.gain is None) == (False, True)  # intervals of the fewest users and of ten


def test_rows_of_one_label_have_no_auc():
    rows = SignalRows("test", np.array([0, 1]), np.array([1, 1], np.int8), np.zeros(2))
    (entry,) = user_counts("friends", rows, np.array([[True], [False]]), numbers=(1,))
    assert entry.named == 0.5
    assert {entry.auc, entry.uauc, entry.added_auc, entry.added_uauc, entry.mean_auc, entry.gain} == {None}


def test_without_rows_nothing_is_known():
    rows = SignalRows("test", np.zeros(0, np.int64), np.zeros(0, np.int8), np.zeros(0))
    (entry,) = user_counts("friends", rows, np.zeros((0, 2), bool))
    assert (entry.n_users, entry.n_rows, entry.named, entry.auc) == (2, 0, 0.0, None)


def test_who_knows_the_label_gains_and_who_knows_nothing_does_not(rows):
    random = np.random.default_rng(1)
    knowing = random.random((N_ROWS, 10)) < np.where(rows.labels, 0.6, 0.3)[:, None]
    blind = random.random((N_ROWS, 10)) < 0.4
    (_, _, told), (_, _, untold) = (user_counts("x", rows, liked) for liked in (knowing, blind))
    assert told.n_users == 10
    assert (
        told.mean_auc
        == untold.mean_auc
        == auc(rows.labels, cross_fitted(rows.item_log_odds[:, None], rows.labels, rows.users))
    )
    assert told.auc == pytest.approx(auc(rows.labels, knowing.sum(1).astype(float)))
    assert told.added_auc > told.mean_auc + 0.1
    assert told.gain.low > 0
    assert told.gain.low < told.added_auc - told.mean_auc < told.gain.high
    assert untold.gain.low < 0.01
    assert untold.added_auc == pytest.approx(untold.mean_auc, abs=0.02)
    assert told.added_uauc > untold.added_uauc


def test_where_nobody_is_found_the_item_mean_is_left(rows):
    entry = user_counts("x", rows, nobody(rows, 2))[0]
    assert (entry.named, entry.auc) == (0.0, 0.5)
    assert entry.added_auc == pytest.approx(entry.mean_auc, abs=1e-6)
    assert entry.gain.low == pytest.approx(0, abs=1e-4)
    assert entry.gain.high == pytest.approx(0, abs=1e-4)


def test_a_gain_is_the_difference_under_draws_of_users(rows):
    same = gain(rows, rows.item_log_odds, rows.item_log_odds)
    assert (same.low, same.high) == (0.0, 0.0)
    found = gain(rows, rows.labels.astype(float), -rows.labels.astype(float))
    assert (found.low, found.high) == (1.0, 1.0)


def test_a_step_is_what_one_source_adds_minus_what_another_adds(rows):
    random = np.random.default_rng(1)
    knowing = random.random((N_ROWS, 10)) < np.where(rows.labels, 0.6, 0.3)[:, None]
    blind = random.random((N_ROWS, 10)) < 0.4
    step = source_difference(("CAR", "nobody"), rows, (knowing, blind), 10)
    (_, _, told), (_, _, untold) = (user_counts("x", rows, liked) for liked in (knowing, blind))
    assert (step.source, step.against, step.split, step.n_users) == ("CAR", "nobody", "valid", 10)
    assert step.value == pytest.approx(told.added_auc - untold.added_auc)
    assert 0 < step.interval.low < step.value < step.interval.high
    back = source_difference(("nobody", "CAR"), rows, (blind, knowing), 10)
    assert back.value == -step.value
    assert (back.interval.low, back.interval.high) == pytest.approx((-step.interval.high, -step.interval.low))
    same = source_difference(("a", "b"), rows, (knowing, knowing), 2)
    assert (same.value, same.interval.low, same.interval.high) == (0.0, 0.0, 0.0)


def test_a_step_counts_as_many_users_as_asked_for(rows):
    """The first two of both sources are the same; the third one knows the label."""
    blind = np.random.default_rng(1).random((N_ROWS, 2)) < 0.4
    knowing = np.column_stack([blind, rows.labels == 1])
    ignorant = np.column_stack([blind, np.zeros(N_ROWS, bool)])
    assert source_difference(("a", "b"), rows, (knowing, ignorant), 2).value == 0.0
    assert source_difference(("a", "b"), rows, (knowing, ignorant), 3).value > 0.1


def test_rows_of_one_label_have_no_steps():
    rows = SignalRows("test", np.array([0, 1]), np.array([1, 1], np.int8), np.zeros(2))
    liked = np.ones((2, 2), bool)
    assert source_difference(("a", "b"), rows, (liked, liked), 2) is None


def test_steps_as_text():
    step = SourceDifference(source="CAR", against="untuned", split="valid", n_users=10, value=0.0123, interval=None)
    bounded = step.model_copy(update={"interval": Interval(low=-0.001, high=0.02, n_resamples=300)})
    row = {"users from": "CAR", "instead of": "untuned", "rows": "valid", "users": "10"}
    assert difference_rows([step, bounded]) == [
        row | {"AUC of item mean + count": "+0.0123"},
        row | {"AUC of item mean + count": "+0.0123 [-0.0010, +0.0200]"},
    ]


def count(source: str, added: float | None, n_users: int = 10, split: str = "valid") -> UserCount:
    known = {"auc": 0.6, "uauc": 0.55, "added_uauc": 0.5, "mean_auc": 0.7}
    values = known if added is not None else dict.fromkeys(known)
    bounds = Interval(low=-0.001, high=0.02, n_resamples=300) if added is not None else None
    return UserCount(
        source=source, split=split, n_users=n_users, n_rows=50, named=0.25, added_auc=added, gain=bounds, **values
    )


BLIND = ("random", "busy")


def test_a_source_that_tells_no_more_than_blind_ones_is_named():
    counts = [count("random", 0.70), count("busy", 0.71), count("CAR", 0.71), count("kNN", 0.7101)]
    (warning,) = count_warnings(counts, BLIND, "valid")
    assert "THE USERS FROM CAR TELL NOTHING" in warning
    assert "0.7100 on valid rows with them, 0.7100 with the best of those" in warning


def test_ten_users_of_the_deciding_split_are_compared():
    counts = [count("random", 0.70), count("CAR", 0.75)]
    others = [count("CAR", 0.1, n_users=2), count("CAR", 0.1, n_users=20), count("CAR", 0.1, split="test")]
    assert count_warnings([*counts, *others], BLIND, "valid") == []
    assert len(count_warnings([*counts, *others, count("random", 0.2, split="test")], BLIND, "test")) == 1


def test_a_source_of_fewer_users_is_compared_by_all_that_it_has():
    counts = [count("random", 0.70), count("SARE", 0.69, n_users=2)]
    assert "SARE" in count_warnings(counts, BLIND, "valid")[0]


def test_without_blind_sources_or_an_auc_nothing_can_be_said():
    assert count_warnings([count("CAR", 0.1)], BLIND, "valid") == []
    assert count_warnings([count("random", 0.7), count("CAR", None)], BLIND, "valid") == []
    assert count_warnings([], BLIND, "valid") == []


def test_a_row_of_text_per_source():
    rows = count_rows(
        [count("CAR", 0.75, 2), count("CAR", 0.76), count("SARE", 0.77, 2), count("x", 0.1, 2, "test")], "valid"
    )
    assert rows == [
        {
            "users from": "CAR",
            "2 users: named, AUC, item mean + count": "25.0%, 0.600, 0.7500 (gain -0.0010 to +0.0200)",
            "10 users: named, AUC, item mean + count": "25.0%, 0.600, 0.7600 (gain -0.0010 to +0.0200)",
        },
        {
            "users from": "SARE",
            "2 users: named, AUC, item mean + count": "25.0%, 0.600, 0.7700 (gain -0.0010 to +0.0200)",
            "10 users: named, AUC, item mean + count": "–",
        },
    ]


def test_how_close_titles_come_is_a_column_where_it_is_known():
    shown = count("SARE", 0.77, 2).model_copy(update={"closeness": 0.1234})
    close = [row["closeness of titles to target"] for row in count_rows([shown, count("CAR", 0.75, 2)], "valid")]
    assert close == ["0.123", "–"]


def test_a_line_per_source():
    counts = [
        count("CAR", 0.75, 2),
        count("CAR", 0.76),
        count("SARE", 0.77, 2),
        count("x", None),
        count("y", 0.1, 10, "test"),
    ]
    lines = count_lines(counts, "valid")
    assert [re.match(r"(\w+): of (\d+) users", line).groups() for line in lines] == [("CAR", "10"), ("SARE", "2")]
    assert "one liked the target in 25% of valid rows; AUC of their number 0.600; item mean 0.700" in lines[0]
    assert lines[0].endswith("with the number 0.760 (gain -0.0010 to +0.0200)")


def test_rankings_and_likeness_as_text():
    ranking = Ranking(predictor="SASRec", split="test", n_rows=1234, measures={"recall@10": 0.125, "ndcg@20": 0.05})
    assert ranking_rows([ranking]) == [
        {"ranked by": "SASRec", "rows": "1,234 test likes", "Recall@10": "0.1250", "NDCG@20": "0.0500"}
    ]
    share = NeighbourShare(
        source="CAR",
        jaccard=0.12,
        random_jaccard=0.05,
        low=0.01,
        high=0.02,
        found_share=0.5,
        largest_in_degree=17,
        n_anchors=9,
    )
    alone = share.model_copy(update={"random_jaccard": 0.0})
    rows = alike_rows([share, alone])
    assert rows[0] == {
        "users from": "CAR",
        "Jaccard": "0.1200",
        "of random users": "0.0500",
        "times": "2.4",
        "users that anybody finds": "50%",
        "largest in-degree": "17",
    }
    assert rows[1]["times"] == "–"
