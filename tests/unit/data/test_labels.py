"""Thresholds and given labels."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.data.labels import LabelConfig, add_labels
from scorerec.data.origin import Origin

ORIGIN = Origin(Path("ratings.csv"), first_row=2)


def ratings(values: list[float | None], labels: list[int | None] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "position": range(len(values)),
            "rating": pl.Series(values, dtype=pl.Float32),
            "label": pl.Series(labels or [None] * len(values), dtype=pl.Int8),
        }
    )


@pytest.mark.parametrize(("comparison", "labels"), [(">=", [0, 1, 1]), (">", [0, 0, 1])])
def test_a_rating_at_the_threshold(comparison: str, labels: list[int]) -> None:
    config = LabelConfig.model_validate({"comparison": comparison})
    labelled = add_labels(ratings([3.5, 4, 5]), config, ORIGIN)
    assert labelled["label"].to_list() == labels
    assert labelled.schema["label"] == pl.Int8


def test_given_labels_are_kept_whatever_the_rating() -> None:
    config = LabelConfig(kind="given")
    assert add_labels(ratings([5, None], [0, 1]), config, ORIGIN)["label"].to_list() == [0, 1]


def test_a_row_without_a_rating_is_refused() -> None:
    with pytest.raises(DataError, match=r"ratings.csv, row 3: wanted a rating .* \(1 of 2 rows\)"):
        add_labels(ratings([5, None]), LabelConfig(), ORIGIN)


@pytest.mark.parametrize("label", [None, 2, -1])
def test_a_given_label_is_0_or_1(label: int | None) -> None:
    with pytest.raises(DataError, match="row 3: wanted a label of 0 or 1"):
        add_labels(ratings([5, 5], [1, label]), LabelConfig(kind="given"), ORIGIN)


def test_the_rule_in_words() -> None:
    assert LabelConfig(threshold=3.5, comparison=">").describe() == "label = 1 where rating > 3.5"
    assert LabelConfig(kind="given").describe() == "labels as given by the source"
