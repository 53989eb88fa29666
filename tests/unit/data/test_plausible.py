"""Scales, thresholds that fit them, and labels and times that are doubted."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scorerec.data.labels import LabelConfig
from scorerec.data.origin import Origin
from scorerec.data.plausible import Scale, one_class_fault, unlikely_labels, unlikely_times

ORIGIN = Origin(Path("ratings.csv"), first_row=2)
GIVEN, RATED = LabelConfig(kind="given"), LabelConfig(threshold=4)


def rows(labels: list[int], splits: list[str] | None = None, ratings: list[float] | None = None) -> pl.DataFrame:
    splits = splits or ["train"] * len(labels)
    return pl.DataFrame({"label": labels, "split": splits, "rating": ratings or [float(label) for label in labels]})


@pytest.mark.parametrize(
    ("ratings", "threshold", "rate"),
    [
        ([1, 2, 3, 4, 4, 5], 4, 0.5),
        ([0, 0, 1], 1, 1 / 3),
        ([0, 1, 2, 10, 10, 10, 10], 10, 4 / 7),
        ([1, 2, 3], 3, 1 / 3),  # 1/3 and 2/3 are as near: the higher threshold
        ([7, 7], None, 1.0),
    ],
)
def test_the_threshold_nearest_to_one_half(ratings: list[float], threshold: float | None, rate: float) -> None:
    scale = Scale.of(pl.Series(ratings, dtype=pl.Float32))
    assert scale.threshold == threshold
    assert scale.rate == pytest.approx(rate)


@pytest.mark.parametrize(
    ("labels", "named"), [([1, 0, 1, 1, 0, 1], "valid 100%"), ([0, 0, 0, 1, 1, 1], "train 0%, test 100%")]
)
def test_a_part_of_one_class_is_a_fault(labels: list[int], named: str) -> None:
    divided = rows(labels, ["train", "train", "valid", "valid", "test", "test"])
    fault = one_class_fault(divided, RATED, ORIGIN) or ""
    assert fault.startswith(f"ratings.csv: wanted liked and disliked rows in every part, found liked: {named} ")
    assert "the ratings run from 0 to 1 (2 values), and data.label.threshold = 1 would make" in fault
    fault = one_class_fault(divided, GIVEN, ORIGIN) or ""
    assert fault.endswith("; check data.source.columns.label, or change data.split")


def test_parts_of_both_classes_are_none() -> None:
    divided = rows([0, 1] * 3, ["train", "train", "valid", "valid", "test", "test"])
    assert one_class_fault(divided, RATED, ORIGIN) is None


def test_ratings_that_no_threshold_divides() -> None:
    fault = one_class_fault(rows([1, 1, 1], ["train", "valid", "test"], [5.0, 5.0, 5.0]), RATED, ORIGIN)
    assert "no threshold divides them: use data that has dislikes too" in (fault or "")


@pytest.mark.parametrize(("n_liked", "is_doubted"), [(4, True), (5, False), (95, False), (96, True)])
def test_a_rate_that_is_seldom_meant_is_doubted(n_liked: int, is_doubted: bool) -> None:
    labels = [1] * n_liked + [0] * (100 - n_liked)
    ratings = [10.0, 8.0] * 50
    found = unlikely_labels(rows(labels, ratings=ratings), RATED)
    wanted = (
        f"{n_liked}.0% of the rows are liked (label = 1 where rating >= 4); the ratings run from 8 to 10 (2 values), "
        "and data.label.threshold = 10 would make 50.0% of the rows liked"
    )
    assert found == ([wanted] if is_doubted else [])


@pytest.mark.parametrize(
    ("times", "named"),
    [
        ([10**9, -5, 10**9], "1 of 3 rows have times before 1970, the first in ratings.csv, row 3 (-5 s)"),
        ([20_200_102, 20_200_103], "all times are in 1970"),
        ([20_200_102, 10**9], None),
    ],
)
def test_times_that_are_seldom_meant_are_doubted(times: list[int], named: str | None) -> None:
    found = unlikely_times(pl.DataFrame({"position": range(len(times)), "timestamp": times}), ORIGIN)
    assert [named in warning for warning in found if named] == ([True] if named else [])
    assert bool(found) == bool(named)
