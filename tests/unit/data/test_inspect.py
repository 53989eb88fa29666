"""Files of other people: what they are taken for, and what is asked rather than guessed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scorerec.core.errors import ConfigError, DataError, UnclearError
from scorerec.data.form import ANSWERS
from scorerec.data.inspect import Inspection, inspect_files

NAMES = ("user", "item", "stars", "time")
# Users are no items, and are more than a scale of ratings has values.
ROWS = [(f"u{n}", f"b{n % 7}", n % 5 + 1, 1_600_000_000 + n) for n in range(110)]
ITEMS = [(f"b{n}", f"Title {n}", "Drama|War") for n in range(7)]


class Files:
    """Two files in a folder, and what is found in them."""

    def __init__(self, folder: Path) -> None:
        self.ratings, self.items = folder / "ratings.csv", folder / "items.csv"

    def write(
        self,
        path: Path,
        rows: Sequence[Sequence[Any]],
        names: Sequence[str] = (),
        sep: str = ",",
        encoding: str = "utf-8",
    ) -> None:
        lines = [sep.join(map(str, row)) for row in ([names, *rows] if names else rows)]
        path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))

    def found(self, **answers: str) -> Inspection:
        return inspect_files(self.ratings, self.items, {key.replace("_", "-"): value for key, value in answers.items()})

    def asked(self, **answers: str) -> UnclearError:
        with pytest.raises(UnclearError) as caught:
            self.found(**answers)
        return caught.value


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.write(made.ratings, ROWS, NAMES)
    made.write(made.items, ITEMS, ("id", "name", "genres"))
    return made


def test_columns_are_told_by_name_and_by_what_is_in_them(files: Files) -> None:
    found = files.found()
    columns = found.source.columns
    assert columns.ratings() == {"user_id": "user", "item_id": "item", "rating": "stars", "timestamp": "time"}
    assert columns.items() == {"item_id": "id", "title": "name"}
    assert (found.source.timestamp_unit, found.source.lists) == ("s", {"genres": "|"})
    assert (found.source.separator, found.source.encoding, found.source.items_separator) == (None, "utf-8", None)
    assert "taken: user = user, item = item, time = time, rating = stars; times in s" in found.lines[1]
    assert found.source.read(None).ratings.height == len(ROWS)


@pytest.mark.parametrize("sep", ["::", ";", "\t"])
def test_files_without_names_are_told_by_content(files: Files, sep: str) -> None:
    files.write(files.ratings, ROWS, sep=sep)
    files.write(files.items, [(item, f"Amélie {item}", 1990) for item, *_ in ITEMS], sep=";", encoding="utf-16")
    source = files.found(items_header="no").source
    raw = source.read(None)
    assert raw.ratings.row(1) == (1, "u1", "b1", 2.0, None, 1_600_000_001)
    assert raw.items.row(0, named=True) == {"item_id": "b0", "title": "Amélie b0", "column_3": "1990"}
    assert (source.separator, source.items_encoding) == (sep, "utf-16")


def test_parquet_and_times_of_its_own_type(files: Files, tmp_path: Path) -> None:
    times = [datetime.datetime.fromtimestamp(row[3], datetime.UTC) for row in ROWS]
    frame = pl.DataFrame(ROWS, schema=["who", "what", "stars", "seen"], orient="row")
    frame.with_columns(seen=pl.Series(times)).write_parquet(tmp_path / "r.parquet")
    files.ratings = tmp_path / "r.parquet"
    source = files.found().source
    assert source.columns.ratings() == {"user_id": "who", "item_id": "what", "rating": "stars", "timestamp": "seen"}
    assert source.read(None).ratings["timestamp"].to_list() == [row[3] for row in ROWS]


@pytest.mark.parametrize(
    ("write", "unit"),
    [
        (lambda seconds: seconds, "s"),
        (lambda seconds: seconds * 1000, "ms"),
        (lambda seconds: seconds * 10**6, "us"),
        (lambda seconds: seconds * 10**9, "ns"),
        (lambda seconds: f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M:%S}", "iso"),
    ],
)
def test_the_unit_of_time(files: Files, write: Any, unit: str) -> None:
    files.write(files.ratings, [(*row[:3], write(row[3])) for row in ROWS], NAMES)
    source = files.found().source
    assert source.timestamp_unit == unit
    assert source.read(None).ratings["timestamp"].to_list() == [row[3] for row in ROWS]


@pytest.mark.parametrize("written", ["20200913", "03/04/2020"])
def test_dates_that_are_no_times_are_refused(files: Files, written: str) -> None:
    files.write(files.ratings, [(*row[:3], written) for row in ROWS], NAMES)
    with pytest.raises(DataError, match=rf"ratings\.csv: time has times such as '{written}', wanted .* ISO 8601"):
        files.found()


def test_times_that_may_be_of_any_unit_are_asked_about(files: Files) -> None:
    files.write(files.ratings, [(*row[:3], n) for n, row in enumerate(ROWS)], NAMES)
    asked = files.asked()
    assert (asked.key, asked.options) == ("time-unit", ("s", "ms", "us", "ns"))
    assert files.found(time_unit="ms").source.timestamp_unit == "ms"
    with pytest.raises(ConfigError, match="timestamp_unit: Input should be"):
        files.found(time_unit="days")


def test_two_columns_that_may_be_meant_are_asked_about(files: Files) -> None:
    files.write(files.ratings, [(*row, row[2]) for row in ROWS], (*NAMES, "score"))
    asked = files.asked()
    assert (asked.key, asked.options) == ("rating", ("stars", "score"))
    assert str(asked).endswith("which column is the rating? Say so: --take rating=stars or --take rating=score")
    assert files.found(rating="score").source.columns.rating == "score"
    with pytest.raises(DataError, match="no column 'points' for rating; the file has"):
        files.found(rating="points")


def test_users_whose_ids_could_be_items_are_asked_about(files: Files) -> None:
    """Without names, users 1 to 110 and items 1 to 150 look alike: a wrong guess would go unnoticed."""
    rows = [(n + 1, (7 * n) % 150 + 1, 3 + n % 2, time) for n, (_, _, _, time) in enumerate(ROWS)]
    files.write(files.ratings, rows)
    files.write(files.items, [(n, f"Title {n}") for n in range(1, 151)], ("id", "title"))
    asked = files.asked()
    assert (asked.key, asked.options) == ("item", ("column_1", "column_2"))
    assert files.found(item="column_2").source.columns.user_id == "column_1"


def test_an_unknown_encoding_is_asked_about_and_not_guessed(files: Files) -> None:
    files.write(files.items, [(item, "Amélie") for item, *_ in ITEMS], ("id", "title"), encoding="cp1252")
    asked = files.asked()
    assert (asked.key, asked.options) == ("items-encoding", ("cp1252", "latin-1"))
    source = files.found(items_encoding="cp1252").source
    assert source.read(None).items["title"][0] == "Amélie"
    with pytest.raises(DataError, match="items-encoding=utf-9: no encoding that Python knows"):
        files.found(items_encoding="utf-9")


def test_a_first_row_that_may_be_names_is_asked_about(files: Files) -> None:
    files.write(files.items, [(item, title) for item, title, _ in ITEMS])
    asked = files.asked()
    assert (asked.key, asked.options) == ("items-header", ("yes", "no"))
    assert files.found(items_header="no").source.items_names == ("column_1", "column_2")
    assert files.asked(items_header="maybe").key == "items-header"


def test_a_separator_that_cannot_be_told_is_asked_about(files: Files) -> None:
    files.write(files.ratings, [("u1", "b1", 4)], sep="~")
    assert (files.asked().key, files.asked().options) == ("separator", ())
    files.ratings.write_text("u1;b1,4;5,6\nu2;b2,3;5,6\n")  # three fields, whichever way it is divided
    assert files.asked().options == (";", ",")
    files.ratings.write_text("\n".join("~".join(map(str, row)) for row in ROWS))
    assert files.found(separator="~").source.separator == "~"


def test_items_that_share_no_id_are_asked_about(files: Files) -> None:
    files.write(files.items, [("x1", "Title")], ("id", "title"))
    assert (files.asked().key, files.asked().options) == ("items-id", ("id", "title"))


def test_labels_of_0_and_1_serve_instead_of_ratings(files: Files) -> None:
    files.write(files.ratings, [(*row[:2], row[2] % 2, row[3]) for row in ROWS], ("user", "item", "clicked", "time"))
    columns = files.found().source.columns
    assert (columns.rating, columns.label) == (None, "clicked")


def test_what_can_be_asked_can_be_answered(files: Files) -> None:
    assert {"rating", "items-id", "items-header", "encoding", "time-unit", "title", "items-separator"} < ANSWERS.keys()


def test_files_that_are_missing_or_have_no_rows(files: Files) -> None:
    files.items.write_text("\n\n")
    with pytest.raises(DataError, match=r"items\.csv: wanted at least one row"):
        files.found()
    files.items.unlink()
    with pytest.raises(DataError, match=r"items\.csv: no such file; name the ratings file and the items file"):
        files.found()
