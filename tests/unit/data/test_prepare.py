"""Order, earlier positives, the catalogue, and the notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from scorerec.core.config import validate
from scorerec.core.errors import ConfigError, DataError
from scorerec.data.prepare import DataConfig, Prepared, prepare_raw
from scorerec.data.raw import RawTables

SPLIT = {"by": "timestamp", "valid_from": 30, "test_from": 40, "start": 10}


def raw(rows: list[tuple[str, str, float, int]], catalogue: str = "abcdef") -> RawTables:
    names = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
    ratings = pl.DataFrame(rows, schema=names, orient="row").with_columns(label=pl.lit(None, dtype=pl.Int8))
    items = pl.DataFrame({"item_id": list(catalogue), "title": [f"Title {item}" for item in catalogue]})
    return RawTables(ratings.with_row_index("position"), items)


def prepared(rows: list[tuple[str, str, float, int]], **settings: Any) -> Prepared:
    settings = {"source": "synthetic", "split": SPLIT, **settings}
    catalogue = settings.pop("catalogue", "abcdef")
    return prepare_raw(raw(rows, catalogue), DataConfig.model_validate(settings))


# u likes a, b, d; a and b stand in the same second, as do c and d.
ROWS = [
    ("u", "f", 5.0, 5),  # before the window: in no history
    ("u", "d", 5.0, 30),
    ("u", "c", 1.0, 30),
    ("w", "a", 4.0, 45),
    ("u", "a", 4.0, 20),
    ("u", "b", 5.0, 20),
    ("u", "e", 3.0, 40),
]


def test_rows_are_in_the_order_of_time_then_file() -> None:
    table = prepared(ROWS).interactions
    assert table["item_id"].to_pylist() == ["a", "b", "d", "c", "e", "a"]
    assert table["row_id"].to_pylist() == list(range(6))
    assert table["label"].to_pylist() == [1, 1, 1, 0, 0, 1]
    assert table["split"].to_pylist() == ["train", "train", "valid", "valid", "test", "test"]


def test_earlier_positives_by_place_in_the_file() -> None:
    assert prepared(ROWS).interactions["n_before"].to_pylist() == [0, 1, 2, 3, 3, 0]


def test_earlier_positives_by_earlier_seconds_only() -> None:
    assert prepared(ROWS, ties="strict").interactions["n_before"].to_pylist() == [0, 0, 2, 2, 3, 0]


def test_the_whole_catalogue_is_kept() -> None:
    assert prepared(ROWS).items["item_id"].to_pylist() == list("abcdef")


def test_an_item_that_the_catalogue_lacks_is_refused_or_dropped() -> None:
    with pytest.raises(DataError, match="ratings, row 3: item 'c' is not in items"):
        prepared(ROWS, catalogue="abdef")
    kept = prepared(ROWS, catalogue="abdef", unknown_items="drop")
    assert kept.interactions["n_before"].to_pylist() == [0, 1, 2, 3, 0]
    assert kept.notes["rows_of_unknown_items"] == 1


def test_an_item_that_a_user_rates_again_is_refused_or_kept_as_asked() -> None:
    rows = [*ROWS, ("u", "a", 1.0, 10)]  # last in the file, first in time
    with pytest.raises(DataError, match="ratings, row 8: user 'u' and item 'a' occur again, first in row 5"):
        prepared(rows)
    for policy, ratings in {"keep": [1, 4], "first": [1], "last": [4]}.items():
        kept = prepared(rows, repeats=policy)
        of_both = [row for row in kept.interactions.to_pylist() if (row["user_id"], row["item_id"]) == ("u", "a")]
        assert [row["rating"] for row in of_both] == ratings
        assert kept.notes["rows_of_repeats"] == 2 - len(ratings)
        assert kept.notes["rows_outside_window"] == 1


@pytest.mark.parametrize(
    ("catalogue", "message"),
    [
        ("abcdefa", "items, row 7: item_id 'a' has more than one entry, the first in row 1"),
        ("abcdef ", "items, row 7: item_id is empty"),
    ],
)
def test_a_catalogue_has_each_item_once(catalogue: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepared(ROWS, catalogue=catalogue)


def test_untitled_and_repeated_items_are_left_out_as_asked_and_counted() -> None:
    tables = raw(ROWS, "abbcdeff")
    titles = ["A", None, "B, later", "C", "D", "E", "F", "F again"]
    faulty = replace(tables, items=tables.items.with_columns(title=pl.Series(titles)))
    settings = {"source": "synthetic", "split": SPLIT, "untitled_items": "drop"}
    with pytest.raises(DataError, match=r"items, row 8: item_id 'f' has more than one entry, the first in row 7 \(1 "):
        prepare_raw(faulty, DataConfig.model_validate(settings))
    kept = prepare_raw(faulty, DataConfig.model_validate({**settings, "repeated_items": "first"}))
    assert kept.items.column("title").to_pylist() == ["A", "B, later", "C", "D", "E", "F"]
    assert (kept.notes["items_without_title"], kept.notes["items_repeated"]) == (1, 1)
    assert kept.notes["catalogue_items"] == 6


def test_an_item_without_a_title_that_someone_rated_is_unknown() -> None:
    tables = raw(ROWS)
    untitled = replace(tables, items=tables.items.with_columns(pl.col("title").replace("Title c", " ")))
    config = DataConfig.model_validate({"source": "synthetic", "split": SPLIT, "untitled_items": "drop"})
    with pytest.raises(DataError, match=r"item 'c' is not in items, or has no title there \(1 do not\)"):
        prepare_raw(untitled, config)


def test_two_files_that_have_no_item_in_common_are_refused() -> None:
    with pytest.raises(DataError, match="ratings: none of its 6 items is in items; give two files that belong"):
        prepared(ROWS, catalogue="xyz", unknown_items="drop")


def test_a_catalogue_without_any_title_is_refused() -> None:
    tables = raw(ROWS)
    config = DataConfig.model_validate({"source": "synthetic", "split": SPLIT, "untitled_items": "drop"})
    with pytest.raises(DataError, match="none of 6 items has a title"):
        prepare_raw(replace(tables, items=tables.items.with_columns(title=pl.lit(""))), config)


def test_rows_that_are_not_selected_are_in_no_history() -> None:
    kept = prepared(
        ROWS, select={"sample": "users", "count": 1, "seed": 0}, split={"by": "time-fractions", "train": 0.4}
    )
    assert len(set(kept.interactions["user_id"].to_pylist())) == 1
    assert kept.notes["rows_not_selected"] + kept.interactions.num_rows == 7
    assert kept.notes["users"] == 1


def test_the_notes_count_each_part() -> None:
    notes = prepared(ROWS).notes
    assert notes["rows_read"] == 7
    assert notes["rows_outside_window"] == 1
    assert (notes["users"], notes["items"]) == (2, 5)
    assert list(notes["parts"]) == ["train", "valid", "test"]
    assert notes["parts"]["test"] == {
        "rows": 2,
        "users": 2,
        "items": 2,
        "positive_rate": 0.5,
        "known_users": 0.5,  # u has training rows, w has none
        "known_items": 0.5,  # a has, e has not
        "warm": 0.0,
        "first_day": "1970-01-01",
        "last_day": "1970-01-01",
    }


def test_sources_and_splits_are_chosen_by_name() -> None:
    config = DataConfig.model_validate({"source": "movielens-1m", "split": "months"})
    assert (config.source.name, config.split.by) == ("movielens-1m", "months")
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config
    with pytest.raises(ValidationError, match="movielens-1m"):
        DataConfig.model_validate({"source": "movielens-1b"})
    with pytest.raises(ConfigError, match="threshold"):
        validate(DataConfig, {"source": "synthetic", "label": {"threshold": "high"}}, "here")
