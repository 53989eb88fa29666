"""Interactions that come later: which opinion counts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from scorerec.core.errors import DataError
from scorerec.data.additions import read_additions
from scorerec.data.labels import LabelConfig

CATALOGUE = pa.chunked_array([["07", "8"]], pa.string())
RULE = LabelConfig(threshold=3)


@pytest.fixture
def rows() -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["b", "a"], "item_id": ["8", "07"], "timestamp": [1_500_000_009, 1_500_000_001]})


def labels(path: Path, rule: LabelConfig = RULE) -> list[tuple[str, str, int, int]]:
    return read_additions(path, rule, CATALOGUE).rows()


@pytest.mark.parametrize(
    ("opinions", "expected"),
    [
        ({}, [1, 1]),
        ({"rating": [2.5, 3]}, [1, 0]),
        ({"label": [1, 0]}, [0, 1]),
        ({"rating": [5, 5], "label": [0, 0]}, [0, 0]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_label_counts_before_a_rating_and_that_before_being_there(
    tmp_path: Path, rows: pl.DataFrame, opinions: dict[str, list[float]], expected: list[int], suffix: str
) -> None:
    path = tmp_path / f"new.{suffix}"
    frame = rows.with_columns(**{name: pl.Series(values) for name, values in opinions.items()})
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    assert labels(path) == [("a", "07", 1_500_000_001, expected[0]), ("b", "8", 1_500_000_009, expected[1])]


def test_what_cannot_be_used_is_named(tmp_path: Path, rows: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=r"nowhere.csv: no such file; give a file with the columns user_id"):
        labels(tmp_path / "nowhere.csv")
    path = tmp_path / "new.csv"
    rows.drop("timestamp").write_csv(path)
    with pytest.raises(DataError, match=r"\['timestamp'\] missing; the file has \['user_id', 'item_id'\]; rename"):
        labels(path)
    rows.with_columns(rating=pl.Series([4.0, None])).write_csv(path)
    with pytest.raises(DataError, match="row 3: wanted a rating to compare"):
        labels(path)
    rows.with_columns(item_id=pl.lit("7")).write_csv(path)
    with pytest.raises(DataError, match=r"row 2: item '7' is not in the run's catalogue \(such rows: 2\)"):
        labels(path)
