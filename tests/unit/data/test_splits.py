"""Every strategy, on rows few enough to divide by hand."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from scorerec.core.errors import DataError
from scorerec.data.splits import (
    MonthsSplit,
    MonthsThenHalvesSplit,
    SplitConfig,
    TimeFractionsSplit,
    TimestampSplit,
    UserTimeSplit,
    add_split,
)


def rows(timestamps: list[int], users: str | None = None) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(users or "u" * len(timestamps)), "timestamp": timestamps})


def seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


def parts(frame: pl.DataFrame) -> list[str]:
    return frame["split"].to_list()


def test_months_count_from_the_first_month_of_the_data_in_utc() -> None:
    moments = [
        "2000-04-30T23:59:59",  # month 0: before the window
        "2000-05-01T00:00:00",  # month 1
        "2000-12-31T23:59:59",  # month 8
        "2001-01-01T00:00:00",  # month 9
        "2001-02-28T12:00:00",  # month 10
        "2001-03-01T00:00:00",  # month 11: after the window
    ]
    split = MonthsSplit(train=(1, 8), valid=(9, 9), test=(10, 10))
    divided = add_split(rows([seconds(moment) for moment in moments]), split)
    assert parts(divided) == ["train", "train", "valid", "test"]
    assert divided["timestamp"].to_list() == [seconds(moment) for moment in moments[1:5]]


@pytest.mark.parametrize("months", [{"train": (14, 24)}, {"test": (33, 29)}, {"valid": (10, 12)}])
def test_months_rise_without_overlap(months: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(ValidationError, match="must rise"):
        MonthsSplit.model_validate(months)


def test_after_the_training_months_the_rest_is_halved_and_the_odd_row_is_tested() -> None:
    moments = ["2013-01-31T23:59:59", "2013-02-28T00:00:00", *["2013-03-01T00:00:00"] * 4, "2014-07-01T00:00:00"]
    frame = rows([seconds(moment) for moment in moments])
    divided = add_split(frame, MonthsThenHalvesSplit(train=2))
    assert parts(divided) == ["train"] * 2 + ["valid"] * 2 + ["test"] * 3
    assert divided.drop("split").equals(frame)
    assert (
        parts(add_split(frame.head(6), MonthsThenHalvesSplit(train=2))) == ["train"] * 2 + ["valid"] * 2 + ["test"] * 2
    )


def test_months_that_hold_everything_leave_no_halves() -> None:
    with pytest.raises(DataError, match="valid and test would be empty"):
        add_split(rows([0, 1, 2]), MonthsThenHalvesSplit(train=1))


def test_a_row_at_a_cut_point_belongs_to_the_later_part() -> None:
    split = TimestampSplit(valid_from=10, test_from=20, start=5, end=30)
    divided = add_split(rows([4, 5, 9, 10, 19, 20, 29, 30]), split)
    assert parts(divided) == ["train", "train", "valid", "valid", "test", "test"]


def test_cut_points_rise() -> None:
    with pytest.raises(ValidationError, match="must hold"):
        TimestampSplit(valid_from=10, test_from=10)


def test_fractions_of_time_keep_a_second_together_in_the_later_part() -> None:
    split = TimeFractionsSplit(train=0.6, valid=0.2)
    assert parts(add_split(rows(list(range(10))), split)) == ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    tied = add_split(rows([0, 1, 2, 3, 6, 6, 6, 7, 8, 9]), split)
    assert parts(tied) == ["train"] * 4 + ["valid"] * 4 + ["test"] * 2


def test_fractions_survive_binary_rounding() -> None:
    # 0.29 * 100 is 28.999999999999996.
    divided = add_split(rows(list(range(100))), TimeFractionsSplit(train=0.29, valid=0.3))
    assert parts(divided).count("train") == 29


def test_each_user_is_divided_by_their_own_rows() -> None:
    users = "aabbababababababababab"  # 11 rows each
    divided = add_split(rows(list(range(22)), users), UserTimeSplit())
    for user in "ab":
        own = divided.filter(pl.col("user_id") == user)
        assert parts(own) == ["train"] * 9 + ["valid"] + ["test"]


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [(1, (1, 0, 0)), (3, (3, 0, 0)), (4, (2, 1, 1)), (8, (4, 2, 2)), (9, (5, 2, 2))],
)
def test_a_user_with_few_rows_trains_first(n_rows: int, expected: tuple[int, int, int]) -> None:
    # A second user keeps the parts from being empty.
    frame = rows(list(range(n_rows + 8)), "u" * n_rows + "w" * 8)
    divided = add_split(frame, UserTimeSplit(train=0.5, valid=0.25)).filter(pl.col("user_id") == "u")
    assert tuple(parts(divided).count(name) for name in ("train", "valid", "test")) == expected


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(DataError, match=r"valid and test would be empty .* 2 rows from 1970-01-01"):
        add_split(rows([0, 1]), UserTimeSplit())


@pytest.mark.parametrize("split", [TimeFractionsSplit, UserTimeSplit])
def test_fractions_leave_something_for_test(split: type[TimeFractionsSplit]) -> None:
    with pytest.raises(ValidationError, match="leave something for test"):
        split(train=0.9, valid=0.1)


def test_the_strategy_is_chosen_by_name() -> None:
    adapter: TypeAdapter[SplitConfig] = TypeAdapter(SplitConfig)
    assert adapter.validate_python({"by": "months"}) == MonthsSplit()
    with pytest.raises(ValidationError, match="union_tag"):
        adapter.validate_python({"by": "moon"})


@given(
    timestamps=st.lists(st.integers(0, 50), min_size=12, max_size=40),
    split=st.sampled_from([TimeFractionsSplit(train=0.5, valid=0.25), UserTimeSplit(train=0.5, valid=0.25)]),
)
def test_fractions_divide_all_rows_in_order(timestamps: list[int], split: TimeFractionsSplit | UserTimeSplit) -> None:
    frame = rows(sorted(timestamps))
    try:
        divided = add_split(frame, split)
    except DataError:  # one second holds too much of the data
        return
    assert divided.drop("split").equals(frame)
    order = [("train", "valid", "test").index(part) for part in parts(divided)]
    assert order == sorted(order)
