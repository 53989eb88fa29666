"""How the rows are divided into training, validation and test parts.

Every strategy works on rows in the order (timestamp, position in the file) and in UTC. Rows that fall into no
part are outside the data window: they are dropped, and no history reaches back to them.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

import polars as pl
from pydantic import Field, model_validator

from scorerec.core.columns import SPLIT, TIMESTAMP, USER_ID
from scorerec.core.config import Config
from scorerec.core.errors import DataError
from scorerec.core.tables import SPLITS

MonthRange: TypeAlias = tuple[int, int]


class MonthsSplit(Config):
    """Calendar months, counted from the month of the data's first row (which is 0); both ends included."""

    by: Literal["months"] = "months"
    train: MonthRange = Field(default=(14, 23), description="first and last month")
    valid: MonthRange = Field(default=(24, 28), description="first and last month")
    test: MonthRange = Field(default=(29, 33), description="first and last month")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        edges = [*self.train, *self.valid, *self.test]
        rising = self.train[1] < self.valid[0] and self.valid[1] < self.test[0]
        if edges != sorted(edges) or not rising:
            raise ValueError(f"months must rise from train to valid to test without overlap, got {edges}")
        return self

    def describe(self) -> str:
        """Return the split in words."""
        parts = (f"{name} {getattr(self, name)[0]}-{getattr(self, name)[1]}" for name in SPLITS)
        return f"by calendar month since the first one in the data: {', '.join(parts)}"

    def part(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the expression that names each row's part, null outside the window."""
        index = _month_index(rows)
        chosen = pl.lit(None, dtype=pl.String)
        for name in SPLITS:
            chosen = pl.when(index.is_between(*getattr(self, name))).then(pl.lit(name)).otherwise(chosen)
        return chosen


class MonthsThenHalvesSplit(Config):
    """The first calendar months train; the rows after them, in order of time, are cut in half, the odd row to test.

    The cut falls between two rows, even of one second, so that the parts have the sizes that they should.
    """

    by: Literal["months-then-halves"] = "months-then-halves"
    train: int = Field(default=49, ge=1, description="calendar months, from the month of the data's first row")

    def describe(self) -> str:
        """Return the split in words.

        >>> MonthsThenHalvesSplit().describe()
        'the first 49 calendar months train, then half of the rows valid, the other half and an odd row test'
        """
        return (
            f"the first {self.train} calendar months train, "
            "then half of the rows valid, the other half and an odd row test"
        )

    def part(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the expression that names each row's part."""
        n_train = rows.select((_month_index(rows) < self.train).sum()).item()
        test_from = n_train + (rows.height - n_train) // 2
        return _by_cuts(pl.int_range(pl.len()), n_train, test_from)


class TimestampSplit(Config):
    """Cut points in UTC seconds; a row at a cut point belongs to the later part."""

    by: Literal["timestamp"] = "timestamp"
    valid_from: int = Field(description="UTC seconds")
    test_from: int = Field(description="UTC seconds")
    start: int | None = Field(default=None, description="UTC seconds; earlier rows are dropped")
    end: int | None = Field(default=None, description="UTC seconds; rows at or after it are dropped")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        edges = [edge for edge in (self.start, self.valid_from, self.test_from, self.end) if edge is not None]
        if edges != sorted(set(edges)):
            raise ValueError(f"start < valid_from < test_from < end must hold, got {edges}")
        return self

    def describe(self) -> str:
        """Return the split in words."""
        return f"by time: valid from {self.valid_from}, test from {self.test_from} (UTC seconds)"

    def part(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the expression that names each row's part, null outside the window."""
        del rows  # cut points do not depend on the data
        time = pl.col(TIMESTAMP)
        part = _by_cuts(time, self.valid_from, self.test_from)
        if self.start is not None:
            part = pl.when(time >= self.start).then(part)
        if self.end is not None:
            part = pl.when(time < self.end).then(part)
        return part


class TimeFractionsSplit(Config):
    """Fractions of all rows in order of time; rows of one second stay together, in the later part."""

    by: Literal["time-fractions"] = "time-fractions"
    train: float = Field(default=0.8, gt=0, lt=1, description="fraction of the rows")
    valid: float = Field(default=0.1, gt=0, lt=1, description="fraction of the rows; test has the rest")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        _check_fractions(self.train, self.valid)
        return self

    def describe(self) -> str:
        """Return the split in words.

        >>> TimeFractionsSplit().describe()
        'by time over all rows: the first 80% train, the next 10% valid, the rest test'
        """
        return f"by time over all rows: {_shares(self.train, self.valid)}"

    def part(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the expression that names each row's part."""
        times = rows[TIMESTAMP]
        valid_from = times[_whole(self.train * rows.height)]
        test_from = times[_whole((self.train + self.valid) * rows.height)]
        return _by_cuts(pl.col(TIMESTAMP), valid_from, test_from)


class UserTimeSplit(Config):
    """Fractions of each user's own rows in order of time.

    Of a user's n rows the last floor(n * test) are test, the floor(n * valid) before them valid, and the rest
    train. So every user has a training row, and a test row only once n * test reaches 1 (10 rows at 0.1).
    """

    by: Literal["user-time"] = "user-time"
    train: float = Field(default=0.8, gt=0, lt=1, description="fraction of a user's rows")
    valid: float = Field(default=0.1, gt=0, lt=1, description="fraction of a user's rows; test has the rest")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        _check_fractions(self.train, self.valid)
        return self

    def describe(self) -> str:
        """Return the split in words."""
        return f"per user by time: {_shares(self.train, self.valid)} of each user's rows"

    def part(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the expression that names each row's part."""
        del rows  # each user's rows decide for themselves
        count = pl.len().over(USER_ID)
        n_test = _whole_expression(count * (1 - self.train - self.valid))
        n_valid = _whole_expression(count * self.valid)
        rows_after = count.cast(pl.Int64) - 1 - pl.int_range(pl.len()).over(USER_ID)
        return (
            pl.when(rows_after < n_test)
            .then(pl.lit("test"))
            .when(rows_after < n_test + n_valid)
            .then(pl.lit("valid"))
            .otherwise(pl.lit("train"))
        )


SplitConfig: TypeAlias = Annotated[
    MonthsSplit | MonthsThenHalvesSplit | TimestampSplit | TimeFractionsSplit | UserTimeSplit,
    Field(discriminator="by"),
]


def add_split(rows: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """Return the rows inside the data window with their ``split``.

    Args:
        rows: user_id and timestamp, in the order (timestamp, position in the file).
        config: the strategy.

    Raises:
        DataError: a part would be empty, or all rows have one time.
    """
    if rows.height > 1 and rows[TIMESTAMP].n_unique() == 1:
        raise DataError(
            f"all {rows.height} rows have the time {_date(rows[TIMESTAMP][0])}: wanted times that tell what came "
            "first; set data.source.columns.timestamp to the column that does, or number the rows in their order"
        )
    divided = rows.with_columns(split=config.part(rows)).filter(pl.col(SPLIT).is_not_null())
    counts = {name: int((divided[SPLIT] == name).sum()) for name in SPLITS}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        first, last = _date(rows[TIMESTAMP].min()), _date(rows[TIMESTAMP].max())
        raise DataError(
            f"split {config.describe()}: wanted rows in every part, {' and '.join(empty)} would be empty "
            f"(got {counts} of {rows.height} rows from {first} to {last}); change data.split"
        )
    return divided


def _month_index(rows: pl.DataFrame) -> pl.Expr:
    """Return each row's calendar month (UTC), counted from the month of the first row."""
    day = pl.from_epoch("timestamp")
    month = day.dt.year() * 12 + day.dt.month()
    return month - rows.select(month.min()).item()


def _by_cuts(place: pl.Expr, valid_from: int, test_from: int) -> pl.Expr:
    """Divide by time, or by position in the order of time."""
    return (
        pl.when(place >= test_from)
        .then(pl.lit("test"))
        .when(place >= valid_from)
        .then(pl.lit("valid"))
        .otherwise(pl.lit("train"))
    )


def _check_fractions(train: float, valid: float) -> None:
    if train + valid >= 1 - 1e-9:
        raise ValueError(f"train + valid must leave something for test, got {train} + {valid}")


def _shares(train: float, valid: float) -> str:
    return f"the first {train:.0%} train, the next {valid:.0%} valid, the rest test"


def _whole(number: float) -> int:
    """Round down, forgiving what binary fractions lose: 0.29 * 100 is 29."""
    return int(number + 1e-9)


def _whole_expression(number: pl.Expr) -> pl.Expr:
    return (number + 1e-9).floor().cast(pl.Int64)


def _date(timestamp: object) -> str:
    return str(pl.select(pl.from_epoch(pl.lit(timestamp))).item())
