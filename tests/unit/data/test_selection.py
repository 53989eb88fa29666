"""Spans of days and samples, on rows few enough to count."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from scorerec.core.errors import DataError
from scorerec.data.selection import SelectionConfig, select

DAY = 86_400
ROWS = pl.DataFrame({"user_id": list("abcab"), "timestamp": [0, DAY - 1, DAY, 2 * DAY, 3 * DAY]})


def selected(**settings: Any) -> pl.DataFrame:
    return select(ROWS, SelectionConfig.model_validate(settings))


def test_all_rows_take_part_unless_told_otherwise() -> None:
    assert selected().equals(ROWS)


def test_a_span_includes_both_days() -> None:
    assert selected(first_day="1970-01-02", last_day="1970-01-03")["timestamp"].to_list() == [DAY, 2 * DAY]
    assert selected(last_day="1970-01-01")["timestamp"].to_list() == [0, DAY - 1]
    assert selected(first_day="1970-01-04")["timestamp"].to_list() == [3 * DAY]


def test_drawn_rows_keep_their_order_and_depend_on_the_seed_alone() -> None:
    many = pl.concat([ROWS] * 20).with_columns(timestamp=pl.int_range(100))
    one, other = (select(many, SelectionConfig(sample="rows", count=30, seed=seed)) for seed in (1, 2))
    assert one.height == 30
    assert one["timestamp"].is_sorted()
    assert one.equals(select(many, SelectionConfig(sample="rows", count=30, seed=1)))
    assert not one.equals(other)


def test_drawn_users_keep_all_of_their_rows() -> None:
    kept = selected(sample="users", count=2, last_day="1970-01-03")
    users = kept["user_id"].unique()
    assert users.len() == 2
    span = ROWS.filter(pl.col("timestamp") < 3 * DAY)
    assert kept.equals(span.filter(pl.col("user_id").is_in(users.implode())))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first_day": "2013-01-01"}, "wanted rows from 2013-01-01 on, found none of 5"),
        ({"sample": "rows", "count": 6}, "wanted 6 rows, the span has 5; lower data.select.count"),
        ({"sample": "users", "count": 4}, "wanted 4 users, the span has 3"),
    ],
)
def test_what_is_not_there_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        selected(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first_day": "2013-01-02", "last_day": "2013-01-01"}, "must hold"),
        ({"sample": "rows"}, "needs its count"),
        ({"count": 3}, "all has none"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectionConfig.model_validate(settings)
