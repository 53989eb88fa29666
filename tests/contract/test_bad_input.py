"""What is wrong with a data set is said with its file, its row and a way out, whatever the source."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from scorerec.core.errors import DataError
from scorerec.core.tables import INTERACTIONS
from scorerec.data.prepare import DataConfig, Prepared, prepare

RATINGS, ITEMS = 0, 1
IN_LATIN_1 = ("movies.dat", "u.item")


def refusal(written: Any, **settings: Any) -> str:
    """Return the message that prepare ends with."""
    with pytest.raises(DataError) as caught:
        prepared(written, **settings)
    return str(caught.value)


def prepared(written: Any, **settings: Any) -> Prepared:
    return prepare(DataConfig.model_validate({**written.config.model_dump(), **settings}))


def changed(written: Any, position: int, **values: Any) -> Any:
    """Write the rows with one of them changed."""
    rows = list(written.rows)
    named = dict(zip(("user", "item", "rating", "timestamp"), rows[position], strict=True))
    rows[position] = tuple({**named, **values}.values())
    return written.again(rows=rows)


@pytest.mark.parametrize(
    ("values", "fault", "advice"),
    [
        ({"rating": "good"}, "rating cannot be read: 'good'", "correct or remove the row"),
        ({"timestamp": "soon"}, "timestamp cannot be read: 'soon'", "correct or remove the row"),
        ({"timestamp": 978_300_100_000}, "timestamp 978300100000 is no time", 'timestamp_unit = "ms"'),
        ({"timestamp": 4_102_444_800}, "timestamp 4102444800 is no time from 1900 to 2099", "correct the rows"),
        ({"timestamp": -(10**15)}, "timestamp -1000000000000000 is no time", "correct the rows"),
        ({"user": ""}, "user_id is empty", "correct or remove the row"),
        ({"item": ""}, "item_id is empty", "correct or remove the row"),
        ({"item": "4"}, "item '4' is not in ", 'data.unknown_items = "drop"'),
        ({"item": "01"}, "item '01' is not in ", 'data.unknown_items = "drop"'),
        ({"user": "007", "item": "02"}, "user '007' and item '02' occur again, first in row", "data.repeats"),
    ],
)
def test_a_bad_rating_is_named(in_files: Any, values: dict[str, Any], fault: str, advice: str) -> None:
    message = refusal(changed(in_files, 5, **values))
    assert message.startswith(f"{in_files.place(RATINGS, 5)}: {fault}")
    assert advice in message


def test_a_row_without_a_rating_is_named(in_text: Any) -> None:
    message = refusal(changed(in_text, 2, rating=""))
    assert message.startswith(f"{in_text.place(RATINGS, 2)}: wanted a rating to compare")
    assert "data.label" in message


def test_items_that_the_catalogue_lacks_can_be_dropped(in_files: Any) -> None:
    notes = prepared(changed(in_files, 3, item="4"), unknown_items="drop").notes
    assert (notes["rows_read"], notes["rows_of_unknown_items"]) == (8, 1)


@pytest.mark.parametrize(("policy", "n_rows"), [("keep", 8), ("first", 7), ("last", 7)])
def test_repeats_can_be_kept(in_files: Any, policy: str, n_rows: int) -> None:
    notes = prepared(changed(in_files, 3, user="8", item="1"), repeats=policy).notes
    assert sum(part["rows"] for part in notes["parts"].values()) == n_rows
    assert notes["rows_of_repeats"] == 8 - n_rows


def test_an_item_without_a_title_is_named(in_files: Any) -> None:
    (one, title), (two, _), last = in_files.titles
    message = refusal(in_files.again(titles=((one, title), (two, " " * 7), last)))
    assert message.startswith(f"{in_files.place(ITEMS, 1)}: title is empty (item_id '02'")
    assert "fill it, or remove the item" in message


def test_an_item_that_the_catalogue_has_twice_is_named(in_files: Any) -> None:
    message = refusal(in_files.again(titles=(*in_files.titles, ("02", "Another (1999)"))))
    assert message.startswith(f"{in_files.place(ITEMS, 3)}: item_id '02' has more than one entry")
    assert "keep one of each" in message


def test_a_catalogue_of_one_item_will_do(in_files: Any) -> None:
    rows = [(f"{number:02d}", "02", 5 - number % 2, 978_300_000 + number) for number in range(8)]
    tables = prepared(in_files.again(rows=rows, titles=in_files.titles[1:2]), label={"threshold": 5})
    assert tables.items["item_id"].to_pylist() == ["02"]
    assert tables.interactions["split"].to_pylist() == [*["train"] * 4, *["valid"] * 2, *["test"] * 2]


def test_a_user_with_one_row_trains(in_files: Any) -> None:
    rows = [(user, item, 5 * n, 978_300_000) for n, user in enumerate(("8", "9")) for item, _ in in_files.titles]
    split = {"by": "user-time", "train": 0.3, "valid": 0.35}
    tables = prepared(in_files.again(rows=[*rows, ("00", "1", 5, 978_400_000)]), split=split).interactions
    lone = [row for row in INTERACTIONS.check(tables).to_pylist() if row["user_id"] == "00"]
    assert [(row["split"], row["n_before"]) for row in lone] == [("train", 0)]


def test_a_split_that_leaves_a_part_empty_is_refused(in_files: Any) -> None:
    split = {"by": "timestamp", "valid_from": 978_301_000, "test_from": 1_000_000_000}
    message = refusal(in_files, split=split)
    assert "test would be empty (got {'train': 5, 'valid': 3, 'test': 0} of 8 rows from 2000-12-31" in message
    assert "change data.split" in message


def test_a_threshold_off_the_scale_is_named(in_files: Any) -> None:
    message = refusal(in_files, label={"threshold": 6})
    assert message.startswith(f"{in_files.files[RATINGS]}: wanted liked and disliked rows in every part, found liked: ")
    assert (
        "train 0%, valid 0%, test 0% (label = 1 where rating >= 6); the ratings run from 1 to 5 (5 values), " in message
    )
    assert "and data.label.threshold = 4 would make 50.0% of the rows liked, or change data.split" in message


def test_times_that_tell_no_order_are_named(in_files: Any) -> None:
    rows = [(user, item, rating, 978_300_000) for user, item, rating, _ in in_files.rows]
    message = refusal(in_files.again(rows=rows), split="user-time")
    assert message.startswith("all 8 rows have the time 2000-12-31")
    assert "set data.source.columns.timestamp" in message


def test_times_before_1970_are_doubted(in_files: Any) -> None:
    assert prepared(in_files).notes["warnings"] == []
    [warning] = prepared(changed(in_files, 3, timestamp=-1)).notes["warnings"]
    assert f"1 of 8 rows have times before 1970, the first in {in_files.place(RATINGS, 3)} (-1 s)" in warning


def changed_line(in_text: Any, file: int, change: Callable[[bytes], bytes]) -> str:
    """Change the line of the second row, and return the message that prepare ends with."""
    lines = in_text.text(file).split(b"\n")
    lines[in_text.case.first_row] = change(lines[in_text.case.first_row])
    in_text.put(file, b"\n".join(lines))
    return refusal(in_text)


@pytest.mark.parametrize("file", [RATINGS, ITEMS])
def test_text_in_another_encoding_is_named(in_text: Any, file: int) -> None:
    wanted, other = ("Latin-1", "utf-8") if in_text.case.files[file] in IN_LATIN_1 else ("UTF-8", "latin-1")
    message = changed_line(in_text, file, lambda line: "é".encode(other) + line)
    assert message.startswith(f"{in_text.place(file, 1)}: wanted text in {wanted}, found")
    assert re.search("save it as UTF-8|use the file as published", message)


@pytest.mark.parametrize("file", [RATINGS, ITEMS])
def test_a_line_with_too_much_is_named(in_text: Any, file: int) -> None:
    more = in_text.case.separators[file].encode() + b"more"
    assert changed_line(in_text, file, lambda line: line + more).startswith(in_text.place(file, 1))


def test_a_line_with_too_little_is_named(in_text: Any) -> None:
    separator = in_text.case.separators[RATINGS].encode()
    message = changed_line(in_text, RATINGS, lambda line: line.rpartition(separator)[0])
    assert message.startswith(f"{in_text.place(RATINGS, 1)}: timestamp is empty")


@pytest.mark.parametrize(("file", "name"), [(RATINGS, "timestamp"), (ITEMS, "item_id")])
def test_a_missing_column_is_named(in_columns: Any, file: int, name: str) -> None:
    path = in_columns.files[file]
    if in_columns.case.separators:
        in_columns.put(file, in_columns.text(file).replace(name.encode(), b"other", 1))
    else:
        pl.read_parquet(path).rename({name: "other"}).write_parquet(path)
    message = refusal(in_columns)
    assert message.startswith(f"{path}: no column {name!r} for {name}; the file has [")
    assert f"set data.source.columns.{name}" in message


@pytest.mark.parametrize("file", [RATINGS, ITEMS])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_packed_file_that_was_cut_is_named(in_packed_files: Any, file: int, kept: float) -> None:
    path = in_packed_files.files[file]
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    message = refusal(in_packed_files)
    assert message.startswith(f"{path}: cannot be read")
    assert "fetch it again" in message


@pytest.mark.parametrize("file", [RATINGS, ITEMS])
def test_a_file_with_a_header_and_no_rows_is_named(in_columns: Any, file: int) -> None:
    path = in_columns.files[file]
    if in_columns.case.separators:
        in_columns.put(file, in_columns.text(file).partition(b"\n")[0] + b"\n")
    else:
        pl.read_parquet(path).clear().write_parquet(path)
    assert refusal(in_columns).startswith(f"{path}: wanted at least one row, found none; ")
