"""What is said of a table: never more than the intervals support."""

from __future__ import annotations

import numpy as np
import pytest

from scorerec.evaluate.comparison import REFERENCES, compare
from scorerec.evaluate.results import Comparison, Difference, Interval, Signal, StateSpread, UserCount
from scorerec.evaluate.rows import JudgedRows
from scorerec.evaluate.verdict import relation, said, verdict

MODEL = "LLM without CI"


def difference(method: str, against: str, low: float, high: float, metric: str = "auc", p: float = 0.001) -> Difference:
    interval = Interval(low=low, high=high, n_resamples=1000)
    value = (low + high) / 2
    return Difference(method=method, against=against, metric=metric, value=value, interval=interval, p_value=p)


def comparison(*differences: Difference) -> Comparison:
    return Comparison(
        split="test",
        seed=0,
        rows_fingerprint="f",
        against="SCORE",
        n_resamples=1000,
        methods=(),
        differences=differences,
    )


def signal(low: float, high: float, source: str = "shown", split: str = "test") -> Signal:
    measured = {"auc": 0.6, "uauc": 0.5, "added_auc": 0.71, "added_uauc": 0.5, "mean_auc": 0.7}
    gain = Interval(low=low, high=high, n_resamples=300)
    count = UserCount(source=source, split=split, n_users=2, n_rows=9, named=0.5, gain=gain, **measured)
    spread = StateSpread(mean_cosine=0.2, effective_rank=9.0, interaction_share=0.3)
    return Signal(recommender="SASRec", spread=spread, rankings=[], alike=[], counts=[count], warnings=[])


def lines(found: Comparison, about: Signal | None = None) -> list[str]:
    return verdict(found, REFERENCES, [MODEL], about, "shown")


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.01, 0.03, 0.001, "beats"),
        (-0.03, -0.01, 0.001, "below"),
        (-0.01, 0.03, 0.4, "apart"),
        (0.0, 0.03, 0.04, "apart"),  # an interval that touches 0
        (0.01, 0.03, 0.06, "apart"),  # corrected for many rows
    ],
)
def test_a_relation_needs_an_interval_on_one_side(low: float, high: float, p: float, expected: str) -> None:
    found = difference("a", "b", low, high, p=p)
    assert relation(found) == expected
    assert relation(found.turned()) == {"beats": "below", "below": "beats", "apart": "apart"}[expected]


def test_without_an_interval_nothing_is_told_apart() -> None:
    bare = Difference(method="a", against="b", metric="auc", value=0.4, interval=None, p_value=None)
    assert relation(bare) == "apart"
    assert said([bare]) == "cannot be told apart from b (+0.4000 AUC [no interval])"
    assert bare.turned().turned() == bare


def test_a_loss_is_said_with_its_size_and_its_reason() -> None:
    found = comparison(
        difference("SCORE", "item-mean", -0.053, -0.031),
        difference("SCORE", "item-mean", -0.03, -0.01, "uauc"),
        difference("SCORE", "item+user-mean", -0.02, 0.01),
    )
    assert lines(found, signal(-0.004, 0.024)) == [
        "SCORE is below item-mean by 0.0420 AUC [0.0310, 0.0530] and 0.0200 UAUC [0.0100, 0.0300]; cannot be told "
        "apart from item+user-mean (-0.0050 AUC [-0.0200, +0.0100]): not yet worth using. Likely reason: the users "
        "that it shows tell nothing sure beyond the item mean (gain +0.0100 AUC [-0.0040, +0.0240])"
    ]
    (used,) = lines(found, signal(0.004, 0.016))
    assert used.endswith(
        "The users that it shows do tell something beyond the item mean (gain +0.0100 AUC [+0.0040, +0.0160]): it "
        "makes too little of that"
    )


@pytest.mark.parametrize("about", [None, signal(-0.1, 0.1, source="others"), signal(-0.1, 0.1, split="valid")])
def test_no_reason_where_none_was_measured(about: Signal | None) -> None:
    (line,) = lines(comparison(difference("SCORE", "item-mean", -0.02, 0.01)), about)
    assert line == (
        "SCORE cannot be told apart from item-mean (-0.0050 AUC [-0.0200, +0.0100]): nothing shows yet that it is "
        "worth using"
    )


def test_a_gain_needs_no_reason() -> None:
    (line,) = lines(comparison(difference("SCORE", "item-mean", 0.01, 0.03)), signal(-0.1, 0.1))
    assert line == "SCORE beats item-mean by 0.0200 AUC [0.0100, 0.0300]"


def test_metrics_that_disagree_are_told_apart() -> None:
    (line,) = lines(
        comparison(difference("SCORE", "item-mean", -0.03, -0.01), difference("SCORE", "item-mean", 0.01, 0.03, "uauc"))
    )
    assert line == (
        "SCORE is below item-mean by 0.0200 AUC [0.0100, 0.0300]; beats item-mean by 0.0200 UAUC [0.0100, 0.0300]"
    )


def test_language_models_stand_beside_the_method_and_the_references() -> None:
    found = comparison(
        difference("SCORE", "item-mean", 0.01, 0.03),
        difference(MODEL, "SCORE", -0.03, -0.01),
        difference(MODEL, "SCORE", -0.5, -0.4, "uauc"),
        difference(MODEL, "item-mean", -0.03, 0.01),
        difference(MODEL, "item+user-mean", -0.05, -0.03),
        difference("CRM", "SCORE", 0.1, 0.2),
    )
    assert lines(found)[1:] == [
        "SCORE beats LLM without CI by 0.0200 AUC [0.0100, 0.0300]",
        "item-mean cannot be told apart from LLM without CI (+0.0100 AUC [-0.0100, +0.0300]). item+user-mean beats "
        "LLM without CI by 0.0400 AUC [0.0300, 0.0500]",
    ]


def test_many_methods_are_named_without_amounts() -> None:
    found = [difference("SCORE", "a", 0.01, 0.02), difference("SCORE", "b", -0.1, 0.1), difference("SCORE", "c", 1, 2)]
    assert said(found, amounts=False) == "cannot be told apart from b; beats a, c"


def test_rows_of_one_class_allow_no_verdict() -> None:
    assert lines(comparison()) == ["Nothing can be said of SCORE: no metric could be computed on these rows"]


@pytest.mark.parametrize(("better", "expected"), [(True, "beats item-mean by"), (False, "is below item-mean by")])
def test_of_measured_rows(better: bool, expected: str) -> None:
    """The differences that a comparison holds are those that are read."""
    random = np.random.default_rng(0)
    users, labels = np.repeat(np.arange(60), 6), random.integers(0, 2, 360).astype(np.int8)
    sharp, blunt = labels + random.normal(0, 0.4, 360), labels + random.normal(0, 2.0, 360)
    names = tuple(map(str, range(360)))
    scores = {"item-mean": blunt if better else sharp, "item+user-mean": blunt, MODEL: blunt, "SCORE": sharp}
    if not better:
        scores["SCORE"] = blunt
    rows = JudgedRows("test", names, tuple(map(str, users)), names, users, labels, scores)
    found = lines(compare(rows, "SCORE", n_resamples=100))
    assert expected in found[0]
    assert len(found) == 3
