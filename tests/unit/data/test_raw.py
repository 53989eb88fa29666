"""Text of a file becomes numbers, or an error that names the row."""

from __future__ import annotations

import datetime
from pathlib import Path

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.data.origin import Origin
from scorerec.data.raw import collect, column_types, parse_ratings, require_file

ORIGIN = Origin(Path("ratings.csv"), first_row=2)


def scan(**columns: list[object]) -> pl.LazyFrame:
    texts: dict[str, list[object]] = {"user_id": ["007"], "item_id": ["01"], "timestamp": ["10"]}
    return pl.LazyFrame({**texts, **columns})


def test_ids_stay_text_and_absent_columns_are_empty() -> None:
    row = parse_ratings(scan(), ORIGIN).row(0, named=True)
    assert row == {
        "position": 0,
        "user_id": "007",
        "item_id": "01",
        "rating": None,
        "label": None,
        "timestamp": 10,
    }


def test_integer_ids_become_text() -> None:
    assert parse_ratings(scan(user_id=[7]), ORIGIN)["user_id"].to_list() == ["7"]


def test_float_ids_are_refused() -> None:
    with pytest.raises(DataError, match="user_id is Float64"):
        parse_ratings(scan(user_id=[7.0]), ORIGIN)


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [
        ("881250949", "s", 881_250_949),
        ("881250949.0", "s", 881_250_949),
        ("1500000000999", "ms", 1_500_000_000),
        ("-1", "ms", -1),
        ("1970-01-02", "iso", 86_400),
        ("1970-01-01T00:00:05Z", "iso", 5),
        (datetime.datetime(1970, 1, 1, 0, 1), "s", 60),
        (datetime.date(1970, 1, 2), "s", 86_400),
        (12, "s", 12),
    ],
)
def test_timestamps_become_utc_seconds(value: object, unit: str, seconds: int) -> None:
    frame = parse_ratings(scan(timestamp=[value]), ORIGIN, timestamp_unit=unit)
    assert frame["timestamp"].to_list() == [seconds]
    assert frame.schema["timestamp"] == pl.Int64


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("rating", ["4", "good", "5"], "row 3: rating cannot be read: 'good'"),
        ("rating", ["4", "nan", "5"], "row 3: rating cannot be read: 'nan'"),
        ("label", ["0", "1", "0.5"], "row 4: label cannot be read: '0.5'"),
        ("timestamp", ["1", "2", "soon"], "row 4: timestamp cannot be read: 'soon'"),
        ("timestamp", [None, "2", "3"], "row 2: timestamp is empty"),
        ("timestamp", ["1", "2020-01-02 03:04", "3"], 'row 3: .*; set data.source.timestamp_unit = "iso"'),
        ("timestamp", ["1", "03/04/2020", "3"], "row 3: .*; write times as numbers, or as ISO 8601 text"),
        ("rating", ["4", "4,5", "5"], "row 3: rating cannot be read: '4,5'; write numbers with a point"),
        ("user_id", ["a", "", "c"], "row 3: user_id is empty"),
    ],
)
def test_a_fault_names_its_row(name: str, values: list[object], message: str) -> None:
    columns: dict[str, list[object]] = {key: ["1"] * 3 for key in ("user_id", "item_id", "timestamp")}
    with pytest.raises(DataError, match=message):
        parse_ratings(pl.LazyFrame({**columns, name: values}), ORIGIN)


def test_a_date_that_could_be_two_days_is_no_iso_text() -> None:
    with pytest.raises(DataError, match="row 2: timestamp cannot be read: '03/04/2020'; write times"):
        parse_ratings(scan(timestamp=["03/04/2020"]), ORIGIN, timestamp_unit="iso")


def test_an_empty_rating_is_no_fault_here() -> None:
    frame = parse_ratings(scan(rating=[""]), ORIGIN)
    assert frame["rating"].to_list() == [None]


@pytest.mark.parametrize("fault", [pl.exceptions.PanicException("left != right"), OSError("end of file")])
def test_what_the_reader_raises_is_no_traceback(monkeypatch: pytest.MonkeyPatch, fault: BaseException) -> None:
    """Both come from damaged files; a panic is not even an Exception."""

    def give_up(*_: object, **__: object) -> None:
        raise fault

    for name in ("collect", "collect_schema"):
        monkeypatch.setattr(pl.LazyFrame, name, give_up)
    for read in (collect, column_types):
        with pytest.raises(DataError, match=f"here: cannot be read: {fault}"):
            read(scan(), Origin(Path("here")))


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        parse_ratings(scan().filter(pl.lit(False)), ORIGIN)


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; do this"):
        require_file(tmp_path / "absent", "do this")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="is empty; do this"):
        require_file(tmp_path / "empty", "do this")
