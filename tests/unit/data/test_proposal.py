"""What is proposed for a source, with the counts behind it."""

from __future__ import annotations

import polars as pl
import pytest

from scorerec.core.errors import DataError, UnclearError
from scorerec.data.form import ANSWERS
from scorerec.data.proposal import Proposal, propose
from scorerec.data.raw import RawTables
from scorerec.data.sources.columns import ColumnMap
from scorerec.data.sources.tabular import TabularFiles

Row = tuple[str, str, float | None, int]
# Ten users in turn, each with all of ten items; half of the ratings are 8 or more.
ROWS: list[Row] = [(f"u{n % 10}", f"b{n // 10}", float(n * 7 % 4 * 2 + 3), 1_600_000_000 + n) for n in range(100)]
TITLES: dict[str, str | None] = {f"b{n}": f"Title {n}" for n in range(10)}


def raw(rows: list[Row], titles: list[tuple[str, str | None]] | None = None) -> RawTables:
    names = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
    ratings = pl.DataFrame(rows, schema=names, orient="row").with_row_index("position")
    items = pl.DataFrame(titles or list(TITLES.items()), schema=["item_id", "title"], orient="row")
    return RawTables(ratings.with_columns(label=pl.lit(None, dtype=pl.Int8)), items)


def proposed(tables: RawTables, columns: ColumnMap | None = None, **answers: str) -> Proposal:
    source = TabularFiles(columns=columns or ColumnMap())
    return propose(tables, source, {key.replace("_", "-"): value for key, value in answers.items()})


def test_a_threshold_and_a_split_with_their_counts() -> None:
    found = proposed(raw(ROWS))
    assert found.settings == {"label": {"threshold": 7.0}, "split": {"by": "time-fractions"}}
    assert found.reasons["label"] == (
        "the ratings run from 3 to 9 (4 values); "
        "9 or more: 25.0%, 7 or more: 50.0%, 5 or more: 75.0%, 3 or more: 100.0%"
    )
    assert "time-fractions: train 80 rows (50% liked), valid 10 rows" in found.reasons["split"]
    assert "user-time: train 80 rows" in found.reasons["split"]
    assert {name: part["rows"] for name, part in found.parts.items()} == {"train": 80, "valid": 10, "test": 10}


def test_users_that_training_does_not_know_are_divided_by_their_own_time() -> None:
    rows = [(f"u{n // 10}", f"b{n % 10}", rating, time) for n, (_, _, rating, time) in enumerate(ROWS)]
    found = proposed(raw(rows))
    assert found.settings["split"] == {"by": "user-time"}
    assert "of users with training rows are 0% of valid and 0% of test" in found.reasons["split"]


def test_what_was_said_is_taken_and_doubted_where_it_is_unlikely() -> None:
    rows = [*ROWS, ("u0", "b10", 0.0, 1_500_000_000)]
    found = proposed(raw(rows, [*TITLES.items(), ("b10", "Ten")]), threshold="5", split="user-time")
    assert found.settings == {"label": {"threshold": 5.0}, "split": {"by": "user-time"}}
    with pytest.raises(DataError, match=r"no split can be proposed: .*found liked: .*100%.* 7 would make"):
        proposed(raw(ROWS), threshold="1")
    with pytest.raises(DataError, match="threshold=high: wanted a number"):
        proposed(raw(ROWS), threshold="high")


@pytest.mark.parametrize(
    ("rows", "titles", "key", "answer"),
    [
        ([*ROWS, ROWS[0]], list(TITLES.items()), "repeats", "last"),
        ([*ROWS, ("u1", "zz", 9.0, 1_600_000_200)], list(TITLES.items()), "unknown-items", "drop"),
        (ROWS, [*TITLES.items(), ("b11", " ")], "untitled-items", "drop"),
        (ROWS, [*TITLES.items(), ("b1", "Again")], "repeated-items", "first"),
    ],
)
def test_rows_that_cannot_be_meant_are_asked_about(
    rows: list[Row], titles: list[tuple[str, str | None]], key: str, answer: str
) -> None:
    with pytest.raises(UnclearError, match=r"^1 .* what is to happen to them\? Say so: --take") as caught:
        proposed(raw(rows, titles))
    assert caught.value.key == key
    assert answer in caught.value.options
    assert key in ANSWERS
    found = proposed(raw(rows, titles), **{key: answer})
    assert found.settings[key.replace("-", "_")] == answer


def test_labels_that_are_given_need_no_threshold() -> None:
    tables = raw(ROWS)
    labelled = RawTables(tables.ratings.with_columns(label=pl.col("position") % 2, rating=None), tables.items)
    found = proposed(labelled, ColumnMap(rating=None, label="clicked"))
    assert found.settings["label"] == {"kind": "given"}


@pytest.mark.parametrize(
    ("rating", "message"), [(7.0, "no threshold divides them"), (None, "wanted ratings, rating is empty")]
)
def test_ratings_that_say_nothing_are_refused(rating: float | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        proposed(raw([(user, item, rating, time) for user, item, _, time in ROWS]))
